"""A rollout that fails is heard of; options that make no sense are refused."""

import numpy as np
import pytest
import random_problems

from sparsectl.errors import ConfigError
from sparsectl.mip import bound_neurons, encode, solve
from sparsectl.mip.backends import scip
from sparsectl.mip.backends.highs import HiGHSOptions
from sparsectl.mip.backends.rollout import PluginFailed, Rollout
from sparsectl.mip.backends.scip import SCIPOptions
from sparsectl.mip.solution import Limits


def _case():
    rng = np.random.default_rng(0)
    program = random_problems.dynamics(rng, 4, 2, (8, 8), scale=1.5)
    return program, random_problems.problem(rng, 4, 2, 3, "l1", constrained=False)


def test_an_exception_in_a_rollout_is_not_swallowed(monkeypatch):
    def broken(*args):
        raise ZeroDivisionError("made to fail")

    monkeypatch.setattr(Rollout, "_try", broken)
    with pytest.raises(PluginFailed, match="made to fail") as caught:
        solve(*_case(), options=SCIPOptions(rollout_every=1))
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_rollouts_need_the_program():
    program, problem = _case()
    model = encode(program, problem, bound_neurons(program, problem, "crown"))
    with pytest.raises(ConfigError, match="program"):
        scip.solve(model, Limits(), options=SCIPOptions(rollout_every=1))


def test_options_of_the_other_backend():
    with pytest.raises(ConfigError, match=r"HiGHSOptions.*SCIPOptions"):
        solve(*_case(), backend="scip", options=HiGHSOptions())
    with pytest.raises(ConfigError, match=r"SCIPOptions.*HiGHSOptions"):
        solve(*_case(), backend="highs", options=SCIPOptions())


def test_unknown_settings():
    unknown = HiGHSOptions({"mip_heuristics_effort": 0.1})
    with pytest.raises(ConfigError, match="mip_heuristics_effort"):
        solve(*_case(), backend="highs", options=unknown)
    with pytest.raises(ConfigError, match="fast"):
        solve(*_case(), options=SCIPOptions({"emphasis/heuristics": "fsat"}))
