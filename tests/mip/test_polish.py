"""Polishing by pattern programs finds what another solver finds."""

from dataclasses import replace

import numpy as np
import pytest

from scripts.mip import instances
from sparsectl.mip import bound_neurons, encode
from sparsectl.mip.search.polish import Polisher
from sparsectl.mip.triangle import Triangle


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
