"""Cuts, starts and rollouts change no optimum."""

import dataclasses
import functools

import numpy as np
import oracle
import pytest
import random_problems

from sparsectl.mip import Limits, bound_neurons, encode, ideal_cuts, solve
from sparsectl.mip.backends import highs, scip
from sparsectl.mip.backends.highs import HiGHSOptions
from sparsectl.mip.backends.rollout import Rollout
from sparsectl.mip.backends.scip import SCIPOptions
from sparsectl.mip.ocp import OCP
from sparsectl.types import Status

BARE = {"presolving/maxrounds": 0, "emphasis/heuristics": "off"}
"""Leaves cuts and rollouts something to do."""
OPTIONS = {
    "cuts": SCIPOptions(BARE, cut_rounds=5),
    "rollout": SCIPOptions(BARE, rollout_every=1),
    "all": SCIPOptions(cut_rounds=5, rollout_every=1),
    "highs with a start": HiGHSOptions(),
    "scip with a start": SCIPOptions(),
}
SIZES = [((5, 5), 1), ((3,), 3), ((2, 2), 2)]


@pytest.fixture(autouse=True)
def _no_small_models(monkeypatch):
    """Cuts also where there are too few binaries for them to pay."""
    monkeypatch.setattr(scip, "FEW_BINARIES", 0)


def _case(seed, hidden, horizon, norm="l1", constrained=False):
    rng = np.random.default_rng([seed, horizon, *hidden])
    nx, nu = 3, 2
    program = random_problems.dynamics(rng, nx, nu, hidden, scale=1.0)
    return program, random_problems.problem(rng, nx, nu, horizon, norm, constrained)


@functools.cache
def _expected(seed, hidden, horizon, norm):
    return oracle.best_cost(*_case(seed, hidden, horizon, norm, constrained=seed == 1))


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize("norm", ["l1", "linf", "l2sq"])
def test_equals_enumeration_with_every_option(name, norm):
    options = OPTIONS[name]
    backend = "scip" if isinstance(options, SCIPOptions) else "highs"
    limits = Limits(gap=1e-8, absolute_gap=1e-8, seconds=60.0)
    for size, (hidden, horizon) in enumerate(SIZES):
        for seed in range(2):
            program, problem = _case(seed, hidden, horizon, norm, constrained=seed == 1)
            expected = _expected(seed, hidden, horizon, norm)
            starts = [np.zeros((horizon, problem.nu))] if "start" in name else []
            solution = solve(
                program, problem, backend=backend, limits=limits, options=options, starts=starts
            )
            where = f"{name} size {size} seed {seed}: {solution.message}"
            if np.isinf(expected):
                assert solution.status == Status.INFEASIBLE, where
                continue
            assert solution.status == Status.OPTIMAL, where
            assert solution.cost == pytest.approx(expected, rel=1e-6, abs=1e-6), where
            assert solution.bound <= expected + 1e-6, where


def _medium(seed=0, horizon=3):
    rng = np.random.default_rng(seed)
    program = random_problems.dynamics(rng, 4, 2, (8, 8), scale=1.5)
    return program, random_problems.problem(rng, 4, 2, horizon, "l1", constrained=False)


@pytest.mark.parametrize("seed", range(4))
def test_cuts_hold_for_rollouts_and_raise_the_root(seed):
    """Whatever linear cost of the states the relaxation is pushed by."""
    program, problem = _medium(seed)
    rng = np.random.default_rng(seed)
    model = encode(program, problem, bound_neurons(program, problem, "crown"))
    c = np.zeros(model.n)
    c[model.x] = rng.normal(size=model.x.shape)
    model = dataclasses.replace(model, c=c, q=np.zeros(model.n))
    stronger = ideal_cuts.strengthen(model, 10)
    assert stronger.A.shape[0] > model.A.shape[0]
    for _ in range(200):
        actions = rng.uniform(problem.u_low, problem.u_high, (problem.horizon, problem.nu))
        values = model.assign(program.rollout(problem.x0, actions), actions)
        assert stronger.violation(values) <= max(model.violation(values), 1e-9)

    def root(m):
        lp = highs.load(m, relax=True)
        lp.run()
        return lp.getInfo().objective_function_value

    assert root(stronger) > root(model) + 1e-6


def test_cuts_leave_what_they_cannot_help():
    program, problem = _medium()
    model = encode(program, problem, bound_neurons(program, problem, "crown"))
    assert ideal_cuts.strengthen(model, 0) is model
    assert ideal_cuts.strengthen(model, 10, deadline=0.0) is model


def test_rollouts_become_solutions():
    """With SCIP's heuristics off, at the root only."""
    program, problem = _medium()
    model = encode(program, problem, bound_neurons(program, problem, "crown"))
    inner, variables = scip.build(model)
    bare = {"presolving/maxrounds": 0, "emphasis/heuristics": "off", "limits/nodes": 1}
    scip.configure(inner, {**scip.SETTINGS, **bare})
    heuristic = Rollout(model, variables, OCP(program, problem))
    heuristic.include(inner, every=1)
    inner.optimize()
    assert heuristic.failure is None
    assert heuristic.found >= 1
    best = inner.getBestSol()
    actions = np.array([[inner.getSolVal(best, variables[i]) for i in row] for row in model.u])
    cost = problem.cost(program.rollout(problem.x0, actions), actions)
    assert inner.getPrimalbound() == pytest.approx(cost, rel=1e-6)


def test_soft_constraints_bound_nothing():
    """A start outside its own limits: the penalty is paid, with cuts and rollouts or without."""
    program, problem = _case(1, (5, 5), 1, constrained=True)
    tight = dataclasses.replace(problem.constraints, h=problem.constraints.h - 0.4)
    problem = dataclasses.replace(problem, constraints=tight)
    bare = SCIPOptions(cut_rounds=0, rollout_every=0)
    plain = solve(program, problem, soft_penalty=10.0, options=bare)
    every = solve(program, problem, soft_penalty=10.0, options=OPTIONS["all"])
    assert plain.status == every.status == Status.OPTIMAL
    assert problem.constraints.violation(plain.states) > 1e-3
    assert every.cost == pytest.approx(plain.cost, rel=2e-4)


def test_a_linear_model_needs_no_program():
    """Without neurons there is nothing to cut."""
    rng = np.random.default_rng(3)
    program = random_problems.dynamics(rng, 3, 2, (2,), scale=0.0)
    problem = random_problems.problem(rng, 3, 2, 2, "l1", constrained=False)
    plain = solve(program, problem)
    every = solve(program, problem, options=OPTIONS["all"])
    assert plain.status == every.status == Status.OPTIMAL
    assert every.cost == pytest.approx(plain.cost, rel=1e-6, abs=1e-8)
