"""Benchmark instances from the bundled environments, with models trained through the package."""

from __future__ import annotations

import numpy as np
import torch

from scripts.mip.instances import cached, pack, unpack
from sparsectl import data, dynamics, environment
from sparsectl.dynamics.lower import lower
from sparsectl.program import ReluProgram
from sparsectl.task import Problem, StateMap
from sparsectl.task.constraints import Constraints
from sparsectl.task.cost import Cost, Term
from sparsectl.task.observation import ObservationConfig

ROOM = 0.1
"""The workspace is the box of all recorded states, this much wider [m]."""
STARTS = 24
_PUSH = {
    "state": {"keypoints": "0:8", "pusher": "8:10"},
    "goal": {"goal": "10:18"},
    "relative": {"keypoints": "pusher"},
    "exact": {"pusher": 0.02},
}
ENVS: dict[str, dict] = {
    "table": {"id": "sparsectl/PushBox-v0", "kwargs": {"start": "full"}, "skip": False, **_PUSH},
    "pusht": {"id": "sparsectl/PushT-v0", "kwargs": {"start": "easy"}, "skip": True, **_PUSH},
    "rope": {
        "id": "sparsectl/Rope-v0",
        "kwargs": {},
        "skip": True,
        "state": {"gripper": "0:2", "links": "2:26"},
        "goal": {"goal": "26:52"},
        "relative": {"links": "gripper"},
        "exact": {"gripper": 0.02},
    },
}
TERMINAL = {"table": 4.0, "pusht": 4.0, "rope": 3.0}


def make(
    kind: str, hidden: tuple[int, ...], horizon: int, seed: int
) -> tuple[ReluProgram, Problem]:
    """Program and problem of one instance.

    The network has one training seed; `seed` picks the start: a recorded state at contact
    (`table`, `pusht`), or the start of an episode (`rope`). The goal is the environment's own.
    """
    steps = 3000 if kind == "table" else 2000
    name = f"{kind}-{'-'.join(map(str, hidden))}-{steps}"
    program = unpack(cached(name, lambda: pack(_train(kind, hidden, steps))))
    stored = cached(f"{kind}-starts", lambda: _starts(kind))
    spec = ENVS[kind]
    states = StateMap(ObservationConfig(spec["state"], spec["goal"]), stored["starts"].shape[1])
    observation = stored["starts"][seed]
    goal = states.goal(observation)["goal"]
    cost = Cost((Term(np.eye(len(goal), states.nx), goal, "l1", 1.0, TERMINAL[kind]),))
    G = np.vstack([np.eye(states.nx), -np.eye(states.nx)])
    h = np.concatenate([stored["high"] + ROOM, ROOM - stored["low"]])
    limits = Constraints(G, h, (), tuple(f"workspace {i}" for i in range(len(h))))
    box = np.ones(2)
    return program, Problem(states.state(observation), cost, limits, -box, box, horizon)


def _episodes(kind: str, transitions: int) -> data.Episodes:
    spec = ENVS[kind]
    config = data.CollectConfig(transitions=transitions, episode_steps=20)
    return data.collect(config, spec["id"], spec["kwargs"], seed=0)


def _train(kind: str, hidden: tuple[int, ...], steps: int) -> ReluProgram:
    spec, episodes = ENVS[kind], _episodes(kind, 20_000)
    states = StateMap(ObservationConfig(spec["state"], spec["goal"]), episodes.observation_size)
    structure = dynamics.StructureConfig(relative=spec["relative"], exact=spec["exact"])
    config = dynamics.MLPConfig(hidden=hidden, structure=structure, skip=spec["skip"])
    model = dynamics.build(config, states.names, states.nx, 2, seed=0)
    settings = dynamics.TrainConfig(steps=steps, rollout_steps=3, device="cpu")
    with torch.random.fork_rng():
        result = dynamics.train(model, episodes, states, settings)
    return lower(result.dynamics)


def _starts(kind: str) -> dict[str, np.ndarray]:
    """Start observations, one of an episode each, and the box of all recorded states."""
    episodes, spec = _episodes(kind, 4_000), ENVS[kind]
    states = StateMap(ObservationConfig(spec["state"], spec["goal"]), episodes.observation_size)
    recorded = np.concatenate([states.state(o) for o in episodes.observations])
    chosen = []
    if kind == "rope":
        with environment.make(spec["id"], spec["kwargs"]) as env:
            chosen = [env.reset(seed=10_000 + i)[0] for i in range(STARTS)]
    for observations in episodes.observations if kind != "rope" else ():
        moved = abs(np.diff(observations[:, :8], axis=0)).max(1) > 0.002
        if moved.any() and len(chosen) < STARTS:
            chosen.append(observations[int(np.argmax(moved))])
    low, high = recorded.min(0), recorded.max(0)
    starts = np.array(chosen, dtype=np.float64)
    within = np.array([states.state(o) for o in starts])
    low, high = np.minimum(low, within.min(0)), np.maximum(high, within.max(0))
    return {"starts": starts, "low": low, "high": high}
