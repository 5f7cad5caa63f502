"""What `swim/study.py` compares: policies, bodies and ways of training."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import torch

from sparsectl.circuits.evolve.config import TrainConfig
from sparsectl.circuits.experiment import SwimExperiment, policy
from sparsectl.circuits.policy import vector
from sparsectl.circuits.policy.circuit import Circuit
from sparsectl.circuits.policy.config import CircuitConfig, MLPPolicyConfig
from sparsectl.circuits.rl.config import PPOConfig, RLConfig, TD3Config
from sparsectl.circuits.rollout.env_spec import EnvSpec

STRETCH = CircuitConfig(reflex=1, crossed=True, learn_period=True)
"""Own-joint stretch reflex and crossed stretch on top of the paper's circuit: 6 parameters."""
LONG = CircuitConfig(reach=2, reflex=2, crossed=True, learn_period=True)
"""Receptive fields of two joints each way as well: 8 parameters."""
POSTURE, POSTURE_LONG = (replace(c, onset="posture") for c in (STRETCH, LONG))
"""The same, whose first cycle begins on the side that the body is not bent to."""
SWIM, SWIMMER = EnvSpec("sparsectl/Swim-v0"), EnvSpec("Swimmer-v5")


def evolution(method: str, population: int, sigma: float, steps: int, **more: Any) -> TrainConfig:
    """Evaluations every 20 000 steps at first matter most; later rows are cheap."""
    return TrainConfig(
        method=method, population=population, sigma=sigma, steps=steps,  # type: ignore[arg-type]
        eval_every=steps // 25, **more,
    )  # fmt: skip


def _swim(name: str, policy: Any, train: Any, env: EnvSpec = SWIM) -> SwimExperiment:
    return SwimExperiment(name, env=env, policy=policy, train=train)


_RL = {"eval_every": 20_000, "eval_episodes": 10}

_CMA = evolution("cma", 8, 0.3, 500_000)
_MLP = MLPPolicyConfig(hidden=(64, 64))
_CLOCK = replace(_MLP, clock=True)
_BIG = MLPPolicyConfig(hidden=(256, 256))
_PPO = RLConfig(algorithm=PPOConfig(), steps=400_000, **_RL)
_TD3 = RLConfig(algorithm=TD3Config(), steps=32_000, eval_every=4_000, eval_episodes=10)
_LONG_CMA = evolution("cma", 8, 0.4, 800_000)
_ES = evolution("es", 8, 0.02, 1_000_000, learning_rate=0.01, clip=1.0, decay=1.0)
_LONG_ES = evolution("es", 32, 0.05, 3_000_000, learning_rate=0.02, decay=0.3)
_PAPER = CircuitConfig()

VARIANTS: dict[str, SwimExperiment] = {
    e.name: e
    for e in (
        _swim("posture_cma", POSTURE, _CMA),
        _swim("posture_long_cma", POSTURE_LONG, _CMA),
        _swim("circuit_es", _PAPER, _ES),
        _swim("circuit_cma", _PAPER, _CMA),
        _swim("modules_cma", CircuitConfig(sharing="module"), evolution("cma", 16, 0.2, 500_000)),
        _swim("stretch_cma", STRETCH, _CMA),
        _swim("stretch_es", STRETCH, evolution("es", 8, 0.05, 1_000_000, learning_rate=0.03)),
        _swim("long_cma", LONG, _CMA),
        _swim("reflex_only_cma", CircuitConfig(reflex=1, learn_period=True), _CMA),
        _swim("crossed_only_cma", CircuitConfig(crossed=True, learn_period=True), _CMA),
        _swim("mlp64_es", _MLP, _LONG_ES),
        _swim("mlp64_clock_es", _CLOCK, _LONG_ES),
        _swim("circuit_ppo", _PAPER, replace(_PPO, steps=100_000)),
        _swim("mlp64_ppo", _MLP, _PPO),
        _swim("mlp64_clock_ppo", _CLOCK, _PPO),
        _swim("mlp256_ppo", _BIG, _PPO),
        _swim("mlp256_td3", _BIG, _TD3),
        _swim("circuit_td3", _PAPER, replace(_TD3, steps=12_000)),
        _swim("swimmer_circuit_cma", CircuitConfig(learn_period=True), _LONG_CMA, SWIMMER),
        _swim("swimmer_stretch_cma", STRETCH, _LONG_CMA, SWIMMER),
    )
}
RANDOM = {"random": SWIM, "swimmer_random": SWIMMER}
"""Uniformly random actions, by name of the row."""


def _ablation(sharing: Any, signed: bool, init: Any) -> SwimExperiment:
    """The paper's circuit with or without its three constraints, trained for a short time."""
    population, sigma = (8, 0.3) if sharing == "shared" else (16, 0.2)
    train = TrainConfig(
        method="cma", population=population, sigma=sigma, steps=100_000, eval_every=20_000
    )
    name = f"{sharing}_{'signed' if signed else 'free'}_{init}"
    return _swim(name, CircuitConfig(sharing=sharing, signed=signed, init=init), train)


ABLATIONS: dict[str, SwimExperiment] = {
    e.name: e
    for e in (
        _ablation(*choice)
        for choice in product(("shared", "module"), (True, False), ("constant", "uniform"))
    )
}
"""Of learning: what `swim/ablation.py` compares."""


def trained(run: dict[str, Any], **changes: Any) -> Circuit:
    """The circuit of a row of `swim/study.py`'s results, with some settings changed."""
    made = policy(VARIANTS[run["variant"]], run["seed"])
    assert isinstance(made, Circuit)
    circuit = Circuit(replace(made.config, **changes), made.body)
    vector.load(circuit, torch.tensor(run["weights"], dtype=torch.float64))
    return circuit
