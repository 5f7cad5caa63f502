"""Reachable modes: which activation patterns a program has over a box, exactly, in any dimension.

`search.hull.cells` lists the same modes with their vertices, up to five dimensions; here there are
no vertices and no such limit. Counts that are too large to finish are lower bounds and say so.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from sparsectl.errors import ShapeError
from sparsectl.mip.modes.search import Search, clear_patterns
from sparsectl.program import algebra
from sparsectl.program.bounds import HorizonBounds
from sparsectl.program.relu_program import ReluProgram

CAP = 10_000
"""Largest number of modes that is listed, unless said otherwise."""
_SAMPLES = 2000


@dataclass(frozen=True)
class ModeCount:
    """Answer about one program over one box.

    Attributes:
        count: number of modes; a lower bound unless `complete`.
        complete: every mode was found.
        reason: why not, in words; empty when complete.
        patterns: the modes found, each once. Shape (count, m), bool.
        seconds: time it took [s].
    """

    count: int
    complete: bool
    reason: str
    patterns: np.ndarray
    programs: int = 0
    seconds: float = 0.0

    def __str__(self) -> str:
        return str(self.count) if self.complete else f"at least {self.count} ({self.reason})"


def count_modes(
    program: ReluProgram,
    low: np.ndarray,
    high: np.ndarray,
    *,
    cap: int = CAP,
    deadline: float | None = None,
    sign: np.ndarray | None = None,
    points: np.ndarray | None = None,
) -> ModeCount:
    """Modes of a program over a box of its inputs.

    Listed is every pattern of a point whose pre-activations are all further than
    `mode_search.TOLERANCE` (times their scale) from zero; inputs of zero width are constants.

    Args:
        program: any program; for a dynamics step the inputs are [x; u].
        low, high: the box. Shape (n_in,).
        cap: give up beyond this many modes.
        deadline: `time.perf_counter()` value to give up at, or None.
        sign: +1 known to be on, -1 known to be off, 0 unknown: only such inputs are looked at,
            for example because bounds of a trajectory say so. Shape (m,).
        points: inputs known to be reached, inside the box: they save work. Shape (N, n_in).

    Raises:
        ShapeError: a box or points of another size.
    """
    started = time.perf_counter()
    low, high = np.asarray(low, np.float64), np.asarray(high, np.float64)
    if low.shape != (program.n_in,) or high.shape != low.shape:
        raise ShapeError(
            f"box of shapes {low.shape} and {high.shape}, the program has {program.n_in} inputs"
        )
    seeds = _seeds(low, high, points)
    known = np.zeros(program.m, dtype=int) if sign is None else np.asarray(sign)
    fixed = np.flatnonzero(high <= low)
    free = np.setdiff1d(np.arange(program.n_in), fixed)
    if not len(free):
        at = program.evaluate(low)[1] > 0
        return ModeCount(1, True, "", at[None])
    search = Search(
        algebra.fix_inputs(program, fixed, low[fixed]), low[free], high[free], known, cap, deadline
    )
    reason = search.run(seeds[:, free])
    patterns = np.array(search.found, dtype=bool).reshape(len(search.found), program.m)
    if reason:
        patterns = np.unique(np.concatenate([patterns, search.sampled]), axis=0)
    return ModeCount(
        len(patterns), not reason, reason, patterns, search.programs, time.perf_counter() - started
    )


def step_modes(
    program: ReluProgram,
    bounds: HorizonBounds,
    *,
    cap: int = CAP,
    deadline: float | None = None,
) -> list[ModeCount]:
    """Modes at every step of a horizon, over that step's box of states and actions.

    The boxes hold more than the trajectories reach: an upper estimate of what a planner can meet,
    and the modes that a relaxation of single steps has to cover.

    Args:
        bounds: sound bounds of the horizon, for example from `bound_neurons`.
        cap, deadline: as for `count_modes`; what is left of the time is shared by the steps left.
    """
    return [
        modes_of_step(program, bounds, t, cap=cap, deadline=share(deadline, bounds.horizon - t))
        for t in range(bounds.horizon)
    ]


def modes_of_step(
    program: ReluProgram,
    bounds: HorizonBounds,
    t: int,
    *,
    cap: int = CAP,
    deadline: float | None = None,
) -> ModeCount:
    """As `step_modes`, of one step."""
    low = np.concatenate([bounds.x_low[t], bounds.u_low[t]])
    high = np.concatenate([bounds.x_high[t], bounds.u_high[t]])
    sign = np.where(bounds.active[t], 1, np.where(bounds.unstable[t], 0, -1))
    return count_modes(program, low, high, cap=cap, deadline=deadline, sign=sign)


def sampled_modes(program: ReluProgram, inputs: np.ndarray) -> int:
    """Number of distinct patterns at given inputs: a lower bound on the modes.

    Args:
        inputs: Shape (..., n_in); for a dynamics step the rows are [x; u].
    """
    return len(clear_patterns(program, np.reshape(inputs, (-1, program.n_in))))


def _seeds(low: np.ndarray, high: np.ndarray, points: np.ndarray | None) -> np.ndarray:
    """Random points of the box, and the given ones."""
    rng = np.random.default_rng(0)
    seeds = rng.uniform(low, np.maximum(low, high), size=(_SAMPLES, len(low)))
    if points is None:
        return seeds
    points = np.asarray(points, np.float64)
    if points.ndim != 2 or points.shape[1] != len(low):
        raise ShapeError(f"points have shape {points.shape}, expected (N, {len(low)})")
    slack = 1e-9 * (1 + abs(low) + abs(high))
    inside = ((points >= low - slack) & (points <= high + slack)).all(axis=1)
    return np.concatenate([np.clip(points[inside], low, high), seeds])


def share(deadline: float | None, parts: int) -> float | None:
    """End of the next of so many equal parts of the time that is left."""
    if deadline is None:
        return None
    now = time.perf_counter()
    return now + max(deadline - now, 0.0) / parts
