"""Hand-written controllers of the synthetic environment."""

from __future__ import annotations

import numpy as np
from synthetic_env import GAIN, TASK

from sparsectl.control.base import Controller, ControllerState
from sparsectl.task import Task
from sparsectl.types import Plan, Status


class Direct(Controller):
    """Goes straight to the goal; faults can be dialled in."""

    name, horizon = "direct", 3

    def __init__(
        self, scale: float = 1.0, bad_at: int | None = None, *, config=TASK, **facts
    ) -> None:
        self.task = Task(config, 4, -np.ones(2), np.ones(2))
        self.scale, self.bad_at, self.facts = scale, bad_at, facts
        self.calls: list[ControllerState] = []

    def solve(self, problem, state, *, deadline=None, starts=()):
        self.calls.append(state)
        error = problem.cost.terms[0].target - problem.x0
        action = self.scale * np.clip(error / GAIN, -1, 1)
        if state.step == self.bad_at:
            action = action * np.nan
        states = np.repeat(problem.x0[None], 4, axis=0)
        facts = {"cost": 2.0, "bound": 1.99, "status": Status.FEASIBLE, **self.facts}
        return Plan(np.repeat(action[None], 3, axis=0), states, **facts), None


class Stateful:
    """A plain policy with Stable-Baselines3's `predict`: counts its steps in its state."""

    def predict(self, observation, state=None, episode_start=None, deterministic=False):
        count = 0 if state is None or episode_start.any() else state + 1
        return np.full(2, 0.1 * count), count
