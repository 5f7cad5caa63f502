"""The folder of a comparison: torn lines, other configurations, failed units."""

from __future__ import annotations

import pytest

from sparsectl.evaluate import results
from sparsectl.files import FileError, read_json_lines


def settings(**keys):
    return {
        "models": {"model": "x"},
        "controllers": {name: {} for name in keys},
        "keys": {f"model/{name}": key for name, key in keys.items()},
        "episodes": 3,
        "planned_key": "p",
    }


def row(controller, episode, key, **facts):
    names = {"model": "model", "controller": controller, "episode": episode, "key": key}
    return {**names, "outcome": "finished", **facts}


def test_rows_come_back_in_order_and_the_last_one_counts(tmp_path):
    results.open_folder(tmp_path, settings(b="kb", a="ka"))
    results.add_row(tmp_path, row("a", 1, "ka"), {})
    results.add_row(tmp_path, row("a", 0, "ka", outcome="error"), {})
    results.add_row(tmp_path, row("b", 0, "kb"), {"clip.webp": b"x"})
    results.add_row(tmp_path, row("a", 0, "ka", steps=5), {})
    found = results.read(tmp_path)
    assert [(r["controller"], r["episode"]) for r in found.rows] == [("b", 0), ("a", 0), ("a", 1)]
    assert found.of("model", "a")[0]["steps"] == 5
    assert found.clip(found.rows[0], "clip.webp").read_bytes() == b"x"
    assert found.clip(found.rows[1], "clip.webp") is None


def test_a_torn_last_line_costs_only_itself(tmp_path):
    results.open_folder(tmp_path, settings(a="ka"))
    results.add_row(tmp_path, row("a", 0, "ka"), {})
    with open(tmp_path / "episodes.jsonl", "a") as file:
        file.write('{"model": "model", "contr')
    assert set(results.open_folder(tmp_path, settings(a="ka"))) == {("model", "a", 0)}
    results.add_row(tmp_path, row("a", 1, "ka"), {})
    assert [r["episode"] for r in results.read(tmp_path).rows] == [0, 1]


def test_failed_units_are_played_again(tmp_path):
    results.open_folder(tmp_path, settings(a="ka"))
    results.add_row(tmp_path, row("a", 0, "ka", outcome="error"), {})
    assert results.open_folder(tmp_path, settings(a="ka")) == {}


def test_another_configuration_is_refused_and_set_aside_by_force(tmp_path):
    results.open_folder(tmp_path, settings(a="ka", b="kb"))
    results.add_row(tmp_path, row("a", 0, "ka"), {})
    results.add_row(tmp_path, row("b", 0, "kb"), {})
    with pytest.raises(FileError, match=r"model/a.*--force"):
        results.open_folder(tmp_path, settings(a="new", b="kb"))
    assert len(results.read(tmp_path).rows) == 2
    kept = results.open_folder(tmp_path, settings(a="new", b="kb"), force=True)
    assert set(kept) == {("model", "b", 0)}
    assert len(read_json_lines(tmp_path / "episodes.1.jsonl")) == 2


def test_a_controller_more_or_less_keeps_the_others_rows(tmp_path):
    results.open_folder(tmp_path, settings(a="ka"))
    results.add_row(tmp_path, row("a", 0, "ka"), {})
    assert len(results.open_folder(tmp_path, settings(a="ka", b="kb"))) == 1
    results.open_folder(tmp_path, settings(b="kb"))
    assert results.read(tmp_path).rows == []


def test_a_folder_without_a_comparison_is_named(tmp_path):
    with pytest.raises(FileError, match="no comparison"):
        results.read(tmp_path)
