"""Decisions after an episode's first one, with the plan before them moved on by a step.

`later-rope`, `later-pusht_easy`, `later-cartpole`, `later-flyer`: the config's task, a network of
the hidden layers that is trained through the package on `TRANSITIONS` random transitions, and an
episode of the environment played by `mip` under a limit of nodes, so that it repeats. Seeds 0 to 3
are four decisions of the first episode, 4 to 7 of the second.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from scripts.mip import proofs
from scripts.mip.instances import cached
from scripts.study import CONFIGS
from sparsectl import environment, experiment, seeding
from sparsectl.control import ControllerState, build
from sparsectl.control.candidates import candidates
from sparsectl.dynamics.lower import lower
from sparsectl.program import ReluProgram
from sparsectl.task import Problem

TRANSITIONS, STEPS, NODES = 10_000, 2_000, 200
DECISIONS = (1, 3, 5, 8)
"""Which decisions of an episode, whose first one is 0."""


def make(
    kind: str, hidden: tuple[int, ...], horizon: int, seed: int
) -> tuple[ReluProgram, Problem, np.ndarray]:
    """Program, problem, and plans that the controller starts from (idle; the last one moved on,
    with its last action held and with an idle tail), shape (3, horizon, nu)."""
    name = kind.removeprefix("later-")
    config = experiment.load(CONFIGS / f"{name}.yaml")
    model = replace(config.model, hidden=hidden)
    few = replace(config.data, transitions=TRANSITIONS)
    config = replace(config, model=model, data=few, horizon=horizon)
    task = experiment.check(config)
    label = "-".join(map(str, hidden))
    model, _ = proofs.trained(kind, label.replace("-", ","), config, task, STEPS)
    episode, which = divmod(seed, len(DECISIONS))

    def play() -> dict[str, np.ndarray]:
        settings = {"gap": 0.01, "seconds": None, "nodes": NODES}
        mip = build("mip", settings, task, model, lower(model), horizon)
        env = environment.make(config.env.id, config.env.kwargs)
        observation, _ = env.reset(seed=30_000 + episode)
        state = ControllerState(seed=seeding.integer(config.seed, "episode", episode))
        seen, starts = [], []
        for step in range(DECISIONS[-1] + 1):
            seen.append(observation)
            if step > 0:
                starts.append(candidates(task, state, horizon))
            plan, state = mip.decide(observation, state)
            observation = env.step(mip.first_action(plan))[0]
        env.close()
        return {"seen": np.stack(seen), "starts": np.stack(starts)}

    stored = cached(f"{kind}-{label}x{horizon}-{episode}", play)
    step = DECISIONS[which]
    problem = task.problem(stored["seen"][step], horizon, step=step)
    return lower(model).at(problem), problem, stored["starts"][step - 1]
