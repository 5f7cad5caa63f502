"""A planner whose model reads the past: it is told the last transitions with every observation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sparsectl.control.base import Controller, ControllerState, Wrapper
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


class WithHistory(Wrapper):
    """Gives `inner` observations that end in the last transitions, newest first.

    Each is [x_t - x_(t-1), u_(t-1)] (see `streams.past`); what was before the episode is 0. All
    memory is in the `ControllerState`, as with every controller.

    Args:
        inner: planner of the task that `with_past` makes.
    """

    def __init__(self, inner: Controller, task: Task, history: int) -> None:
        super().__init__(inner)
        self.task, self.history = task, history

    def solve(self, problem: Problem, state: ControllerState, **given: Any) -> tuple[Plan, Any]:
        """Plan at the problem's observation; without one it is `inner`'s own problem."""
        past = state.memory if isinstance(state.memory, _Past) else _Past()
        own = replace(state, memory=past.inner)
        if problem.observation is None:
            plan, inner = self.inner.solve(problem, own, **given)
            return plan, replace(past, inner=inner)
        states = (*past.states, problem.x0)
        told = np.concatenate([problem.observation, self._transitions(states, past.actions)])
        problem = self.inner.task.problem(
            told,
            problem.horizon,
            step=state.step,
            last=state.applied(self),
            loose=not self.looks_ahead,
        )
        plan, inner = self.inner.solve(problem, own, **given)
        actions = (*past.actions, self.first_action(plan))
        return plan, _Past(states[-self.history :], actions[-self.history :], inner)

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
