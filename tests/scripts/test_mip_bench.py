"""The solver benchmark, on one tiny instance."""

import importlib.util
import json

import numpy as np
import pytest

from scripts.mip import bench, hybrid, later, methods, peers, report
from sparsectl.mip import Limits


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
    later = ["highs", "ours", "hull", "scip_default", "highs_default"]
    assert _run(out, "scip", "interval", *later) == 0
    assert out.read_text().startswith(first)
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert [r["method"] for r in rows] == ["scip", "interval", *later]
    assert all(r["solved"] for r in rows)
    assert np.ptp([r["cost"] for r in rows]) <= 2e-4 * rows[0]["cost"]
    printed = capsys.readouterr().out
    assert "random 4x2" in printed
    assert "HiGHS 1." in printed
    assert "defaults, one thread" in printed
    assert "The choice of engine" in printed
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


def test_gurobi_plans_the_same_optimum(tmp_path):
    pytest.importorskip("gurobipy")
    out = tmp_path / "rows.jsonl"
    assert _run(out, "ours", "gurobi") == 0
    ours, gurobi = (json.loads(line) for line in out.read_text().splitlines())
    assert gurobi["solved"]
    assert gurobi["solver"].startswith("Gurobi ")
    assert abs(ours["cost"] - gurobi["cost"]) <= 2e-4 * ours["cost"]
    assert abs(gurobi["claimed"] - gurobi["cost"]) <= 1e-4 * ours["cost"]


def test_without_its_package_a_peer_is_skipped_and_how_to_get_it_is_said(
    monkeypatch, tmp_path, capsys
):
    found = importlib.util.find_spec
    missing = lambda name: None if name == "gurobipy" else found(name)  # noqa: E731
    monkeypatch.setattr(importlib.util, "find_spec", missing)
    out = tmp_path / "rows.jsonl"
    assert _run(out, "scip", "gurobi") == 0
    assert len(out.read_text().splitlines()) == 1
    assert "gurobi: skipped, run `pip install gurobipy`" in capsys.readouterr().err


def test_what_a_licence_refuses_is_said_and_not_counted(monkeypatch, tmp_path, capsys):
    def refuse(*_):
        raise peers.Refused("the licence of Gurobi at hand: 9,000 variables")

    monkeypatch.setattr(importlib.util, "find_spec", lambda _: object())
    monkeypatch.setattr(peers, "load", lambda _: refuse)
    out = tmp_path / "rows.jsonl"
    assert _run(out, "ours", "gurobi") == 0
    refused = json.loads(out.read_text().splitlines()[1])
    assert refused["refused"]
    assert "licence" in refused["message"]
    page = capsys.readouterr().out
    cell = next(line for line in page.splitlines() if line.startswith("| random 4x2"))
    assert cell.endswith("| refused |")
    assert "| gurobi | all | - | - | 0, 0 of 0 | - | - | 0, 0 of 0 | 1 |" in page


def _timed(method, seconds, solved=True, instance="random 4x2 s0"):
    return {
        "instance": instance, "kind": "random", "method": method, "cpu": seconds, "clock": "cpu",
        "solved": solved, "one_percent": seconds if solved else None, "limit": 10.0,
        "refused": False, "target_gap": 1e-4,
    }  # fmt: skip


def test_ratios_are_of_what_either_solves_and_say_where_ours_does_worst():
    rows = [_timed("ours", 1.0), _timed("gurobi", 4.0)]
    rows += [_timed("ours", 2.0, instance="b"), _timed("gurobi", 1.0, instance="b")]
    rows += [_timed("ours", 10.0, False, "c"), _timed("gurobi", 10.0, False, "c")]
    line = report._pairs(rows, ["ours", "gurobi"])[-1]
    assert "1.41 | 0.5 (b) | 2, 2 of 3 |" in line
    rows += [_timed("ours", 10.0, False, "d"), _timed("gurobi", 1.0, instance="d")]
    assert "≤" in report._pairs(rows, ["ours", "gurobi"])[-1]


def test_regret_is_against_the_best_engine():
    rows = [_timed("ours", 3.95), _timed("scip", 3.95), _timed("highs", 0.95)]
    page = report._regret(rows)
    assert "| 1 % | 4.00 | 1 of 1 | 4: random 4x2 s0, highs |" in page[1]


def test_hybrid_models_are_what_they_say():
    rng = np.random.default_rng(0)
    x, u = rng.uniform(-0.2, 0.2, 4), rng.integers(-1, 2, 2).astype(float)
    w = 0.985 * x[2:] + 0.09 * u
    v = w - np.clip(w, -0.015, 0.015)
    expected = np.concatenate([x[:2] + 0.375 * (x[2:] + v), v])
    assert hybrid.flyer(4).rollout(x, u[None])[1] == pytest.approx(expected)
    assert hybrid.flyer(0).rollout(x, u[None])[1, 2:] == pytest.approx(w)

    moving = np.array([0.0, 0.0, 1.6 / 7 * 3, -1.6 / 7 * 5])  # where two pieces meet
    slowed = moving[2:] - 0.2 * 0.5 * abs(moving[2:]) * moving[2:] + 0.2 * u
    after = hybrid.slalom(12).rollout(moving, u[None])[1]
    assert after[2:] == pytest.approx(slowed)
    assert after[:2] == pytest.approx(0.1 * (moving[2:] + slowed))

    for pushed in (-0.2, 0.1):
        edge = np.array([pushed, -0.1, -0.1])
        after = hybrid.gate(1).rollout(edge, np.array([[0.5, 0.0]]))[1]
        assert after[2] + 0.15 == pytest.approx(max(0.9 * 0.05, pushed + 0.01 + 0.08))


def test_hybrid_instances_are_named_and_stated_as_their_kind_says():
    hard = bench.instances.named("flyer 4x3 s1")
    priced = bench.instances.named("flyer-priced 4x3 s1")
    assert hard.problem.constraints.keep_out
    assert not priced.problem.constraints.keep_out
    assert len(priced.problem.cost.priced.keep_out) == len(hard.problem.constraints.keep_out)
    assert hard.fingerprint != priced.fingerprint
    refused = bench.measure("ml_bigm", hard, 1.0, 1e-4, "cpu")
    assert refused["refused"] or "pyscipopt_ml" in refused["message"]
    assert methods.METHODS["scip"](bench.instances.named("slalom 0x3 s0"), Limits(5.0), "wall")


def test_every_cell_of_the_choice_suite_is_a_decision_with_a_plan_known_to_end_near_its_goal():
    for kind, size, horizon in bench.instances.SUITES["choice"]:
        found = bench.instances.instance(kind, size, horizon, 0)
        problem = found.problem
        assert found.hidden == ((size,) if isinstance(size, int) else size)
        assert ("priced" in kind) == (problem.cost.priced is not None)
        assert (problem.inputs is None) == (
            not {"levels", "semi", "rate", "blocks"} & {*kind.split("+")}
        )
        assert problem.constraints.violation(np.stack([problem.x0] * 2)) <= 0


def test_a_later_decision_starts_from_the_plan_before(monkeypatch):
    monkeypatch.setattr(later, "TRANSITIONS", 300)
    monkeypatch.setattr(later, "STEPS", 3)
    monkeypatch.setattr(later, "DECISIONS", (1,))
    found = bench.instances.instance("later-cartpole", 2, 2, 0)
    assert found.starts.shape == (3, 2, 1)
    first = bench.instances.instance("random", 4, 1, 0)
    with pytest.raises(peers.Refused, match="first decision"):
        methods.METHODS["moved_on"](first, Limits(1.0), "wall")
    for method in ("ours", "moved_on"):
        assert np.isfinite(methods.METHODS[method](found, Limits(5.0), "wall")["cost"])
