"""What MPPI, CEM and gradient shooting must all do."""

import time
from dataclasses import replace

import cvxpy as cp
import numpy as np
import pytest
import torch

from sparsectl.control import build
from sparsectl.task.constraints import BoxConfig
from sparsectl.types import Status

KINDS = {
    "mppi": {"samples": 256, "iterations": 40},
    "cem": {"samples": 256, "iterations": 30},
    "gradient": {"starts": 16, "rounds": 2, "steps": 80},
}


def planner(kind, toy, **changes):
    entry = {"kind": kind, **KINDS[kind], **changes}
    return build("it", entry, toy.task, toy.dynamics, toy.program, toy.horizon, "cpu")


def oracle(toy, problem, position_limit=None) -> float:
    """Optimum of the convex problem, by a conic solver."""
    H = problem.horizon
    x, u = cp.Variable((H + 1, 2)), cp.Variable((H, 1))
    M = toy.program.C.toarray()
    rules = [x[0] == problem.x0, u >= problem.u_low[None], u <= problem.u_high[None]]
    rules += [x[t + 1] == M[:, :2] @ x[t] + M[:, 2:] @ u[t] for t in range(H)]
    if position_limit is not None:
        rules.append(x[1:, 0] >= position_limit)
    size = {"l1": cp.norm1, "linf": cp.norm_inf, "l2sq": cp.sum_squares}
    total = problem.cost.action_weight * cp.sum_squares(u)
    for term in problem.cost.terms:
        for t, w in enumerate(term.weights(H)):
            total += w * size[term.norm](term.E @ x[t + 1] - term.target)
    return cp.Problem(cp.Minimize(total), rules).solve(solver=cp.CLARABEL)


@pytest.mark.parametrize("norm", ["l1", "l2sq", "linf"])
@pytest.mark.parametrize("kind", KINDS)
def test_comes_close_to_the_convex_optimum(kind, norm, toy_factory, start):
    toy = toy_factory(norm=norm)
    problem = toy.problem()
    best = oracle(toy, problem)
    plan = planner(kind, toy).solve(problem, start)[0]
    assert plan.status is Status.HEURISTIC
    assert best - 1e-6 <= plan.cost <= 1.02 * best


@pytest.mark.parametrize("scale", [1e-4, 1e4])
@pytest.mark.parametrize("kind", KINDS)
def test_scale_of_the_cost_does_not_matter(kind, scale, toy_factory, start):
    toy = toy_factory(scale=scale)
    problem = toy.problem()
    plan = planner(kind, toy).solve(problem, start)[0]
    assert plan.cost <= 1.02 * oracle(toy, problem)


@pytest.mark.parametrize("kind", KINDS)
def test_keeps_to_the_action_box_and_to_hard_constraints(kind, toy_factory, start):
    toy = toy_factory(boxes=[BoxConfig("position", 0.4, 10.0)])
    problem = toy.problem((1.0, -0.5))
    free = planner(kind, toy).solve(toy_factory().problem((1.0, -0.5)), start)[0]
    assert free.states[1:, 0].min() < 0.3, "the constraint must matter for this test to say much"
    plan = planner(kind, toy).solve(problem, start)[0]
    assert (plan.actions >= problem.u_low).all()
    assert (plan.actions <= problem.u_high).all()
    assert plan.info["violation"] < 1e-4
    assert plan.cost <= 1.1 * oracle(toy, problem, position_limit=0.4)


@pytest.mark.parametrize("kind", KINDS)
def test_same_state_same_plan_and_new_step_new_samples(kind, toy, start):
    few = {"rounds": 1, "steps": 3} if kind == "gradient" else {"iterations": 1}
    one, two = planner(kind, toy, **few), planner(kind, toy, **few)
    a, b = (p.solve(toy.problem(), start)[0] for p in (one, two))
    again = one.solve(toy.problem(), start)[0]
    np.testing.assert_array_equal(a.actions, b.actions)
    np.testing.assert_array_equal(a.actions, again.actions)
    later = one.solve(toy.problem(), replace(start, step=1))[0]
    assert not np.array_equal(a.actions, later.actions)


@pytest.mark.parametrize("kind", KINDS)
def test_never_worse_than_its_warm_start(kind, toy, start):
    few = {"rounds": 1, "steps": 1, "starts": 4} if kind == "gradient" else {"iterations": 1}
    good = planner("gradient", toy, rounds=4).solve(toy.problem(), start)[0]
    state = start.after(good, None)
    problem = toy.problem(good.states[1])
    shifted = state.shifted(toy.horizon, np.zeros(1))
    cost = problem.cost(toy.program.rollout(problem.x0, shifted), shifted)
    plan = planner(kind, toy, **few).solve(problem, state)[0]
    assert plan.cost <= cost + 1e-5


@pytest.mark.parametrize("kind", KINDS)
def test_more_time_means_more_work(kind, toy, start):
    auto = {"rounds": None} if kind == "gradient" else {"iterations": None}
    it = planner(kind, toy, **auto)
    key = "steps" if kind == "gradient" else "samples"
    passed = it.solve(toy.problem(), start, deadline=time.perf_counter() - 1)[0]
    ample = it.solve(toy.problem(), start, deadline=time.perf_counter() + 0.3)[0]
    assert passed.status.has_plan
    assert ample.info[key] > passed.info[key]


@pytest.mark.parametrize("kind", KINDS)
def test_incumbent_only_improves_and_plan_is_rerolled_exactly(kind, toy, start):
    plan = planner(kind, toy).solve(toy.problem(), start)[0]
    costs = [c for _, c, _ in plan.trace]
    assert costs == sorted(costs, reverse=True)
    assert costs[-1] == pytest.approx(plan.cost, rel=1e-4)
    exact = toy.program.rollout(toy.problem().x0, plan.actions)
    np.testing.assert_array_equal(plan.states, exact)


@pytest.mark.parametrize("kind", KINDS)
def test_leaves_the_model_and_the_random_state_alone(kind, toy, start):
    toy.dynamics.train()
    before = torch.get_rng_state()
    planner(kind, toy).solve(toy.problem(), start)[0]
    assert toy.dynamics.training
    assert toy.dynamics.A.dtype == torch.float64
    assert torch.equal(before, torch.get_rng_state())


def test_cem_hands_its_elites_on(toy, start):
    cem = planner("cem", toy, iterations=3)
    plan, memory = cem.solve(toy.problem(), start)
    state = start.after(plan, memory)
    assert state.memory.shape[1:] == (toy.horizon, 1)
    with_memory = cem.solve(toy.problem(plan.states[1]), state)[0]
    without = cem.solve(toy.problem(plan.states[1]), replace(state, memory=None))[0]
    assert with_memory.info["samples"] > without.info["samples"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_program_is_made_before_the_search_and_not_after_the_deadline(
    kind, toy_factory, start, monkeypatch
):
    """A graph's program takes a while to make at a new state."""
    toy, order = toy_factory(), []

    class Source:
        def at(self, problem):
            order.append("program")
            return toy.program

    it = planner(kind, toy)
    it.program = Source()
    search = it.search
    monkeypatch.setattr(it, "search", lambda d: (order.append("search"), search(d))[1])
    it.solve(toy.problem(), start)[0]
    assert order[:2] == ["program", "search"]
