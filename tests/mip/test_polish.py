"""Polishing by pattern programs finds what another solver finds."""

import time
from dataclasses import replace

import numpy as np
import pytest

from scripts.mip import instances
from sparsectl.mip import bound_neurons, encode
from sparsectl.mip.ocp import OCP
from sparsectl.mip.relax import relax
from sparsectl.mip.search import polish
from sparsectl.mip.search.polish import Polisher


def test_both_ways_to_a_pattern_program_agree():
    """From the same pattern the linear programs have the same optimum."""
    instance = instances.instance("random", 8, 3, 0)
    program, problem = instance.program, instance.problem
    bounds = bound_neurons(program, problem, "crown")
    start = np.zeros((3, 2))
    on = program.patterns(problem.x0, start)
    model = encode(program, problem, bounds)
    direct = Polisher(OCP(program, problem), model)(start, passes=1)
    low, high = model.low.copy(), model.high.copy()
    t, neuron, _, _, d = model.neurons.T
    low[d] = high[d] = on[t, neuron]
    fixed = replace(model, low=low, high=high)
    found = [relax(fixed, solver).values[model.u] for solver in ("highs", "clarabel")]

    def cost(actions):
        actions = np.clip(actions, -0.15, 0.15)
        return float(problem.cost(program.rollout(problem.x0, actions), actions))

    costs = [cost(actions) for actions in found]
    assert costs[0] == pytest.approx(costs[1], rel=1e-5)
    own = cost(start)
    assert direct.cost == pytest.approx(min(own, costs[0]), rel=1e-5)
    assert direct.cost < own - 1e-3


def test_a_program_is_begun_only_in_time_and_without_weights_where_they_take_most_of_it(
    monkeypatch,
):
    """HiGHS does not look at the clock before it has them, which wide networks take long for."""
    instance = instances.instance("random", 8, 3, 0)
    bounds = bound_neurons(instance.program, instance.problem, "crown")
    model = encode(instance.program, instance.problem, bounds)
    ocp, start = OCP(instance.program, instance.problem), np.zeros((3, 2))
    costs = []
    for share, solves in ((0.1, True), (1, True), (10, False)):  # of the time for the first program
        monkeypatch.setattr(polish, "_WEIGHTS", share * 60 / model.n**2)
        found = Polisher(ocp, model)(start, deadline=time.perf_counter() + 60)
        assert (found.solves > 0) == solves
        costs.append(found.cost)
    assert costs[1] == pytest.approx(costs[0])
    assert costs[2] > costs[0]
    assert Polisher(ocp, model)(start).cost == costs[0]


def test_a_quadratic_program_waits_for_no_weights(monkeypatch):
    instance = instances.instance("random", 8, 3, 0)
    cost = instance.problem.cost
    squares = replace(cost, terms=tuple(replace(t, norm="l2sq") for t in cost.terms))
    problem = replace(instance.problem, cost=squares)
    model = encode(instance.program, problem, bound_neurons(instance.program, problem, "crown"))
    assert model.q.any()
    monkeypatch.setattr(polish, "_WEIGHTS", 1e9)
    ocp, soon = OCP(instance.program, problem), time.perf_counter() + 60
    assert Polisher(ocp, model)(np.zeros((3, 2)), deadline=soon).solves > 0
