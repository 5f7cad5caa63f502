"""What all studies share: units run once, on any engine, and none is lost to another's failure."""

import dataclasses
import json
import os
import time
from pathlib import Path

import pytest

from scripts import study
from scripts.study import Options


def square(unit, options):
    if unit["n"] < 0:
        raise ValueError("no root")
    return {"square": unit["n"] ** 2}


def several(unit, options):
    return [{"part": i} for i in range(unit["n"])]


def _units(*numbers):
    return ({"n": n} for n in numbers)


def test_rows_are_kept_and_only_what_is_missing_runs(tmp_path):
    options = Options(out=tmp_path / "rows.jsonl")
    first = study.run(options, _units(1, 2), square)
    assert first == [{"n": 1, "square": 1}, {"n": 2, "square": 4}]
    assert study.run(options, _units(2, 3, 1), square) == [*first, {"n": 3, "square": 9}]
    report = dataclasses.replace(options, report_only=True)
    assert len(study.run(report, _units(7), square)) == 3


def test_a_torn_line_is_run_again(tmp_path):
    options = Options(out=tmp_path / "rows.jsonl")
    study.run(options, _units(1, 2), square)
    options.out.write_text(options.out.read_text()[:-8])
    assert [r["square"] for r in study.run(options, _units(1, 2), square)] == [1, 4]


def test_a_unit_may_give_several_rows_or_none(tmp_path):
    options = Options(out=tmp_path / "rows.jsonl")
    rows = study.run(options, _units(0, 2), several)
    assert rows == [{"n": 2, "part": 0}, {"n": 2, "part": 1}]


def test_a_unit_that_fails_costs_only_itself_and_is_tried_again(tmp_path, capsys):
    options = Options(out=tmp_path / "rows.jsonl")
    assert [r["n"] for r in study.run(options, _units(-1, 2), square)] == [2]
    assert "n -1: ValueError: no root" in capsys.readouterr().err
    study.run(options, _units(-1), square)
    assert "1 of 1 units failed" in capsys.readouterr().err


@pytest.mark.parametrize("engine", ["serial", "process"])
def test_engines_give_the_same_rows(tmp_path, engine):
    options = Options(out=tmp_path / "rows.jsonl", engine=engine, workers=2)
    rows = study.run(options, _units(1, 2, 3), square)
    assert sorted(r["square"] for r in rows) == [1, 4, 9]


def test_nothing_new_starts_after_the_budget(tmp_path, capsys):
    options = Options(out=tmp_path / "rows.jsonl", budget_seconds=1e-9)
    assert study.run(options, _units(1, 2), square) == []
    assert "start again to go on" in capsys.readouterr().err


def test_an_isolated_function_may_die_or_hang():
    assert study.isolated(lambda: {"pid": os.getpid()}, seconds=20)["pid"] != os.getpid()
    assert study.isolated(os._exit, 3, seconds=20) == {"message": "the process died"}
    assert "killed" in study.isolated(time.sleep, 60, seconds=0.2)["message"]


def test_a_page_has_its_tables(tmp_path):
    lines = study.table(["name", "value"], [["a", 1], ["b", 2]])
    path = study.page(tmp_path / "page.md", "# Title", "Words.", lines)
    assert path.read_text() == (
        "# Title\n\nWords.\n\n| name | value |\n| --- | ---: |\n| a | 1 |\n| b | 2 |\n"
    )


def test_every_unit_of_a_study_can_be_written_as_json():
    """Rows are found again by their units, so these must survive the file."""
    unit = {"task": "rope", "hidden": [4, 12], "penalty": 0.1, "seed": None}
    assert study.has(json.loads(json.dumps(unit)), {**unit, "value": 1})


def test_no_study_changes_the_import_path():
    for path in Path(study.ROOT / "scripts").rglob("*.py"):
        assert "sys.path" not in path.read_text(), path
