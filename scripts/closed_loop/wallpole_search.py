"""Plans that the simulator of WallPole itself confirms: as they come, with feedback, or corrected.

Corrected is by successive linear programs, Fletcher and Sainz de la Maza (1989), "Nonlinear
programming and nonsmooth optimization by successive linear programming":

the plan's motion in the simulator is linearised step by step; a linear program within a trust
region makes the sum of what limits and terminal set are exceeded by least; a step is kept where
that sum has fallen in the simulator too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from scipy.optimize import linprog

from scripts.closed_loop import wallpole_paper
from sparsectl.envs.wallpole.env import LIMITS, WallPoleEnv

_DIFFERENCE = 1e-6
"""Of finite differences, in units of the limits."""
_INSIDE = 1e-4
"""Share of the limits that is aimed at beyond need, so that rounding does not matter."""
_AFTERWARDS = 60
"""Steps of the feedback after a plan."""
ROUNDS = 40
"""Linear programs in a search, at most."""
_SMALLEST = 1e-3
"""Trust region at which a search ends, of actions in [-1, 1]."""


Step = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""The next state. Shapes (4,), (1,) -> (4,)."""


def simulator() -> Step:
    """The simulator's step."""
    env = WallPoleEnv()

    def step(state: np.ndarray, action: np.ndarray) -> np.ndarray:
        env.set_state(state)
        return env.step(action)[0]

    return step


@dataclass(frozen=True)
class Target:
    """What a motion must keep: |x| <= LIMITS always, and `rows @ x <= sides` once."""

    rows: np.ndarray
    sides: np.ndarray

    def inside(self, states: np.ndarray) -> np.ndarray:
        """Which states are in the terminal set. Shape (..., 4) -> (...), bool."""
        return (states @ self.rows.T <= self.sides).all(axis=-1)

    def reached(self, states: np.ndarray) -> int | None:
        """Steps until a motion is in the terminal set, if it keeps the limits so far. No slack.

        Args:
            states: as simulated, the start first. Shape (H + 1, 4).
        """
        kept = np.logical_and.accumulate((abs(states[1:]) <= LIMITS).all(axis=1))
        found = np.flatnonzero(self.inside(states[1:]) & kept)
        return int(found[0]) + 1 if len(found) else None

    def excess(self, states: np.ndarray) -> np.ndarray:
        """By how much limits and, at the last step, the terminal set are missed, inside `_INSIDE`.

        Shares of the limits, positive where missed. Shape (8 H + rows,).
        """
        shares = (states[1:] / LIMITS).ravel()
        end = states[-1] @ self.rows.T - self.sides
        return np.concatenate([shares - 1, -shares - 1, end]) + _INSIDE

    def missed(self, states: np.ndarray) -> float:
        """Sum of what is missed."""
        return float(self.excess(states).clip(min=0).sum())


def confirmed(
    step: Step,
    start: np.ndarray,
    target: Target,
    plan: tuple[np.ndarray, np.ndarray] | None,
    horizon: int,
) -> tuple[str, np.ndarray] | None:
    """A plan that keeps all limits in the simulator, and the feedback after it, and how it came.

    Args:
        start: Shape (4,).
        target: what it must keep.
        plan: of a model, actions (H,) and states (H + 1, 4); None: there is none.
        horizon: steps of plans that are no model's.

    Returns:
        `open loop`, `feedback` or `corrected` for the model's plan, `search` for one from the
        guesses that need no model, and actions up to the terminal set; None: none was found.
    """
    for how, actions in _attempts(step, start, target, plan, horizon):
        steps = target.reached(rollout(step, start, actions))
        if steps is not None and _lasts(step, start, actions[:steps]):
            return how, actions[:steps]
    return None


def _attempts(
    step: Step,
    start: np.ndarray,
    target: Target,
    plan: tuple[np.ndarray, np.ndarray] | None,
    horizon: int,
) -> Iterator[tuple[str, np.ndarray]]:
    if plan is not None:
        yield "open loop", plan[0]
        guess = tracked(step, start, *plan)
        yield "feedback", guess
        yield "corrected", improved(step, start, guess, target)
    still = np.zeros(horizon)
    guesses = [tracked(step, start, still, np.zeros((horizon + 1, 4))), still, still - 1, still + 1]
    for guess in guesses:
        yield "search", improved(step, start, guess, target)


def _lasts(step: Step, start: np.ndarray, actions: np.ndarray) -> bool:
    """Whether the feedback keeps the limits after a plan."""
    end, still = rollout(step, start, actions)[-1], np.zeros(_AFTERWARDS)
    after = tracked(step, end, still, np.zeros((_AFTERWARDS + 1, 4)))
    return bool((abs(rollout(step, end, after)) <= LIMITS).all())


def found(step: Step, start: np.ndarray, target: Target, horizon: int) -> np.ndarray | None:
    """A plan that reaches the terminal set from one of four guesses, and the feedback after it.

    Returns:
        Shape (H,); None: none was found.
    """
    for _, actions in _attempts(step, start, target, None, horizon):
        states = rollout(step, start, actions)
        steps = target.reached(states)
        if steps is not None:
            left, still = horizon - steps, np.zeros((horizon - steps + 1, 4))
            after = tracked(step, states[steps], still[:left, 0], still)
            return np.concatenate([actions[:steps], after])
    return None


def rollout(step: Step, start: np.ndarray, actions: np.ndarray) -> np.ndarray:
    """States of a plan in the simulator. Shapes (4,), (H,) -> (H + 1, 4)."""
    states = [start]
    for action in actions:
        states.append(step(states[-1], np.array([action])))
    return np.array(states)


def tracked(step: Step, start: np.ndarray, actions: np.ndarray, states: np.ndarray) -> np.ndarray:
    """Actions that a linear feedback applies on the way along a plan, in the simulator. Shape (H,).

    Args:
        start: Shape (4,).
        actions: of the plan. Shape (H,).
        states: that it was to have, the start first. Shape (H + 1, 4).
    """
    K, seen = wallpole_paper.gain()[0], start
    applied = np.empty(len(actions))
    for t, (action, planned) in enumerate(zip(actions, states[:-1], strict=True)):
        applied[t] = np.clip(action + K @ (seen - planned), -1.0, 1.0)
        seen = step(seen, applied[t : t + 1])
    return applied


def improved(step: Step, start: np.ndarray, actions: np.ndarray, target: Target) -> np.ndarray:
    """The plan with the least sum missed that successive linear programs find. Shape (H,)."""
    states = rollout(step, start, actions)
    missed, radius = target.missed(states), 0.3
    for _ in range(ROUNDS):
        if target.reached(states) is not None or radius < _SMALLEST:
            break
        change = _change(_slopes(step, states, actions), actions, states, target, radius)
        if change is None:
            break
        moved = np.clip(actions + change, -1.0, 1.0)
        there = rollout(step, start, moved)
        if target.missed(there) < missed - 1e-9:
            actions, states, missed = moved, there, target.missed(there)
            radius = min(2.0 * radius, 1.0)
        else:
            radius /= 4.0
    return actions


def _slopes(step: Step, states: np.ndarray, actions: np.ndarray) -> np.ndarray:
    """How states 1..H change with actions. Shape (H, 4, H)."""
    horizon = len(actions)
    slopes, moved = np.zeros((horizon, 4, horizon)), np.zeros((4, horizon))
    for t, (state, action) in enumerate(zip(states[:-1], actions, strict=True)):
        act, there = actions[t : t + 1], states[t + 1]
        ends = np.array([step(state + move, act) for move in np.diag(_DIFFERENCE * LIMITS)])
        inward = -_DIFFERENCE if action > 0 else _DIFFERENCE
        moved = ((ends - there).T / (_DIFFERENCE * LIMITS)) @ moved
        moved[:, t] += (step(state, act + inward) - there) / inward
        slopes[t] = moved
    return slopes


def _change(
    slopes: np.ndarray, actions: np.ndarray, states: np.ndarray, target: Target, radius: float
) -> np.ndarray | None:
    """Change of the actions that misses least to first order; None: the solver found none."""
    by_limit = (slopes / LIMITS[:, None]).reshape(-1, len(actions))
    rows = np.vstack([by_limit, -by_limit, target.rows @ slopes[-1]])
    excess = target.excess(states)
    near = excess > -abs(rows).sum(axis=1) * radius  # others cannot be missed
    rows, excess = rows[near], excess[near]
    found = linprog(
        np.concatenate([np.zeros(len(actions)), np.ones(len(rows))]),
        A_ub=sp.hstack([sp.csr_array(rows), -sp.eye_array(len(rows))]),
        b_ub=-excess,
        bounds=[
            *zip(np.maximum(-radius, -1 - actions), np.minimum(radius, 1 - actions), strict=True),
            *[(0, None)] * len(rows),
        ],
    )
    return found.x[: len(actions)] if found.status == 0 else None
