"""A planner whose model reads the past: it is told the last transitions with every observation."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sparsectl.control.base import Controller, ControllerState
from sparsectl.errors import ConfigError
from sparsectl.task import Problem, Task, TaskConfig
from sparsectl.types import Plan

PAST = "past"
"""Name of the part of the state that holds it."""


@dataclass(frozen=True)
class _Past:
    """States and actions of the last steps, the newest last, and what the planner handed on."""

    states: tuple[np.ndarray, ...] = ()
    actions: tuple[np.ndarray, ...] = ()
    inner: Any = None


class Remembering(Controller):
    """Gives `inner` observations that end in the last transitions, newest first.

    Each is [x_t - x_(t-1), u_(t-1)] (see `streams.past`); what was before the episode is 0. All
    memory is in the `ControllerState`, as with every controller.

    Args:
        inner: planner of the task that `with_past` makes.
        task: as the environment's observations are.
        history: transitions.
    """

    def __init__(self, inner: Controller, task: Task, history: int) -> None:
        self.name, self.horizon, self.task = inner.name, inner.horizon, task
        self.inner, self.history = inner, history

    def plan(
        self,
        observation: np.ndarray,
        state: ControllerState | None = None,
        *,
        deadline: float | None = None,
    ) -> Plan:
        """Plan at an observation of the environment. Shape (observation_size,)."""
        started = time.perf_counter()
        state = state or ControllerState()
        past = state.memory or _Past()
        states = (*past.states, self.task.map.state(np.asarray(observation, dtype=np.float64)))
        told = np.concatenate([observation, self._transitions(states, past.actions)])
        found = self.inner.plan(told, replace(state, memory=past.inner), deadline=deadline)
        after = _Past(
            states[-self.history :],
            (*past.actions, self.first_action(found))[-self.history :],
            found.info.get("memory", past.inner),
        )
        info = {**found.info, "memory": after}
        return replace(found, info=info, seconds=time.perf_counter() - started)

    def solve(self, problem: Problem, state: ControllerState, deadline: float | None) -> Plan:
        """Plan for a problem of the inner task, whose start holds the past."""
        return self.inner.solve(problem, state, deadline)

    def _transitions(
        self, states: tuple[np.ndarray, ...], actions: tuple[np.ndarray, ...]
    ) -> np.ndarray:
        out = np.zeros((self.history, self.task.nx + self.task.nu))
        changes = np.diff(states, axis=0)
        for i, (change, action) in enumerate(zip(changes[::-1], actions[::-1], strict=True)):
            out[i] = np.concatenate([change, action])
        return out.ravel()


def with_past(
    config: TaskConfig, size: int, history: int, make: Callable[[TaskConfig, int], Task]
) -> tuple[Task, Task]:
    """A task of an environment's observations, and the same with the past as a part of the state.

    Args:
        config: what to do.
        size: of an observation.
        history: past transitions; 0: both tasks are the same.
        make: task of a config and the size of observations.

    Raises:
        ConfigError: the config uses the name `past`; see `Task`.
    """
    plain = make(config, size)
    if not history:
        return plain, plain
    state = config.observation.state or {"observation": f"0:{size}"}
    if PAST in {*state, *config.observation.goal}:
        raise ConfigError(f"control.task.observation: '{PAST}' is the past's name: choose another")
    end = size + history * (plain.nx + plain.nu)
    observation = replace(config.observation, state={**state, PAST: f"{size}:{end}"})
    return plain, make(replace(config, observation=observation), end)
