"""A solver's word about a small model is proved again, and a false one does no harm."""

import dataclasses
import sys
import types

import disc
import numpy as np
import oracle
import pytest
import random_problems

from sparsectl.mip import RawSolution, backends, encode, recheck, solve
from sparsectl.mip.ocp import OCP
from sparsectl.mip.prepare import bound_neurons
from sparsectl.mip.search.contract import WEAK_DUALITY
from sparsectl.task import ActionConfig
from sparsectl.task.constraints import Constraints
from sparsectl.types import Status


def _case(seed, norm="l1", constrained=False):
    rng = np.random.default_rng([3, seed])
    program = random_problems.dynamics(rng, 3, 1, (2, 2))
    return program, random_problems.problem(rng, 3, 1, 2, norm, constrained)


def _model(program, problem):
    return encode(program, problem, bound_neurons(program, problem, "crown"))


def _hybrid(seed):
    rng = np.random.default_rng([4, seed])
    return random_problems.dynamics(rng, 2, 1, (2,)), random_problems.hybrid(rng, 2, 1, 2, "l1")


@pytest.mark.parametrize("norm", ["l1", "linf", "l2sq"])
def test_the_optimum_is_that_of_enumeration(norm):
    for seed in range(3):
        case = _case(seed, norm)
        model, expected = _model(*case), oracle.best_cost(*case)
        found = recheck.prove(model, np.inf, 1000)
        assert model.objective(found.values) == pytest.approx(expected, rel=1e-5)
        proof = recheck.prove(model, expected * (1 - 1e-4), 1000)
        assert proof.values is None
        assert expected * (1 - 1e-4) * (1 - 1e-6) <= proof.bound <= expected + 1e-6
        wrong = recheck.prove(model, expected * 1.01, 1000)
        assert model.objective(wrong.values) == pytest.approx(expected, rel=1e-5)


def test_whole_numbers_that_count_levels_are_split():
    problem = disc.problem(0, 2, ActionConfig(levels=[-1.0, 0.0, 1.0]))
    model = _model(disc.program(), problem)
    assert (model.high[model.binary] == 2).sum() == 4  # one for each entry of an action
    best = OCP(disc.program(), problem).costs(disc.every_plan(problem)).min()
    found = recheck.prove(model, np.inf, 1000)
    assert model.objective(found.values) == pytest.approx(best)
    assert found.bound == pytest.approx(best)


@pytest.mark.parametrize("seed", [0, 9, 33, 61, 151, 160, 201])
def test_no_plan_is_proved_and_only_then(seed):
    case = _hybrid(seed)
    found = recheck.prove(encode(*case, bound_neurons(*case, "interval")), np.inf, 1000)
    impossible = np.isinf(oracle.best_cost(*case))
    assert impossible == (seed > 9)
    assert (found.bound == np.inf, found.values is None) == (impossible, impossible)


def test_a_limit_of_programs_or_of_time_proves_nothing():
    model = _model(*_case(0))
    assert recheck.prove(model, 0.0, 0).bound == -np.inf
    late = recheck.prove(model, 0.0, 1000, deadline=0.0)
    assert (late.bound, late.solves) == (-np.inf, 0)


@pytest.fixture
def liar(monkeypatch):
    """A backend that believes what it is told to."""
    module, told = types.ModuleType("sparsectl.mip.backends.liar"), {}

    def lie(model, limits, starts=(), options=None, ocp=None):
        if "infeasible" in told:
            return RawSolution(None, -np.inf, infeasible=True, solver="Liar")
        values = model.assign(ocp.rollout(told["actions"]), told["actions"])
        return RawSolution(values, model.objective(values), solver="Liar")

    module.solve = lie
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(backends.BACKENDS, "liar", "numpy")
    return told


@pytest.mark.parametrize("norm", ["l1", "l2sq"])
def test_a_plan_that_is_near_the_best_is_not_called_optimal(liar, norm):
    """Random plans are all worse, so that nothing else contradicts the claim."""
    program, problem = _case(1, norm)
    best = solve(program, problem)
    inward = np.where(best.actions > 0, -1.0, 1.0)
    liar["actions"] = best.actions + 0.02 * inward
    found = solve(program, problem, backend="liar")
    assert found.status is Status.OPTIMAL
    assert found.cost == pytest.approx(best.cost, rel=1e-4)
    assert found.certificate == WEAK_DUALITY
    assert "Liar claimed a bound of" in found.message


def test_an_optimum_is_proved_again(liar):
    program, problem = _case(2)
    best = solve(program, problem)
    liar["actions"] = best.actions
    found = solve(program, problem, backend="liar")
    assert (found.status, found.certificate) == (Status.OPTIMAL, WEAK_DUALITY)
    assert found.bound <= best.cost


def test_a_plan_that_only_a_search_finds_is_found(liar):
    """No random plan keeps the constraints."""
    liar["infeasible"] = True
    program, problem = _case(1)
    best = solve(program, problem)
    G, middle = np.concatenate([np.eye(3), -np.eye(3)]), best.states[-1]
    h = np.stack([np.full(6, np.inf), np.concatenate([middle, -middle]) + 1e-4])
    limits = Constraints(G, h, labels=tuple(f"row {i}" for i in range(6)))
    problem = dataclasses.replace(problem, constraints=limits)
    found = solve(program, problem, backend="liar")
    assert found.status is Status.OPTIMAL
    assert found.message.startswith("Liar claimed that there is no plan, but there is one")
