"""The benchmark of one-bit weights, on its smallest networks."""

import csv

import numpy as np
import pytest

from scripts.mip import binary_plan as bench


@pytest.fixture(autouse=True)
def _wall_clock(monkeypatch):
    monkeypatch.setattr(bench.clock, "count_cpu_seconds", lambda: None)


def test_table_has_a_row_for_every_kind_and_shape(tmp_path):
    out = tmp_path / "rows.jsonl"
    options = ["--widths", "2", "--layers", "1", "--horizons", "1", "--seeds", "0", "1"]
    assert bench.main([*options, "--out", str(out)]) == 0
    with open(out.with_suffix(".csv"), newline="") as file:
        rows = list(csv.DictReader(file))
    assert {r["kind"] for r in rows} == set(bench.KINDS)
    assert len(rows) == len(bench.KINDS)
    assert all((r["runs"], r["tried"], r["solved"]) == ("2", "2", "1.0") for r in rows)


def test_after_a_failure_larger_cells_count_as_not_solved_untried(monkeypatch, tmp_path):
    real = bench.measure

    def slow(program, problem, limit):
        solution, seconds = real(program, problem, 1.0)
        unsolved = bench.Solution(bench.Status.FEASIBLE, cost=2.0, bound=1.0)
        return (solution, seconds) if problem.horizon == 1 else (unsolved, limit)

    monkeypatch.setattr(bench, "measure", slow)
    out = tmp_path / "rows.jsonl"
    options = ["--widths", "2", "3", "--layers", "1", "--horizons", "1", "2", "--seeds", "0"]
    assert bench.main([*options, "--limit", "7", "--out", str(out)]) == 0
    with open(out.with_suffix(".csv"), newline="") as file:
        rows = {(r["width"], r["horizon"], r["kind"]): r for r in csv.DictReader(file)}
    for kind in bench.KINDS:
        assert [rows[w, "1", kind]["solved"] for w in "23"] == ["1.0", "1.0"]
        assert [rows[w, "2", kind]["solved"] for w in "23"] == ["0.0", "0.0"]
        assert [rows[w, "2", kind]["tried"] for w in "23"] == ["1", "0"]
        assert rows["3", "2", kind]["median_seconds"] == "7.0"
        assert rows["2", "2", kind]["median_gap_of_unsolved"] == "0.5"


def test_the_kinds_of_a_seed_share_signs_start_and_target():
    one, problem, _ = bench.instance("bits relu", 6, 2, 1, 3)
    other, same, _ = bench.instance("real relu", 6, 2, 1, 3)
    np.testing.assert_array_equal(problem.x0, same.x0)
    np.testing.assert_array_equal(problem.cost.terms[0].target, same.cost.terms[0].target)
    np.testing.assert_array_equal(np.sign(one.A.toarray()), np.sign(other.A.toarray()))
    assert set(np.round(np.unique(abs(one.A.data[one.A.data != 0])), 6)) == {
        round(9**-0.5, 6),
        round(7**-0.5, 6),
    }
