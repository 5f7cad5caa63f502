"""The deadline benchmark and pattern programs, on one tiny instance each."""

import csv
from dataclasses import replace

import numpy as np
import pytest
import torch

from scripts.mip import deadline, instances
from sparsectl.mip import bound_neurons, encode
from sparsectl.mip.search.polish import Polisher
from sparsectl.mip.triangle import Triangle


def _rows(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_deadline_table_has_a_row_per_instance_and_deadline_and_one_over_all(monkeypatch, tmp_path):
    monkeypatch.setattr(deadline, "CASES", [("random", 4, 2), ("random", 6, 2)])
    out = tmp_path / "deadline.csv"
    options = ["--seeds", "0", "--steps", "2", "--deadlines", "0.05", "0.2", "--out", str(out)]
    assert deadline.main(options) == 0
    rows = _rows(out)
    names = [(r["instance"], r["deadline_ms"]) for r in rows]
    assert names == [
        *((f"random {k}x2", ms) for k in (4, 6) for ms in ("50", "200")),
        ("all", "50"),
        ("all", "200"),
    ]
    assert [int(r["decisions"]) for r in rows] == [2, 2, 2, 2, 4, 4]
    assert all(float(r["with_plan"]) == 1.0 for r in rows)
    assert all(float(r["overrun_max_ms"]) >= float(r["overrun_p50_ms"]) >= 0 for r in rows)


def test_overruns_and_missing_plans_are_counted():
    late = deadline.Decision(0.3, False, np.inf)
    fine = deadline.Decision(0.0, True, 0.001)
    row = deadline.row("x", 0.1, [late, fine, fine, fine])
    assert (row["with_plan"], row["late"], row["proved_1_percent"]) == (0.75, 0.25, 0.75)
    assert (row["overrun_p50_ms"], row["overrun_max_ms"]) == (0.0, 300.0)


def test_the_program_as_a_torch_model_is_the_program():
    program = instances.random_program(8, 0)
    model, rng = deadline.ProgramDynamics(program), np.random.default_rng(0)
    x, u = rng.normal(size=(7, 4)), rng.normal(size=(7, 2))
    own = model(torch.tensor(x), torch.tensor(u)).numpy()
    np.testing.assert_allclose(own, program(np.concatenate([x, u], 1)), atol=1e-12)


def test_both_ways_to_a_pattern_program_agree():
    """From the same pattern the linear programs have the same optimum."""
    instance = instances.instance("random", 8, 3, 0)
    program, problem = instance.program, instance.problem
    bounds = bound_neurons(program, problem, "crown")
    triangle = Triangle(program, problem)
    start = np.zeros((3, 2))
    on = program.patterns(problem.x0, start)
    direct = Polisher(program, problem, encode(program, problem, bounds))(start, passes=1)
    # A triangle without width is a fixed sign.
    fixed = replace(bounds, pre_low=np.where(on, 0.0, -1.0), pre_high=np.where(on, 1.0, 0.0))
    found = [triangle.solve(problem, fixed, solver).actions for solver in ("highs", "clarabel")]

    def cost(actions):
        actions = np.clip(actions, -0.15, 0.15)
        return float(problem.cost(program.rollout(problem.x0, actions), actions))

    costs = [cost(actions) for actions in found]
    assert costs[0] == pytest.approx(costs[1], rel=1e-5)
    own = cost(start)
    assert direct.cost == pytest.approx(min(own, costs[0]), rel=1e-5)
    assert direct.cost < own - 1e-3
