"""Committed weights of trained circuits swim as the committed table says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sparsectl.circuits import Circuit, CircuitConfig, body_of
from sparsectl.circuits.rollout.env_spec import EnvSpec, open_env
from sparsectl.circuits.rollout.returns import returns
from sparsectl.files import read_json_lines
from sparsectl.policies.rl import curve

RESULTS = Path(__file__).parents[2] / "scripts" / "results" / "swim.jsonl"
SPEC = EnvSpec("sparsectl/Swim-v0")
STRETCH = {"reflex": 1, "crossed": True, "learn_period": True}
CONFIGS = {
    "circuit_cma": CircuitConfig(),
    "stretch_cma": CircuitConfig(**STRETCH),
    "posture_cma": CircuitConfig(**STRETCH, onset="posture"),
}


@pytest.mark.parametrize("variant", CONFIGS)
def test_weights_and_returns_belong_together(variant):
    rows = [r for r in read_json_lines(RESULTS) if r["variant"] == variant]
    env = open_env(SPEC)
    circuit = Circuit(CONFIGS[variant], body_of(env))
    env.close()
    vectors, seeds = np.array([r["weights"] for r in rows[:1]]), curve.evaluation_seeds(10)
    played = returns(circuit, vectors, SPEC, seeds, 1000).mean(1)
    told = [r["curve"][-1]["return_mean"] for r in rows[:1]]
    # Swimming is a stable cycle, so that rounding on another machine changes little.
    np.testing.assert_allclose(played, told, atol=1.0)
