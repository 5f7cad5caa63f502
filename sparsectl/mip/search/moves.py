"""Changes of plans that a plan with levels can be improved by, one of them to each plan.

Gaussian noise says nothing about a jet that fires one step later. These do: a stretch of the plan
is moved in time, two steps are swapped, a value is held, one step gives what another takes, the
end of another plan is taken over.
"""

from __future__ import annotations

import numpy as np

from sparsectl.task.levels import Levels

_KINDS = 7
_CHANGED = 2.0
"""Mean number of entries that are drawn anew."""


def moves(
    rng: np.random.Generator, levels: Levels, plans: np.ndarray, others: np.ndarray
) -> np.ndarray:
    """Plans with a geometrically distributed number of changes, see `move`."""
    changed, more = plans.copy(), np.arange(len(plans))
    while len(more):
        changed[more] = move(rng, levels, changed[more], others)
        more = more[rng.random(len(more)) < 0.5]
    return changed


def move(
    rng: np.random.Generator, levels: Levels, plans: np.ndarray, others: np.ndarray
) -> np.ndarray:
    """Plans with one change each.

    Args:
        levels: entries that take levels.
        plans: Shape (N, decisions, nu), in the unit box.
        others: plans whose parts may be taken over. Shape (k, decisions, nu).

    Returns:
        Shape (N, decisions, nu).
    """
    kinds, changed = rng.integers(0, _KINDS, len(plans)), plans.copy()
    for kind in range(_KINDS):
        those = kinds == kind
        z = plans[those]
        if not len(z):
            continue
        if kind == 0:
            z = _drawn(rng, levels, z)
        elif kind == 1:
            z = _exchanged(rng, levels, z)
        elif kind == 2:
            z = _crossed(rng, z, others)
        else:
            z = np.take_along_axis(z, _source(rng, kind, z.shape), axis=1)
        changed[those] = z
    return changed


def _source(rng: np.random.Generator, kind: int, shape: tuple[int, ...]) -> np.ndarray:
    """Which decision every decision is copied from. Shape (N, decisions, nu)."""
    n, count, nu = shape
    now = np.arange(count)
    first, last = np.sort(rng.integers(0, count, (2, n, 1)), axis=0)
    if kind in (3, 4):  # a stretch goes round by one or more, of all entries or of one
        length = last - first + 1
        by = rng.choice([-1, 1], (n, 1)) * np.where(
            rng.random((n, 1)) < 0.5, 1, rng.integers(1, count + 1, (n, 1))
        )
        inside = (now >= first) & (now <= last)
        source = np.where(inside, first + (now - first - by) % length, now)
    elif kind == 5:  # a value is held
        held = rng.integers(1, max(2, count // 3 + 1), (n, 1))
        source = np.where((now > first) & (now <= first + held), first, now)
    else:  # two decisions are swapped
        source = np.where(now == first, last, np.where(now == last, first, now))
    one = np.arange(nu) == rng.integers(0, nu, (n, 1))
    if kind == 3:
        one[:] = True
    return np.where(one[:, None], source[..., None], now[:, None])


def _drawn(rng: np.random.Generator, levels: Levels, z: np.ndarray) -> np.ndarray:
    """About `_CHANGED` entries drawn anew."""
    number = rng.geometric(1 / _CHANGED, (len(z), 1, 1))
    hit = rng.random((len(z), z.shape[1], len(levels.entries)), dtype=np.float32)
    there = hit < number / hit[0].size
    index = np.where(there, levels.any(rng, there.shape), levels.index(z))
    return levels.placed(index, z)


def _exchanged(rng: np.random.Generator, levels: Levels, z: np.ndarray) -> np.ndarray:
    """One entry a level up or down; in half of the plans back again at another time."""
    rows, index = np.arange(len(z)), levels.index(z)
    entry = rng.integers(0, len(levels.entries), len(z))
    by = rng.choice(np.array([-1, 1]), len(z))
    for some, sign in ((rows, 1), (rows[rng.random(len(z)) < 0.5], -1)):
        at = (some, rng.integers(0, z.shape[1], len(z))[some], entry[some])
        index[at] = np.clip(index[at] + sign * by[some], 0, levels.count[entry[some]] - 1)
    return levels.placed(index, z)


def _crossed(rng: np.random.Generator, z: np.ndarray, others: np.ndarray) -> np.ndarray:
    """The end of another plan, or one of its entries."""
    n, count, nu = z.shape
    other = others[rng.integers(0, len(others), n)]
    late = np.arange(count)[:, None] >= rng.integers(0, count + 1, (n, 1, 1))
    one = np.arange(nu) == rng.integers(0, nu, (n, 1, 1))
    return np.where(np.where(rng.random((n, 1, 1)) < 0.5, late, one), other, z)
