"""Modes along trajectories: which patterns some action sequence from a start reaches, exactly.

First all sequences of modes, through the unrolled program. Where these are too many, the modes
over the step's box are the candidates, and a mixed-integer program decides each that was not seen:
is there an action sequence whose last step has that pattern?
"""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from sparsectl.mip.backends import scip
from sparsectl.mip.encode import encode
from sparsectl.mip.modes.count import (
    CAP,
    ModeCount,
    count_modes,
    modes_of_step,
    sampled_modes,
    share,
)
from sparsectl.mip.modes.search import TOLERANCE
from sparsectl.mip.solution import Limits
from sparsectl.program import algebra
from sparsectl.program.bounds import Box, HorizonBounds, propagate
from sparsectl.program.relu_program import ReluProgram
from sparsectl.task import Problem
from sparsectl.task.constraints import Constraints
from sparsectl.task.cost import Cost

_SEQUENCES = 4_000
"""Beyond this many sequences of modes, a second's or a few's work, candidates are decided."""
_FIRST = 0.4
"""Share of a step's time for the sequences."""
_SAMPLES = 10_000
_SLACK = 10.0
"""A witness may miss its pattern by this many tolerances: the solver has one of its own."""


def trajectory_modes(
    program: ReluProgram,
    x0: np.ndarray,
    u_low: np.ndarray,
    u_high: np.ndarray,
    horizon: int,
    *,
    cap: int = CAP,
    deadline: float | None = None,
) -> list[ModeCount]:
    """Modes at every step that some action sequence from x0 reaches.

    Exact up to the tolerances of the solvers where `complete`; constraints are not looked at.

    Args:
        x0: start. Shape (nx,).
        u_low, u_high: action box. Shape (nu,).
        cap: largest number of modes over the box of a step.
        deadline: `time.perf_counter()` value to give up at, or None.
    """
    free = np.full(len(x0), np.inf)
    bounds = propagate(program, Box(x0, x0, u_low, u_high, -free, free), horizon)
    tried = random_actions(u_low, u_high, horizon, _SAMPLES, 0)
    counts = []
    for t in range(horizon):
        started, end = time.perf_counter(), share(deadline, horizon - t)
        first = None if end is None else started + _FIRST * (end - started)
        found = _by_sequences(program, x0, tried[:, : t + 1], bounds, _SEQUENCES, first)
        if not found.complete and found.count <= cap:
            found = _by_candidates(program, x0, bounds, t, found, cap, end)
        counts.append(replace(found, seconds=time.perf_counter() - started))
    return counts


def sampled_trajectory_modes(
    program: ReluProgram,
    x0: np.ndarray,
    u_low: np.ndarray,
    u_high: np.ndarray,
    horizon: int,
    *,
    samples: int = _SAMPLES,
    seed: int = 0,
) -> list[int]:
    """Distinct patterns at every step of random rollouts from x0, half of them at the corners."""
    actions = random_actions(u_low, u_high, horizon, samples, seed)
    states = program.rollout(x0, actions)
    inputs = np.concatenate([states[:, :-1], actions], axis=-1)
    return [sampled_modes(program, inputs[:, t]) for t in range(horizon)]


def random_actions(
    u_low: np.ndarray, u_high: np.ndarray, horizon: int, samples: int, seed: int
) -> np.ndarray:
    """Action sequences, half of them at corners of the box. Shape (samples, horizon, nu)."""
    rng, shape = np.random.default_rng(seed), (samples, horizon, len(u_low))
    actions = rng.uniform(u_low, u_high, size=shape)
    corners = np.where(rng.random(shape) < 0.5, u_low, u_high)
    actions[: samples // 2] = corners[: samples // 2]
    return actions


def _by_sequences(
    program: ReluProgram,
    x0: np.ndarray,
    tried: np.ndarray,
    bounds: HorizonBounds,
    cap: int,
    deadline: float | None,
) -> ModeCount:
    """Distinct patterns of the last step of `tried`, over all sequences of modes before it."""
    steps = tried.shape[1]
    unrolled = algebra.unroll(program, x0, steps)
    low, high = bounds.u_low[:steps].ravel(), bounds.u_high[:steps].ravel()
    points = tried.reshape(len(tried), -1)
    found = count_modes(unrolled, low, high, cap=cap, deadline=deadline, points=points)
    last = np.unique(found.patterns[:, unrolled.m - program.m :], axis=0)
    return replace(found, count=len(last), patterns=last)


def _by_candidates(
    program: ReluProgram,
    x0: np.ndarray,
    bounds: HorizonBounds,
    t: int,
    seen: ModeCount,
    cap: int,
    deadline: float | None,
) -> ModeCount:
    """Decide every mode of the step's box that was not seen."""
    box = modes_of_step(program, bounds, t, cap=cap, deadline=deadline)
    programs = seen.programs + box.programs
    if not box.complete:
        reason = f"over the box of the step: {box.reason}"
        return replace(seen, reason=reason, programs=programs)
    reach = _Reach(program, x0, bounds, t)
    reached, reason = [*seen.patterns], ""
    known = {pattern.tobytes() for pattern in seen.patterns}
    for candidate in box.patterns:
        if candidate.tobytes() in known:
            continue
        answer = reach.decide(candidate, deadline)
        programs += 1
        if answer is None:
            late = deadline is not None and time.perf_counter() > deadline
            reason = "out of time" if late else "some patterns could not be decided"
            if late:
                break
        elif answer:
            reached.append(candidate)
    patterns = np.array(reached, dtype=bool).reshape(len(reached), program.m)
    return ModeCount(len(patterns), not reason, reason, patterns, programs)


class _Reach:
    """Feasibility of one pattern at step t, as a mixed-integer program."""

    def __init__(self, program: ReluProgram, x0: np.ndarray, bounds: HorizonBounds, t: int) -> None:
        self._program, self._x0, steps = program, x0, t + 1
        part = HorizonBounds(
            bounds.pre_low[:steps], bounds.pre_high[:steps], bounds.x_low[: steps + 1],
            bounds.x_high[: steps + 1], bounds.u_low[:steps], bounds.u_high[:steps], bounds.method,
        )  # fmt: skip
        nothing = Constraints(np.zeros((0, len(x0))), np.zeros(0))
        problem = Problem(x0, Cost(()), nothing, bounds.u_low[0], bounds.u_high[0], steps)
        self._model = encode(program, problem, part)
        neurons = self._model.neurons[self._model.neurons[:, 0] == t]
        _, self._neuron, self._z, self._s, self._d = neurons.T
        self._small = TOLERANCE * np.maximum(abs(bounds.pre_low[t]), abs(bounds.pre_high[t]))

    def decide(self, pattern: np.ndarray, deadline: float | None) -> bool | None:
        """Whether some action sequence has this pattern; None when the solver cannot tell."""
        model, small = self._model, self._small[self._neuron]
        on = pattern[self._neuron]
        low, high = model.low.copy(), model.high.copy()
        low[self._d] = high[self._d] = on
        # A pattern counts when it is reached with a margin, as everywhere.
        low[self._z], low[self._s] = np.where(on, small, 0.0), np.where(on, 0.0, small)
        if (low > high).any():
            return False
        left = None if deadline is None else max(deadline - time.perf_counter(), 0.0)
        raw = scip.solve(replace(model, low=low, high=high), Limits(seconds=left))
        if raw.infeasible:
            return False
        if raw.values is None:
            return None
        actions = raw.values[model.u]
        states = self._program.rollout(self._x0, actions)
        pre = self._program.evaluate(np.concatenate([states[-2], actions[-1]]))[1]
        return bool((np.where(pattern, pre, -pre) >= -_SLACK * self._small).all()) or None
