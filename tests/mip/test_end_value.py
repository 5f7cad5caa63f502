"""A value at the end of the plan: numpy, torch and the mixed-integer model read it alike."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
import random_problems
import torch

from sparsectl.errors import ConfigError
from sparsectl.mip import anytime, solve
from sparsectl.mip.ocp import OCP
from sparsectl.mip.prepare import bound_neurons, prepare
from sparsectl.mip.scale import random_plans, scaled
from sparsectl.mip.search import lattice
from sparsectl.task import Inputs
from sparsectl.task.value import Value
from sparsectl.types import Status
from sparsectl.verify.measures import Measures


def value(rng, nx: int, hidden: tuple[int, ...], size: float = 1.0) -> Value:
    sizes = [nx, *hidden, 1]
    return Value(
        tuple((rng.normal(size=(b, a)), size * rng.normal(size=b)) for a, b in
              itertools.pairwise(sizes)),
        weight=0.5 + rng.random(),
    )  # fmt: skip


def case(seed: int, hidden: tuple[int, ...] | None = None, norm: str = "l1"):
    rng = np.random.default_rng([9, seed])
    program = random_problems.dynamics(rng, 3, 1, (4,))
    problem = random_problems.problem(rng, 3, 1, 2 + seed % 2, norm, constrained=False)
    hidden = hidden or ((5,), (3, 3), ())[seed % 3]
    own = replace(problem.cost, value=value(rng, 3, hidden), action_norm="l1")
    return program, replace(problem, cost=own)


@pytest.mark.parametrize("seed", range(12))
def test_readers_agree_and_rows_hold_for_every_plan(seed):
    program, problem = case(seed)
    plans = random_plans(problem)
    states = program.rollout(problem.x0, plans)
    costs = problem.cost(states, plans)
    worth = costs - replace(problem.cost, value=None)(states, plans)
    np.testing.assert_allclose(worth, problem.cost.value(states[:, -1]), atol=1e-9)
    assert (worth >= 0).all()
    alike = problem.cost(torch.as_tensor(states), torch.as_tensor(plans))
    np.testing.assert_allclose(alike.numpy(), costs, atol=1e-12)
    ocp = OCP(program, problem)
    bounds = bound_neurons(program, problem, "crown")
    assert (costs <= ocp.cost_ceiling(bounds)).all()
    model = prepare(ocp, bounds)
    for x, u, cost in zip(states, plans, costs, strict=True):
        values = model.assign(x, u)
        assert model.violation(values) <= 1e-7
        assert model.objective(values) == pytest.approx(float(cost), abs=1e-8)


@pytest.mark.parametrize("seed", range(4))
def test_other_units_are_the_same_decision(seed):
    program, problem = case(seed)
    unit, shift = np.array([1e4, 1.0, 1e-4]), np.array([1e7, 0.0, 3.0])
    again = problem.cost.value.rescaled(shift, unit).in_units(300.0)
    x = np.random.default_rng(0).normal(size=(20, 3))
    expected = problem.cost.value(shift + unit * x)
    np.testing.assert_allclose(again(x), expected, rtol=1e-6, atol=1e-6 * expected.max())
    large = replace(problem.cost, value=replace(problem.cost.value, weight=1e6))
    ocp = OCP(program, replace(problem, cost=large))
    own, scaling = scaled(ocp)
    plans = random_plans(problem)
    ours = own.costs(scaling.actions(plans)) * scaling.cost_unit
    np.testing.assert_allclose(ours, ocp.costs(plans), rtol=1e-9)


@pytest.mark.parametrize("seed", range(6))
def test_the_proved_plan_is_the_best_of_all_there_are(seed):
    program, problem = case(seed)
    pieces = (np.repeat(np.linspace(-1, 1, 5)[:, None], 2, axis=1),)
    levels = replace(problem, inputs=Inputs(pieces, np.array([np.inf])))
    every = np.array(list(itertools.product(pieces[0][:, 0], repeat=problem.horizon)))[..., None]
    best = OCP(program, levels).costs(every).min()
    found = solve(program, levels, backend="scip" if seed % 2 else "highs")
    assert found.status is Status.OPTIMAL
    assert found.cost == pytest.approx(best, rel=1e-6, abs=1e-7)
    assert found.bound == pytest.approx(best, rel=2e-3, abs=1e-6)
    assert min(OCP(program, levels).costs(p) for p in lattice.plans(OCP(program, levels))) >= best
    free = anytime.plan(program, problem, lambda _: list(every[:3]))
    assert free.status is Status.OPTIMAL
    assert free.bound <= free.cost <= best + 1e-9
    samples = np.random.default_rng(seed).uniform(-1, 1, (2000, problem.horizon, 1))
    assert free.bound <= OCP(program, problem).costs(samples).min() + 1e-9


def test_engines_that_cannot_take_it_say_so():
    program, problem = case(0)
    for engine in ("hull", "boxes"):
        with pytest.raises(ConfigError, match=f"'{engine}' cannot plan here: a value network"):
            anytime.plan(program, problem, lambda _: [], anytime.Options(engine))


def test_verification_says_that_it_does_not_bound_it():
    _, problem = case(0)
    with pytest.raises(ConfigError, match=r"leave out task\.cost\.value"):
        Measures.of(problem)
    assert not len(Measures.of(problem, cost=False).terms)


def test_a_relu_that_only_raises_the_cost_needs_no_binary():
    program, problem = case(0)
    few = problem.cost.value.layers
    convex = Value((few[0], (abs(few[1][0]), few[1][1])))
    plain = prepare(OCP(program, replace(problem, cost=replace(problem.cost, value=None))))
    model = prepare(OCP(program, replace(problem, cost=replace(problem.cost, value=convex))))
    assert model.binaries == plain.binaries
    opposite = Value((few[0], (-abs(few[1][0]), 10 + few[1][1])))
    model = prepare(OCP(program, replace(problem, cost=replace(problem.cost, value=opposite))))
    assert model.binaries > plain.binaries
