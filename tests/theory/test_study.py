"""`sparsectl continual theory` as its users meet it."""

from __future__ import annotations

import csv
import fcntl

import pytest

from sparsectl.cli import continual_theory
from sparsectl.config import from_dict
from sparsectl.errors import ConfigError
from sparsectl.files import read_json, read_json_lines
from sparsectl.theory import study

SHORT = ["--curve.start", "0.3", "--curve.end", "0.4", "--alphas2", "0.5", "1.0"]
SHORT += ["--gammas", "1.0", "--similarities", "0.0", "--alpha1", "1.9"]
SHORT += ["--descent", "0.2", "--descent2", "0.2", "1.0", "0.0", "--sampled", "0.2"]
SHORT += ["--experiment.neurons", "60", "--experiment.trials", "2"]
SHORT += ["--experiment.single.epochs", "5", "--experiment.first.epochs", "5"]
SHORT += ["--experiment.second.epochs", "5", "--sampling.neurons", "20", "--sampling.draws", "4"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("theory") / "run"
    assert continual_theory.main([*SHORT, "--out", str(folder)]) == 0
    return folder


def rows_of(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def test_tables_and_figures_are_there(folder):
    assert {r["alpha2"] for r in rows_of(folder / "two.csv")} == {"0.5", "1.0"}
    assert len(rows_of(folder / "descent.csv")) == 2
    assert len(rows_of(folder / "descent2.csv")) == 2
    assert len(rows_of(folder / "sampled.csv")) == 2
    curve = rows_of(folder / "curve.csv")
    assert float(curve[0]["alpha"]) == 0.3
    assert float(curve[-1]["alpha"]) < 0.4
    for name in ("one_task.png", "two_tasks.png"):
        assert (folder / name).read_bytes()[:4] == b"\x89PNG"


def test_a_study_that_was_cut_short_goes_on_to_the_same_points(folder, tmp_path):
    config = from_dict(study.StudyConfig, read_json(folder / study.SETTINGS))
    whole = (folder / study.POINTS).read_text().splitlines()
    for kept in (1, len(whole) - 3):
        part = tmp_path / str(kept)
        part.mkdir()
        (part / study.SETTINGS).write_bytes((folder / study.SETTINGS).read_bytes())
        torn = whole[kept][: len(whole[kept]) // 2]
        (part / study.POINTS).write_text("\n".join([*whole[:kept], torn]))
        study.run(config, part)
        again = read_json_lines(part / study.POINTS)
        assert again == read_json_lines(folder / study.POINTS)


def test_a_finished_study_is_left_alone(folder):
    before = (folder / study.POINTS).read_bytes()
    assert continual_theory.main([*SHORT, "--out", str(folder)]) == 0
    assert (folder / study.POINTS).read_bytes() == before


def test_a_second_process_does_not_add_points_to_the_same_study(tmp_path):
    with open(tmp_path / ".lock", "w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(ConfigError, match="another process works on"):
            study.run(study.StudyConfig(), tmp_path)
