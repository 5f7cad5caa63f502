"""Wide search for starting plans on the exact program, before anything is proved.

Plans that are constant over a few stretches of the horizon reach what white noise does not, such
as a detour around an object. Several plans that lie apart are then kept and perturbed, less and
less: each is a different way to do it, for pattern programs to finish. Entries with levels keep to
them: they are moved in time, swapped and drawn anew.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from sparsectl.mip.search.moves import moves
from sparsectl.program.relu_program import ReluProgram
from sparsectl.task import Problem
from sparsectl.task.levels import Levels

APART = 0.08
"""Least mean distance of two plans that are different ones, 1 being half the action box."""
_PENALTY = 1e3
"""Cost per unit of constraint violation while searching."""
_PART = 256
"""Plans that are scored before the clock is looked at again: a few milliseconds over 30 steps."""


@dataclass(frozen=True)
class Exploration:
    """Settings of `explore`."""

    first: int = 3000
    """Plans drawn over the whole action box."""
    samples: int = 800
    """Plans per round."""
    rounds: int = 8
    """Rounds of perturbation."""
    kept: int = 16
    """Plans kept from round to round."""
    stretches: int = 5
    """Largest number of stretches of a plan."""
    deviation: float = 0.5
    """First standard deviation of the perturbations, 1 being half the action box."""
    contraction: float = 0.75
    """Factor on the deviation from round to round."""
    apart: float = 0.2
    """Least mean distance of two kept plans at first, in the same unit."""
    seed: int = 0
    """Of the random draws."""


def explore(
    program: ReluProgram,
    problem: Problem,
    known: Sequence[np.ndarray] = (),
    *,
    count: int = 8,
    settings: Exploration | None = None,
    deadline: float | None = None,
) -> list[np.ndarray]:
    """Plans that lie apart, best first, each of shape (H, nu); at most `count`.

    Args:
        known: plans to start from too, each of shape (H, nu).
        count: how many to return.
        deadline: `time.perf_counter()` value to stop at; what was scored until then counts.
    """
    settings = settings or Exploration()
    rng, shape = np.random.default_rng(settings.seed), (problem.horizon, problem.nu)
    center, half = (problem.u_low + problem.u_high) / 2, (problem.u_high - problem.u_low) / 2
    levels = Levels.of(problem)

    def settle(z: np.ndarray) -> np.ndarray:
        if problem.inputs is None:
            return np.clip(z, -1.0, 1.0)
        return (problem.admit(center + half * z) - center) / np.maximum(half, 1e-12)

    def score(z: np.ndarray) -> np.ndarray:
        plans = center + half * z
        states = program.rollout(problem.x0, plans)
        cost = problem.cost(states, plans)
        cost = cost + _PENALTY * problem.constraints.violation(states, weighted=False)
        return np.where(np.isfinite(cost), cost, np.inf)

    starts = [(np.asarray(a) - center) / np.maximum(half, 1e-12) for a in known]
    still = np.zeros((1, *shape))
    wide = _stretched(rng, settings, *shape)
    if levels is not None:
        wide = levels.placed(levels.held(rng, len(wide), problem.horizon), wide)
    z = settle(np.concatenate([*(s[None] for s in starts), still, wide]))
    z, cost = _scored(z, score, deadline)
    for k in range(settings.rounds):
        if deadline is not None and time.perf_counter() > deadline:
            break
        distance = settings.apart * (1 - k / settings.rounds) + 0.02
        kept = apart(z, cost, settings.kept, distance)
        base = np.repeat(z[kept], -(-settings.samples // len(kept)), axis=0)
        noise = rng.normal(size=base.shape)
        coherent = _stretched(rng, settings, *shape, count=len(base))
        noise = np.where(rng.random((len(base), 1, 1)) < 0.5, coherent, noise)
        moved = rng.random((*base.shape[:2], 1)) < 0.5
        scale = settings.deviation * settings.contraction**k
        new = base + scale * noise * moved
        if levels is not None:
            new = levels.placed(levels.index(base), new)
            new = moves(rng, levels, new, z[kept])
        new, value = _scored(settle(new), score, deadline)
        z, cost = np.concatenate([z[kept], new]), np.concatenate([cost[kept], value])
    best = apart(z, cost, count, APART)
    plans = [center + half * z[i] for i in best if np.isfinite(cost[i])]
    return plans if problem.inputs is None else [problem.admit(plan) for plan in plans]


def _scored(
    z: np.ndarray, score: Callable[[np.ndarray], np.ndarray], deadline: float | None
) -> tuple[np.ndarray, np.ndarray]:
    """Plans and costs of as many as there is time for, at least of the first part."""
    if deadline is None:
        return z, score(z)
    costs = [score(z[:_PART])]
    for i in range(_PART, len(z), _PART):
        if time.perf_counter() > deadline:
            break
        costs.append(score(z[i : i + _PART]))
    cost = np.concatenate(costs)
    return z[: len(cost)], cost


def _stretched(
    rng: np.random.Generator, settings: Exploration, horizon: int, nu: int, count: int | None = None
) -> np.ndarray:
    """Plans in [-1, 1] constant over 1 to `stretches` parts; half of the values at the ends."""
    n, most = settings.first if count is None else count, settings.stretches
    parts = rng.integers(1, most + 1, size=n)
    ends = np.sort(rng.integers(0, horizon, size=(n, most)), axis=1)
    passed = np.arange(horizon)[None, None] >= ends[:, :, None]
    stretch = (passed & (np.arange(most)[None, :, None] < (parts - 1)[:, None, None])).sum(axis=1)
    values = rng.uniform(-1, 1, size=(n, most, nu))
    extreme = rng.random((n, most, 1)) < 0.5
    values = np.where(extreme, np.clip(3 * values, -1, 1), values)
    return values[np.arange(n)[:, None], stretch]


def apart(z: np.ndarray, cost: np.ndarray, count: int, distance: float) -> np.ndarray:
    """Indices of the best plans of which no two are closer than `distance`, best first."""
    order, chosen = np.argsort(cost)[: 5 * count], list[int]()
    plans = z.reshape(len(z), -1)[order]
    far = np.ones(len(order), dtype=bool)
    while far.any() and len(chosen) < count:
        chosen.append(int(np.argmax(far)))
        far &= abs(plans - plans[chosen[-1]]).mean(axis=1) > distance
    return order[chosen]
