"""Whole curves of saddle points by pseudo-arclength continuation, through their folds.

Where the generalisation error jumps, the curve over alpha is an S: both stable branches and the
unstable one between them are one smooth curve in (overlaps, alpha).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from sparsectl.checks import within
from sparsectl.errors import ConfigError, TrainingDiverged
from sparsectl.theory.energy import Gibbs
from sparsectl.theory.one_task import (
    OneTask,
    averages,
    conjugate,
    evaluate,
    solve_one,
)
from sparsectl.theory.order import Order
from sparsectl.theory.solver import jacobian

_TOLERANCE = 1e-8


@dataclass(frozen=True)
class CurveConfig:
    """Continuation of a curve."""

    start: float = 0.1
    """First alpha."""
    end: float = 2.0
    """The curve ends where it leaves this alpha."""
    longest: float = 0.15
    """Longest step, in overlaps' free coordinates and alpha."""
    shortest: float = 1e-4
    """Shortest step before giving up."""
    steps: int = 600
    """Most points; 0: no curve."""

    def __post_init__(self) -> None:
        within(self, "curve", "(0, inf)", "start", "longest", "shortest")
        if not self.end > self.start:
            raise ConfigError(f"curve: end is {self.end}, expected more than start {self.start}")


@dataclass(frozen=True)
class CurvePoint:
    """A saddle point and where on the curve it is.

    Attributes:
        folds: how many folds lie before it: 0 on the branch of the uninformed learner, 1 on the
            unstable one, 2 on the branch next to the teacher.
        x, tangent: free coordinates with alpha, and the direction of travel. 4 numbers each.
    """

    task: OneTask
    folds: int
    x: tuple[float, ...]
    tangent: tuple[float, ...]
    length: float


@dataclass(frozen=True)
class Jump:
    """A first-order transition.

    Attributes:
        alpha: where both branches are equally likely.
        low, high: where the teacher's branch begins and the uninformed branch ends (spinodals).
        errors: generalisation errors of both branches at `alpha`.
    """

    alpha: float
    low: float
    high: float
    errors: tuple[float, float]


def curve(
    gibbs: Gibbs | None = None,
    config: CurveConfig | None = None,
    on_point: Callable[[CurvePoint], None] | None = None,
    done: Sequence[CurvePoint] = (),
) -> list[CurvePoint]:
    """Saddle points of one task from small alpha to large, with all folds.

    Args:
        done: points of an earlier call with the same settings, to go on from the last.

    Raises:
        TrainingDiverged: the curve cannot be followed.
    """
    measure, config = gibbs or Gibbs(), config or CurveConfig()
    points = list(done)
    if not points and config.steps:
        points.append(_first(measure, config))
        if on_point:
            on_point(points[-1])
    while 0 < len(points) < config.steps and (new := _next(measure, config, points[-1])):
        points.append(new)
        if on_point:
            on_point(new)
    return points


def point(gibbs: Gibbs, x: ArrayLike, folds: int, tangent: ArrayLike, length: float) -> CurvePoint:
    """The point at free coordinates and alpha, 4 numbers that lie on the curve."""
    x, tangent = np.asarray(x, dtype=float), np.asarray(tangent, dtype=float)
    residual = float(np.abs(_residual(gibbs, x)).max())
    task = evaluate(float(x[3]), gibbs, Order.of_free(x[:3]), residual)
    return CurvePoint(task, folds, tuple(x.tolist()), tuple(tangent.tolist()), float(length))


def jump(rows: Sequence[Mapping[str, Any]]) -> Jump | None:
    """Where the branches before the first and after the second fold are equally likely.

    None where the curve has no two folds, or one branch is likelier over the whole range in
    which there are both.

    Args:
        rows: `OneTask.row` with `folds`, in the curve's order.
    """
    lower, upper = ([r for r in rows if r["folds"] == n] for n in (0, 2))
    if not lower or not upper or lower[-1]["alpha"] <= upper[0]["alpha"]:
        return None
    low, high = upper[0]["alpha"], lower[-1]["alpha"]
    grid = np.linspace(low, high, 4001)
    gap = _along(upper, grid, "potential") - _along(lower, grid, "potential")
    crossed = np.flatnonzero(np.diff(np.sign(gap)) > 0)
    if not len(crossed):
        return None
    alpha = grid[crossed[:1]]
    errors = [float(_along(branch, alpha, "error")[0]) for branch in (lower, upper)]
    return Jump(float(alpha[0]), low, high, (errors[0], errors[1]))


def _along(branch: Sequence[Mapping[str, Any]], alphas: np.ndarray, name: str) -> np.ndarray:
    return np.interp(alphas, [r["alpha"] for r in branch], [r[name] for r in branch])


def _first(gibbs: Gibbs, config: CurveConfig) -> CurvePoint:
    task = solve_one(config.start, gibbs)
    x = np.array([*task.order.free(), config.start])
    tangent = _tangent(_jacobian(gibbs, x)[0], np.array([0.0, 0.0, 0.0, 1.0]))
    return point(gibbs, x, 0, tangent, 0.2 * config.longest)


def _next(gibbs: Gibbs, config: CurveConfig, last: CurvePoint) -> CurvePoint | None:
    """One step further; None where the curve has left `config.end`."""
    x, tangent, length = np.array(last.x), np.array(last.tangent), last.length
    while length >= config.shortest:
        found = _correct(gibbs, x + length * tangent, tangent)
        if found is not None:
            new, slopes, iterations = found
            turned = _tangent(slopes, tangent)
            if turned @ tangent > 0.97 or length < 20 * config.shortest:
                folds = last.folds + int(turned[3] * tangent[3] < 0)
                longer = min(config.longest, length * (1.5 if iterations <= 2 else 1.0))
                inside = new[3] < config.end
                return point(gibbs, new, folds, turned, longer) if inside else None
        length /= 2
    raise TrainingDiverged(
        f"the curve cannot be followed beyond alpha {x[3]:.4f}: steps down to {config.shortest} "
        "fail; allow shorter ones"
    )


def _residual(gibbs: Gibbs, x: np.ndarray) -> np.ndarray:
    order = Order.of_free(x[:3])
    return averages(conjugate(float(x[3]), gibbs, order))[0].free() - x[:3]


def _jacobian(gibbs: Gibbs, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of the residual, shape (3, 4), and the residual itself."""
    residual = _residual(gibbs, x)
    return jacobian(partial(_residual, gibbs), x, residual), residual


def _tangent(slopes: np.ndarray, along: np.ndarray) -> np.ndarray:
    """Unit null vector, in the direction of travel."""
    null = np.linalg.svd(slopes)[2][-1]
    return null if null @ along >= 0 else -null


def _correct(
    gibbs: Gibbs, guess: np.ndarray, tangent: np.ndarray
) -> tuple[np.ndarray, np.ndarray, int] | None:
    """Newton's method in the plane through the guess, across the tangent."""
    x = guess.copy()
    for iteration in range(1, 7):
        if not np.isfinite(x).all() or x[3] <= 0 or np.abs(x - guess).max() > 0.5:
            return None
        slopes, residual = _jacobian(gibbs, x)
        across = np.append(residual, (x - guess) @ tangent)
        step = np.linalg.lstsq(np.vstack([slopes, tangent]), -across, rcond=None)[0]
        x = x + step
        if np.abs(step).max() < _TOLERANCE**0.5 and np.abs(residual).max() < _TOLERANCE**0.5:
            return x, slopes, iteration  # quadratic: the next step would be of its square
    return None
