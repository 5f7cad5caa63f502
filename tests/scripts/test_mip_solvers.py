"""The solver study: ratios on shared runs only; one real row."""

import pytest

from scripts.mip import solvers, variants


def _row(variant, instance, cpu, solved=1, nodes=90, random=0):
    return {
        "backend": "scip", "variant": variant, "instance": instance, "random": random,
        "cpu": cpu, "solved": solved, "nodes": nodes,
    }  # fmt: skip


def test_ratios_compare_shared_runs_and_average_repeats(tmp_path):
    rows = [
        _row("default", "a", 0.98), _row("default", "a", 3.98), _row("default", "b", 10.0, 0),
        _row("new", "a", 0.98, nodes=40), _row("new", "c", 5.0),
    ]  # fmt: skip
    text = solvers.write(rows, tmp_path / "study.md").read_text()
    line = next(line for line in text.splitlines() if line.startswith("| new "))
    assert line == "| new | 0.50 | 0.50 to 0.50 | 0.50 | 1 | 1 | 1 |"


def test_variants_change_what_they_say():
    for backend, every in variants.ALL.items():
        assert variants.split(backend, every["default"])[0] == variants.BASE[backend]
        for name, changes in every.items():
            assert changes or name in ("default", "shipped"), name
    settings, options = variants.split("scip", variants.SCIP["heuristics fast + cuts"])
    assert (settings["emphasis/heuristics"], options.cut_rounds) == ("fast", 10)
    assert "cut_rounds" not in settings


@pytest.mark.parametrize("backend", ["scip", "highs"])
def test_a_row_of_the_study(backend):
    unit = {"backend": backend, "variant": "shipped", "instance": "random 4x2 s0", "random": 1}
    row = solvers.measure(unit, solvers.Options(limit=20.0))
    assert row["solved"] == 1, row
    assert row["cost"] == row["bound"] or row["cost"] >= row["bound"] - 1e-6


def test_what_is_in_the_file_is_not_run_again_and_pages_are_of_its_rows(tmp_path, capsys):
    command = ["--backends", "scip", "--variants", "default", "heuristics off"]
    command += ["--instances", "random 4x2 s0", "--out", str(tmp_path / "rows.jsonl")]
    assert solvers.main(command) == 0
    rows = (tmp_path / "rows.jsonl").read_text()
    assert len(rows.splitlines()) == 2
    assert solvers.main(command) == 0
    assert (tmp_path / "rows.jsonl").read_text() == rows
    assert "| heuristics off |" in (tmp_path / "rows.md").read_text()
