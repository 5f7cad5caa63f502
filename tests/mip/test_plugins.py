"""Plugins and cuts change no optimum; what they claim inside a node holds for every rollout."""

import dataclasses
import functools

import numpy as np
import oracle
import pytest
import random_problems

from sparsectl.mip import Limits, bound_neurons, encode, ideal_cuts, solve
from sparsectl.mip.backends import highs, scip
from sparsectl.mip.backends.highs import HiGHSOptions
from sparsectl.mip.backends.scip import SCIPOptions
from sparsectl.mip.plugins import Link, Rollout, Source, Sweep
from sparsectl.mip.plugins.sweep import Domain, sweep
from sparsectl.types import Status

BARE = {"presolving/maxrounds": 0, "emphasis/heuristics": "off"}
"""Leaves the plugins something to do."""
OPTIONS = {
    "cuts": SCIPOptions(BARE, cut_rounds=5),
    "rollout": SCIPOptions(BARE, rollout_every=1),
    "sweep": SCIPOptions(BARE, sweep_depth=100),
    "branching": SCIPOptions(BARE, branch_depth=100),
    "strong branching": SCIPOptions(BARE, branch_depth=100, branch_trials=4),
    "all": SCIPOptions(
        cut_rounds=5, rollout_every=1, sweep_depth=100, sweep_every=2, branch_depth=3
    ),
    "highs cuts": HiGHSOptions(cut_rounds=5),
    "highs with a start": HiGHSOptions(),
    "scip with a start": SCIPOptions(),
}
SIZES = [((5, 5), 1), ((3,), 3), ((2, 2), 2)]


@pytest.fixture(autouse=True)
def _no_small_models(monkeypatch):
    """Cuts also where there are too few binaries for them to pay."""
    monkeypatch.setattr(scip, "FEW_BINARIES", 0)
    monkeypatch.setattr(highs, "FEW_BINARIES", 0)


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
def test_equals_enumeration_with_every_plugin(name, norm):
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


@pytest.mark.parametrize("seed", range(6))
def test_a_node_keeps_every_rollout_in_it(seed):
    """Any node that contains a rollout still does after the sweep."""
    rng = np.random.default_rng(seed)
    program, problem = _medium(seed)
    root = bound_neurons(program, problem, "crown")
    shape, tighter = (problem.horizon, problem.nu), 0
    for _ in range(40):
        actions = rng.uniform(problem.u_low, problem.u_high, shape)
        states = program.rollout(problem.x0, actions)
        pre = program.evaluate(np.concatenate([states[:-1], actions], axis=1))[1]
        signs = rng.random(pre.shape) < rng.random()
        low = np.where(signs & (pre > 0), np.maximum(root.pre_low, 0.0), root.pre_low)
        high = np.where(signs & (pre < 0), np.minimum(root.pre_high, 0.0), root.pre_high)
        keep = rng.random(shape) < 0.5
        u_low = np.where(keep, root.u_low, actions - 0.1)
        u_high = np.where(keep, root.u_high, actions + 0.1)
        first = int(np.argmax(np.append((signs | ~keep.all(1, keepdims=True)).any(1), True)))
        domain = Domain(low, high, root.x_low, root.x_high, u_low, u_high)
        bounds = sweep(program, domain, min(first, problem.horizon - 1))
        assert not bounds.empty
        assert (bounds.pre_low <= pre + 1e-9).all()
        assert (bounds.pre_high >= pre - 1e-9).all()
        assert (bounds.x_low <= states + 1e-9).all()
        assert (bounds.x_high >= states - 1e-9).all()
        assert (bounds.pre_low >= low).all()
        assert (bounds.pre_high <= high).all()
        tighter += (bounds.pre_high - bounds.pre_low).sum() < 0.99 * (high - low).sum()
    assert tighter > 5


def test_a_node_without_rollouts_is_empty():
    program, problem = _medium()
    root = bound_neurons(program, problem, "crown")
    low = root.pre_low.copy()
    i = int(np.argmax(root.pre_high[0]))
    low[0, i] = root.pre_high[0, i] + 1.0
    domain = Domain(low, root.pre_high, root.x_low, root.x_high, root.u_low, root.u_high)
    assert sweep(program, domain).empty


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


def _in_scip(program, problem, settings):
    model = encode(program, problem, bound_neurons(program, problem, "crown"))
    inner, variables = scip.build(model)
    scip.configure(inner, {**scip.SETTINGS, "presolving/maxrounds": 0, **settings})
    return inner, Link(model, variables, Source(program, problem))


def test_rollouts_become_solutions():
    """With SCIP's heuristics off, at the root only."""
    program, problem = _medium()
    inner, link = _in_scip(program, problem, {"emphasis/heuristics": "off", "limits/nodes": 1})
    heuristic = Rollout(link)
    heuristic.include(inner, every=1)
    inner.optimize()
    assert link.failure is None
    assert heuristic.found >= 1
    best = inner.getBestSol()
    actions = np.array(
        [[inner.getSolVal(best, link.variables[i]) for i in row] for row in link.model.u]
    )
    cost = problem.cost(program.rollout(problem.x0, actions), actions)
    assert inner.getPrimalbound() == pytest.approx(cost, rel=1e-6)


def test_the_sweep_acts_inside_the_tree():
    program, problem = _medium(horizon=2)
    inner, link = _in_scip(program, problem, {"emphasis/heuristics": "off"})
    plugin = Sweep(link, depth=100)
    plugin.include(inner)
    inner.optimize()
    assert link.failure is None
    assert plugin.calls > 3
    assert plugin.fixed + plugin.cutoffs > 0
    assert plugin.added > 0
    expected = solve(program, problem, options=SCIPOptions(cut_rounds=0))
    assert inner.getPrimalbound() == pytest.approx(expected.cost, rel=2e-4)


@pytest.mark.parametrize("name", ["sweep", "all"])
def test_soft_constraints_bound_nothing(name):
    """A start outside its own limits: the penalty is paid, with plugins or without."""
    program, problem = _case(1, (5, 5), 1, constrained=True)
    tight = dataclasses.replace(problem.constraints, h=problem.constraints.h - 0.4)
    problem = dataclasses.replace(problem, constraints=tight)
    bare = SCIPOptions(cut_rounds=0, rollout_every=0)
    plain = solve(program, problem, soft_penalty=10.0, options=bare)
    every = solve(program, problem, soft_penalty=10.0, options=OPTIONS[name])
    assert plain.status == every.status == Status.OPTIMAL
    assert problem.constraints.violation(plain.states) > 1e-3
    assert every.cost == pytest.approx(plain.cost, rel=2e-4)


def test_a_linear_model_needs_no_program():
    """Without neurons there is nothing to cut, branch or sweep."""
    rng = np.random.default_rng(3)
    program = random_problems.dynamics(rng, 3, 2, (2,), scale=0.0)
    problem = random_problems.problem(rng, 3, 2, 2, "l1", constrained=False)
    plain = solve(program, problem)
    every = solve(program, problem, options=OPTIONS["all"])
    assert plain.status == every.status == Status.OPTIMAL
    assert every.cost == pytest.approx(plain.cost, rel=1e-6, abs=1e-8)
