"""Starts played in the environment itself, where it can be put into a state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from sparsectl.control import Controller, ControllerState
from sparsectl.errors import SparsectlError
from sparsectl.task import Task

_NEAR = 1e-6
"""States this close, relative to 1 + |x|, are the same."""
_ITERATIONS = 20


@dataclass(frozen=True)
class Played:
    """What the environment did.

    Attributes:
        states: Shape (steps + 1, nx).
        actions: Shape (steps, nu).
        away: how far its start was from the one asked for, in the largest entry.
        ended: the episode ended before its last step.
    """

    states: np.ndarray
    actions: np.ndarray
    away: float
    ended: bool


def setter(env: Any, task: Task, seed: int) -> Callable[[np.ndarray], np.ndarray | None] | None:
    """How the environment is put into a state: a function of the state that resets it and gives
    its observation, as near as it can be had, or None where that fails; None: it cannot.

    Known ways: `reset(options={"state": s})`, as the bundled tasks have it, and
    `set_state(qpos, qvel)`, as Gymnasium's MuJoCo tasks have it, where the observation is had from
    it again; s is found by Gauss-Newton steps on the observation where it is not the observation
    itself. And an attribute `state` that is the observation, as Gymnasium's classic control has it.
    """
    first = np.asarray(env.reset(seed=seed)[0], dtype=np.float64)
    inner = env.unwrapped
    saved = getattr(inner, "get_state", None)
    if callable(saved):

        def by_option(state: np.ndarray) -> np.ndarray:
            return np.asarray(env.reset(seed=seed, options={"state": state})[0], dtype=np.float64)

        return _nearest(by_option, task, np.asarray(saved(), dtype=np.float64).ravel())
    if all(hasattr(inner, name) for name in ("set_state", "_get_obs", "init_qpos", "init_qvel")):
        size, parts = len(inner.init_qpos), (inner.data.qpos, inner.data.qvel)
        guess = np.concatenate([np.array(part, dtype=np.float64) for part in parts])

        def by_joints(state: np.ndarray) -> np.ndarray:
            env.reset(seed=seed)
            inner.set_state(state[:size], state[size:])
            return np.asarray(inner._get_obs(), dtype=np.float64)

        again = by_joints(guess)
        same = again.shape == first.shape and np.allclose(again, first, atol=_NEAR)
        return _nearest(by_joints, task, guess) if same else None
    own = getattr(inner, "state", None)
    if own is not None and np.shape(own) == first.shape and np.allclose(own, first, atol=1e-5):

        def by_attribute(x: np.ndarray) -> np.ndarray:
            env.reset(seed=seed)
            seen = task.map.observation(x, first)
            inner.state = np.array(seen)
            return seen

        return by_attribute
    return None


def _nearest(
    observed: Callable[[np.ndarray], np.ndarray], task: Task, guess: np.ndarray
) -> Callable[[np.ndarray], np.ndarray | None]:
    """A function of the task's state that sets the environment's own, from what that gives."""

    def put(x: np.ndarray) -> np.ndarray | None:
        try:
            best = guess
            for _ in range(_ITERATIONS):
                here = task.map.state(observed(best)) - x
                if abs(here).max() <= 1e-12 * (1 + abs(x).max()):
                    break
                step = 1e-6 * (1 + abs(best))
                moved = [task.map.state(observed(best + step * e)) - x for e in np.eye(len(best))]
                J = np.stack([(m - here) / s for m, s in zip(moved, step, strict=True)], axis=1)
                nearer = best - np.linalg.lstsq(J, here, rcond=None)[0]
                after = task.map.state(observed(nearer)) - x
                if abs(after).sum() >= abs(here).sum():
                    break
                best = nearer
            return observed(best)
        except (SparsectlError, ValueError, TypeError, KeyError):
            return None

    return put


def play(
    env: Any,
    put: Callable[[np.ndarray], np.ndarray | None],
    task: Task,
    controller: Controller,
    start: np.ndarray,
    steps: int,
) -> Played | None:
    """An episode from a state; None where the environment cannot be put there."""
    seen = put(start)
    if seen is None:
        return None
    states, actions = [task.map.state(seen)], []
    memory, ended = ControllerState(), False
    for t in range(steps):
        plan, memory = controller.decide(seen, memory)
        action = controller.first_action(plan)
        seen, _, terminated, _, _ = env.step(action)
        actions.append(action)
        states.append(task.map.state(np.asarray(seen, dtype=np.float64)))
        if terminated and t + 1 < steps:
            ended = True
            break
    away = float(abs(states[0] - start).max())
    return Played(np.stack(states), np.array(actions), away, ended)
