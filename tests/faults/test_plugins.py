"""A plugin that fails is heard of; options that make no sense are refused."""

import numpy as np
import pytest
import random_problems

from sparsectl.errors import ConfigError
from sparsectl.mip import bound_neurons, encode, solve
from sparsectl.mip.backends import scip
from sparsectl.mip.backends.highs import HiGHSOptions
from sparsectl.mip.backends.scip import SCIPOptions
from sparsectl.mip.plugins import NeuronBranching, PluginFailed, Rollout, Sweep
from sparsectl.mip.plugins.base import guarded
from sparsectl.mip.solution import Limits


def _case():
    rng = np.random.default_rng(0)
    program = random_problems.dynamics(rng, 4, 2, (8, 8), scale=1.5)
    return program, random_problems.problem(rng, 4, 2, 3, "l1", constrained=False)


PLUGINS = [
    (Rollout, "heurexec", SCIPOptions(rollout_every=1)),
    (Rollout, "heurinitsol", SCIPOptions(rollout_every=1)),
    (Sweep, "propexec", SCIPOptions(sweep_depth=100)),
    (NeuronBranching, "branchexeclp", SCIPOptions(branch_depth=100)),
]


@pytest.mark.parametrize(("plugin", "callback", "options"), PLUGINS, ids=lambda p: str(p)[:24])
def test_an_exception_in_a_plugin_is_not_swallowed(plugin, callback, options, monkeypatch):
    def broken(*args):
        raise ZeroDivisionError("made to fail")

    monkeypatch.setattr(plugin, callback, guarded(broken))
    with pytest.raises(PluginFailed, match="made to fail") as caught:
        solve(*_case(), options=options)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_an_exception_deep_inside_a_callback_is_not_swallowed(monkeypatch):
    def broken(*args):
        raise ZeroDivisionError("made to fail")

    monkeypatch.setattr(Sweep, "_domain", broken)
    monkeypatch.setattr(NeuronBranching, "_prices", broken)
    for options in (SCIPOptions(sweep_depth=10), SCIPOptions(branch_depth=10)):
        with pytest.raises(PluginFailed, match="made to fail"):
            solve(*_case(), options=options)


def test_plugins_need_the_program():
    program, problem = _case()
    model = encode(program, problem, bound_neurons(program, problem, "crown"))
    with pytest.raises(ConfigError, match="source"):
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
