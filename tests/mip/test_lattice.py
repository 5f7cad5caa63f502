"""Dynamic programming over sampled states, and plans changed value by value."""

from __future__ import annotations

from dataclasses import replace

import disc
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsectl.mip import anytime
from sparsectl.mip.ocp import OCP
from sparsectl.mip.scale import scaled
from sparsectl.mip.search import changes, lattice, regions
from sparsectl.task import ActionConfig


@pytest.mark.parametrize("seed", range(4))
def test_with_many_states_it_finds_the_best_of_all_plans(seed):
    ocp = OCP(disc.program(), disc.problem(seed, 4, ActionConfig(levels=[-1.0, 0.0, 1.0])))
    best = ocp.costs(disc.every_plan(ocp.problem)).min()
    found = lattice.plans(ocp)
    assert ocp.costs(found[0]) == pytest.approx(best)


@settings(max_examples=15, deadline=None)
@given(
    st.integers(0, 2**31),
    st.sampled_from([None, 2, [1, 3, 1]]),
    st.sampled_from([None, 1.0]),
)
def test_its_plans_keep_the_rules_for_actions(seed, blocks, rate):
    action = ActionConfig(levels=[-1.0, 0.0, 1.0], blocks=blocks, rate=rate)
    ocp = OCP(disc.program(), disc.problem(seed, 5, action))
    found = lattice.plans(ocp, widths=1)
    assert found
    for plan in found:
        assert ocp.problem.inputs.excess(plan) == 0
        better, cost = changes.improve(ocp, plan)
        assert ocp.problem.inputs.excess(better) <= 1e-12
        assert cost <= ocp.costs(plan)
        assert cost == ocp.costs(better)


def test_it_takes_the_time_that_there_is(monkeypatch):
    """By a clock that only runs while states are stepped: 1 ms, and 1 us a state."""
    now, expand = [0.0], lattice._Search._expand

    def stepped(self, layer, t):
        now[0] += 0.001 + 1e-6 * len(layer.x)
        return expand(self, layer, t)

    monkeypatch.setattr(lattice.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(lattice._Search, "_expand", stepped)
    ocp = OCP(disc.program(), disc.problem(1, 10, ActionConfig(levels=[-1.0, 0.0, 1.0])))
    costs = []
    for deadline in (0.03, 0.045):
        now[0] = 0.0
        costs.append(ocp.costs(lattice.plans(ocp, deadline=deadline)[0]))
        assert 0.85 * deadline < now[0] < deadline
    now[0] = 0.0
    assert lattice.plans(ocp, deadline=-1.0) == []
    assert costs[1] <= costs[0]
    now[0] = 0.0
    monkeypatch.setattr(lattice, "_FIRST", 0.02)
    monkeypatch.setattr(lattice, "_BETTER", 1.0)
    assert lattice.plans(ocp, deadline=60.0)
    assert now[0] < 0.11  # where more states find nothing better, the time is left to the search


def test_among_regions_it_is_asked_where_inputs_take_any_value_too(monkeypatch):
    asked, problem = [], disc.problem(0, 8, ActionConfig())
    monkeypatch.setattr(regions, "_LARGE", 20)
    monkeypatch.setattr(lattice, "plans", lambda ocp, **how: asked.append(how) or [])
    free = replace(problem, constraints=replace(problem.constraints, keep_out=()))
    for one in (problem, free):
        anytime.plan(disc.program(), one, lambda _: [], anytime.Options(nodes=1))
    assert asked == [{"widths": 2}]


def test_of_a_short_time_among_regions_most_is_for_plans_of_levels(monkeypatch):
    now, ends, short = 100.0, [], 0.25
    problem = disc.problem(0, 4, ActionConfig(levels=[-1.0, 1.0]))
    free = replace(problem, constraints=replace(problem.constraints, keep_out=()))
    monkeypatch.setattr(anytime, "levels", lambda own, propose, end: ends.append(end) or [])
    for one, seconds in ((problem, short), (free, short), (problem, 10.0)):
        own = OCP(disc.program(), one)
        anytime._first(own, scaled(own)[1], list, anytime.Options(), now, now + seconds)
    assert np.array(ends) - now == pytest.approx([0.7 * short, 0.6 * short, 6.0])


def test_of_a_short_time_dynamic_programming_takes_the_larger_share(monkeypatch):
    until, own = [], OCP(disc.program(), disc.problem(0, 4, ActionConfig(levels=[-1.0, 1.0])))
    monkeypatch.setattr(anytime.time, "perf_counter", lambda: 0.0)
    monkeypatch.setattr(lattice, "plans", lambda ocp, deadline: until.append(deadline) or [])
    for seconds in (0.1, 0.2, 1.0):
        anytime.levels(own, lambda _: [], seconds)
    assert until == pytest.approx([0.075, 0.135, 0.6])


def test_no_change_of_one_or_two_values_is_better_than_an_improved_plan():
    ocp = OCP(disc.program(), disc.problem(5, 4, ActionConfig(levels=[-1.0, 0.0, 1.0])))
    improved, cost = changes.improve(ocp, np.zeros((4, 2)))
    others = disc.every_plan(ocp.problem)
    near = (others != improved).sum(axis=(1, 2)) <= 2
    assert near.sum() > 100
    assert ocp.costs(others[near]).min() >= cost - 1e-9


def test_where_nothing_keeps_the_constraints_plans_violate_them_little():
    hard = disc.problem(0, 3, ActionConfig(levels=[-1.0, 1.0]))
    x0 = np.array([0.0, 0.0, 5.0, 0.0])  # too fast to be slow in one step
    found = lattice.plans(OCP(disc.program(), replace(hard, x0=x0)))
    assert found
    assert (found[0][:, 0] == -1.0).all()


def test_too_many_combinations_are_left_to_others():
    levels = [float(v) for v in np.linspace(-1, 1, 9)]
    assert lattice.values(disc.problem(0, 3, ActionConfig(levels=levels))) is None
    assert lattice.plans(OCP(disc.program(), disc.problem(0, 3, ActionConfig(levels=levels)))) == []


@pytest.mark.parametrize("seed", range(3))
def test_a_planner_without_time_for_a_search_still_has_the_plan(seed):
    task_problem = disc.problem(seed, 4, ActionConfig(levels=[-1.0, 0.0, 1.0]))
    best = OCP(disc.program(), task_problem).costs(disc.every_plan(task_problem)).min()
    solution = anytime.plan(disc.program(), task_problem, lambda _: [], anytime.Options(nodes=1))
    assert solution.cost == pytest.approx(best)
    assert solution.bound is None or solution.bound <= best + 1e-6
