"""The solver benchmark, on one tiny instance."""

import json

import numpy as np
import pytest

from scripts.mip import bench, methods


@pytest.fixture(autouse=True)
def _cache(monkeypatch, tmp_path):
    monkeypatch.setenv("SPARSECTL_BENCH_CACHE", str(tmp_path / "cache"))


def _run(out, *names):
    common = ["--suite", "tiny", "--seeds", "0", "--limit", "5", "--out", str(out)]
    return bench.main([*common, "--methods", *names])


def test_methods_agree_rows_are_kept_and_the_report_is_written(tmp_path, capsys):
    out = tmp_path / "rows.jsonl"
    assert _run(out, "scip", "interval") == 0
    first = out.read_text()
    assert _run(out, "scip", "interval", "highs") == 0
    assert out.read_text().startswith(first)
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert [r["method"] for r in rows] == ["scip", "interval", "highs"]
    assert all(r["solved"] for r in rows)
    assert np.ptp([r["cost"] for r in rows]) <= 2e-4 * rows[0]["cost"]
    assert "random 4x2" in capsys.readouterr().out
    assert out.with_suffix(".csv").exists()
    assert out.with_suffix(".png").stat().st_size > 1000


def test_a_bound_above_a_known_plan_and_an_unfaithful_cost_are_reported(tmp_path, capsys):
    out = tmp_path / "rows.jsonl"
    _run(out, "scip", "interval")
    good, other = (json.loads(line) for line in out.read_text().splitlines())
    other |= {"bound": good["cost"] * 1.01, "error": 1e-3}
    out.write_text(json.dumps(good) + "\n" + json.dumps(other) + "\n")
    capsys.readouterr()
    assert bench.main(["--report-only", "--out", str(out)]) == 1
    printed = capsys.readouterr().out
    assert printed.count("VIOLATION") == 2
    assert "interval on random 4x2 s0" in printed


def test_a_method_that_fails_costs_only_its_row(monkeypatch):
    def broken(*_):
        raise ValueError("no such thing")

    monkeypatch.setitem(methods.METHODS, "scip", broken)
    instance = bench.instances.instance("random", 4, 1, 0)
    row = bench.measure("scip", instance, 1.0, 1e-4, "cpu")
    assert not row["solved"]
    assert "no such thing" in row["message"]


def test_peer_plans_the_same_optimum(tmp_path):
    pytest.importorskip("pyscipopt_ml")
    out = tmp_path / "rows.jsonl"
    _run(out, "scip", "ml_sos1", "ml_bigm", "ml_bigm_tuned")
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert all(r["solved"] for r in rows)
    assert np.ptp([r["cost"] for r in rows]) <= 2e-4 * rows[0]["cost"]
