"""Policies under other conditions."""

from __future__ import annotations

import numpy as np
import pytest

from sparsectl.circuits import Circuit, CircuitConfig, MLPPolicy, MLPPolicyConfig
from sparsectl.circuits.experiment import SwimExperiment, body, policy
from sparsectl.circuits.rollout import trials
from sparsectl.circuits.rollout.env_spec import EnvSpec, open_env
from sparsectl.errors import ConfigError

SWIM = EnvSpec()
SHORT = {"episodes": 3, "steps": 200}


def circuit(**config):
    env = open_env(SWIM)
    env.close()
    return Circuit(CircuitConfig(**config), body(SwimExperiment("a")))


def test_conditions_change_what_they_say():
    conditions = trials.standard((4, 8), (0.1,), ("oscillator", "proprioceptor:1"), (0,), (0.05,))
    assert [t.name for t in conditions] == [
        "as trained",
        "4 links",
        "8 links",
        "viscosity 0.1",
        "without oscillator",
        "without proprioceptor:1",
        "sensor 0 lost",
        "sensor noise 0.05 rad",
    ]
    rows = trials.run(circuit(), SWIM, conditions, **SHORT)
    told = {row["trial"]: row["return_mean"] for row in rows}
    assert len(set(told.values())) == len(told)
    for worse in ("4 links", "viscosity 0.1", "without oscillator", "sensor 0 lost"):
        assert told[worse] < told["as trained"] < told["8 links"]
    assert all(r["episodes"] == 3 and r["diverged"] == 0 for r in rows)


def test_the_stretch_reflex_swims_better_than_the_paper_s_circuit_untrained():
    reflex = circuit(reflex=1, crossed=True, start={"proprioception": 2.0, "reflex": -0.5})
    rows = [
        trials.run(c, SWIM, [trials.Trial("")], episodes=3)[0]["return_mean"]
        for c in (circuit(), reflex)
    ]
    assert rows[0] == pytest.approx(798, abs=15)
    assert rows[1] > 930


def test_networks_neither_move_to_other_bodies_nor_have_parts():
    network = MLPPolicy(MLPPolicyConfig(hidden=(8,)), body(SwimExperiment("a")))
    with pytest.raises(ConfigError, match="only circuits carry over"):
        trials.run(network, SWIM, [trials.Trial("", {"links": 4})], **SHORT)
    with pytest.raises(ConfigError, match="only circuits have parts"):
        trials.run(network, SWIM, [trials.Trial("", lesions=("oscillator",))], **SHORT)


def test_diverged_episodes_are_counted_and_left_out():
    row = trials.summary(np.array([1.0, np.nan, 3.0]))
    assert (row["episodes"], row["diverged"], row["return_mean"]) == (3, 1, 2.0)
    assert trials.summary(np.array([np.nan]))["return_iqm"] is None


def test_an_experiment_s_policy_follows_its_seed():
    study = SwimExperiment("a", policy=CircuitConfig(init="uniform"))
    first, second = (policy(study, s).vector() for s in (0, 1))
    assert not np.allclose(first.detach(), second.detach())
    with pytest.raises(ConfigError, match="different numbers"):
        SwimExperiment("a", seeds=(1, 1))
    with pytest.raises(ConfigError, match="letters, digits"):
        SwimExperiment("a/b")
