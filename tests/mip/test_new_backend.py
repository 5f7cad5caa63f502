"""A new solver is one file and one line."""

import sys
import types

import numpy as np
import pytest
import random_problems

from sparsectl.errors import ConfigError
from sparsectl.mip import Limits, RawSolution, anytime, backends, solve
from sparsectl.types import Status


@pytest.fixture
def plugged(monkeypatch):
    """A backend `guess` that knows one assignment and claims a bound."""
    module = types.ModuleType("sparsectl.mip.backends.guess")
    claims = {"bound": -1e3}

    def guess(model, limits, starts=(), options=None, ocp=None):
        actions = np.zeros(model.u.shape)
        values = model.assign(ocp.rollout(actions), actions)
        return RawSolution(values, claims["bound"], message="guessed", solver="Guess")

    module.solve = guess
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(backends.BACKENDS, "guess", "numpy")
    return claims


def test_it_plans_through_every_door_and_its_word_has_its_name(plugged):
    program, problem = random_problems.case()
    alone = solve(program, problem, backend="guess")
    assert (alone.status, alone.certificate) == (Status.FEASIBLE, "Guess")
    options = anytime.Options(backend="guess", polish=0, explore=0)
    found = anytime.plan(program, problem, lambda end: [], options)
    assert found.cost <= alone.cost
    assert found.message == "guessed"


def test_its_wrong_claim_is_not_believed(plugged):
    program, problem = random_problems.case()
    plugged["bound"] = 1e6
    found = solve(program, problem, backend="guess", limits=Limits(gap=1e-3))
    assert (found.status, found.bound) == (Status.FEASIBLE, None)
    assert "Guess claimed a bound" in found.message


def test_an_unknown_one_is_named():
    with pytest.raises(ConfigError, match=r"'highs'|highs"):
        solve(*random_problems.case(), backend="higs")
