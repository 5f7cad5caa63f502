"""The report: complete, self-contained, and the same learner looks the same everywhere."""

from __future__ import annotations

import csv
import re

import numpy as np
import pytest
from continual_runs import experiment

from sparsectl.continual import figures, report, results
from sparsectl.continual.run import run
from sparsectl.errors import ConfigError
from sparsectl.report.style import looks_of


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    place = tmp_path_factory.mktemp("runs")
    for name, width in (("narrow", 4), ("wide", 16)):
        changes = {"name": name, "network": {"hidden": [width]}, "seeds": [0, 1], "epochs": 1}
        protocols = {"protocols": ["sequential", "joint"]}
        assert run(experiment(**changes, **protocols), place / name) == []
    split = experiment(
        name="split",
        stream={"kind": "split_digits", "classes": 5},
        learners={"real": {"kind": "finetune"}, "field": {"kind": "field"}},
    )
    assert run(split, place / "split") == []
    return place


def test_a_report_has_table_figures_and_nothing_from_elsewhere(runs, tmp_path):
    path = report.write(report.collect([runs / "narrow"]), tmp_path)
    html = path.read_text()
    assert not re.search(r"""(src|href)=["'](?!data:|#)""", html)
    assert "@import" not in html
    drawn = ("final_scores", "retention", "by_task", "decay", "course", "matrices")
    for name in (*drawn, "score_against_size"):
        assert f'id="{name}-' in html
        assert (tmp_path / "figures" / f"{name}.svg").read_text().startswith("<?xml")
    rows = list(csv.DictReader((tmp_path / "compare.csv").open()))
    protocols = [(r["label"], r["protocol"]) for r in rows]
    assert protocols[:2] == [("real", "sequential"), ("real", "joint")]
    assert rows[1]["forgetting"] == ""
    assert float(rows[0]["final_low"]) <= float(rows[0]["final"]) <= float(rows[0]["final_high"])
    assert (tmp_path / "compare.md").read_text().startswith("| learner | protocol |")


def test_runs_with_the_same_tasks_share_a_section(runs, tmp_path, monkeypatch):
    some = {name: figures.FIGURES[name] for name in ("retention", "course")}
    monkeypatch.setattr(figures, "FIGURES", some)
    sections = report.collect([runs / "narrow", runs / "wide", runs / "split"])
    assert [s.title for s in sections] == ["permuted digits", "split digits"]
    labels = {u.label for u in sections[0].found}
    assert labels == {"narrow: real", "narrow: binary", "wide: real", "wide: binary"}
    assert {u.label for u in sections[1].found} == {"real", "field"}
    html = report.write(sections, tmp_path, title="All & sundry").read_text()
    assert "<h1>All &amp; sundry</h1>" in html
    assert (tmp_path / "compare_2.csv").is_file()
    assert (tmp_path / "figures" / "s1retention.svg").is_file()
    ids = re.findall(r'\bid="([^"]+)"', html)
    assert len(ids) == len(set(ids))


@pytest.mark.usefixtures("figures_in_a_moment")
def test_pictures_are_taken_in(runs, tmp_path):
    picture = tmp_path / "theory_curve.png"
    picture.write_bytes(b"\x89PNG")
    sections = report.collect([runs / "split"])
    assert "theory curve" in report.render(sections, tmp_path, pictures=[picture])
    for name, text in (("theory.pngg", "did you mean '.png'"), ("none.png", "No such file")):
        with pytest.raises(ConfigError, match=text):
            report.render(sections, tmp_path, pictures=[tmp_path / name])


def test_folders_without_results_are_named(runs):
    with pytest.raises(ConfigError, match=r"no finished learner in .*did you mean 'narrow'"):
        report.collect([runs / "narow"])
    with pytest.raises(ConfigError, match="given twice"):
        report.collect([runs / "narrow", runs / "narrow"])


def test_figures_of_few_tasks_and_of_one_seed(runs):
    found = results.read(runs / "split")
    styles = looks_of([u.label for u in found])
    assert len(found[0].tasks) == 2
    assert figures.decay(found, styles) is None
    assert figures.score_against_size(found[:1], styles) is None
    for name in ("final_scores", "retention", "by_task", "course", "matrices"):
        assert figures.FIGURES[name][0](found, styles) is not None


def test_one_bit_learners_are_told_by_the_signs_of_their_weights(runs):
    (section,) = report.collect([runs / "split"])
    real, field = section.lines
    assert (real["mode"], field["mode"]) == ("mean", "sign")
    assert (real["bits"], field["bits"]) == (32, 1)
    assert [r["mode"] for r in section.modes] == ["mean", "field", "sample", "sign"]
    unit = next(u for u in section.found if u.label == "field")
    assert field["final"].value == pytest.approx(unit.R("sign")[-1].mean())
    with pytest.raises(ConfigError, match=r"no test mode 'sing'.*did you mean 'sign'"):
        unit.R("sing")


def test_ages_of_a_long_stream_are_averaged_without_losing_any():
    ages, values = np.arange(1000.0), np.arange(2000.0).reshape(2, 1000)
    x, means = figures._binned(ages, values)
    assert x[:3].tolist() == [0, 1, 2]
    assert (np.diff(x) > 0).all()
    assert np.array_equal(means[0], x)
    assert means.shape == (2, len(x))


def test_many_learners_look_different():
    styles = looks_of([f"learner {i}" for i in range(12)])
    assert len({(look.light, look.dash, look.marker) for look in styles.values()}) == 12
