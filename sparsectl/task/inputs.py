"""Rules for actions beyond their box: what values there are, rates, blocks.

The values that an entry may take are a union of closed intervals, the *pieces*: a level is a piece
of width zero, a semicontinuous entry has three of them, a plain box one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sparsectl.task.arrays import like, rank, stack

SINGLE, DOUBLE = 1e-6, 1e-12
"""What rounding leaves of two actions that are the same, relative to their size; in single
precision a level that little outside the action box is on its border."""


@dataclass(frozen=True)
class Inputs:
    """Rules for actions beyond their box.

    Attributes:
        pieces: of every entry, sorted, shape (k, 2): low and high ends.
        rate: largest change from step to step, infinite where there is none. Shape (nu,).
        last: the action applied last; None: the first step may be any. Shape (nu,).
        blocks: length of every block of equal actions, or None. They add up to the horizon.
    """

    pieces: tuple[np.ndarray, ...]
    rate: np.ndarray
    last: np.ndarray | None = None
    blocks: tuple[int, ...] | None = None

    @property
    def discrete(self) -> np.ndarray:
        """Entries that take levels only. Shape (nu,), bool."""
        return np.array([(p[:, 0] == p[:, 1]).all() for p in self.pieces])

    @property
    def limited(self) -> bool:
        """Whether some entry has a rate limit."""
        return bool(np.isfinite(self.rate).any())

    def slack(self, itemsize: int = 8) -> np.ndarray:
        """What rounding may add to a change that is as large as its rate. Shape (nu,)."""
        size = np.array([abs(p).max() for p in self.pieces])
        return SINGLE * (self.rate + size) if itemsize < 8 else 1e-9 * self.rate + DOUBLE * size

    def after(self, last: np.ndarray) -> Inputs:
        """The rules after an action, which may be known in single precision only. Shape (nu,).

        Where rounding alone puts an end of a piece out of its reach, the action is taken for the
        one nearby that reaches it: levels are there or not, whoever asks.
        """
        last = np.array(last, dtype=np.float64)
        for i in np.flatnonzero(np.isfinite(self.rate)):
            ends = np.unique(self.pieces[i])
            away = abs(ends - last[i])
            beyond = away > self.rate[i] + self.slack()[i]
            beyond &= away <= self.rate[i] + self.slack(itemsize=4)[i]
            if beyond.any():
                end = ends[beyond][np.argmin(away[beyond])]
                last[i] = end + np.copysign(self.rate[i], last[i] - end)
        return replace(self, last=last)

    def firsts(self, horizon: int) -> np.ndarray:
        """For every step the first step of its block. Shape (horizon,), int."""
        if self.blocks is None:
            return np.arange(horizon)
        starts = np.cumsum([0, *self.blocks[:-1]])
        return np.repeat(starts, self.blocks)[:horizon]

    def draw(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """Random actions, every level of an entry equally probable. Shape (count, nu).

        Entries that are not levels only are uniform between their ends.
        """
        drawn = [
            rng.choice(p[:, 0], count) if there else rng.uniform(p[0, 0], p[-1, 1], count)
            for p, there in zip(self.pieces, self.discrete, strict=True)
        ]
        return np.stack(drawn, axis=1)

    def admit(self, actions: Any) -> Any:
        """Admissible plans near given ones, step after step; a block takes its first action.

        Where no admissible value is within reach of the action applied last, the first step
        breaks the rate.

        Args:
            actions: Shape (..., H, nu), numpy or torch.
        """
        firsts = self.firsts(actions.shape[-2])
        actions = actions[..., firsts, :]
        if not self.limited:
            return stack([nearest(p, actions[..., i]) for i, p in enumerate(self.pieces)], -1)
        entries, reach = [], self.rate + self.slack(actions.itemsize)
        for i, pieces in enumerate(self.pieces):
            steps: list[Any] = []
            for t, first in enumerate(firsts):
                wish = actions[..., t, i]
                if first < t:
                    steps.append(steps[-1])
                elif t == 0 and self.last is None:
                    steps.append(nearest(pieces, wish))
                else:
                    before = steps[-1] if t else 0 * wish + float(self.last[i])  # type: ignore[index]
                    steps.append(_within_reach(pieces, wish, before, self.rate[i], reach[i]))
            entries.append(stack(steps, -1))
        return stack(entries, -1)

    def excess(self, actions: np.ndarray) -> np.ndarray:
        """Largest violation of a rule, in units of actions. Shapes (..., H, nu) -> (...)."""
        held = actions[..., self.firsts(actions.shape[-2]), :]
        near = [nearest(p, actions[..., i]) for i, p in enumerate(self.pieces)]
        worst = np.maximum(abs(actions - held), abs(actions - np.stack(near, axis=-1)))
        if self.limited:
            before = actions[..., :1, :] if self.last is None else self._before(actions)
            changes = abs(np.diff(np.concatenate([before, actions], axis=-2), axis=-2))
            worst = np.maximum(worst, np.maximum(changes - self.rate, 0.0))
        return worst.max((-1, -2), initial=0.0)

    def _before(self, actions: np.ndarray) -> np.ndarray:
        return np.broadcast_to(self.last, (*actions.shape[:-2], 1, actions.shape[-1]))  # type: ignore[arg-type]

    def rescaled(self, shift: np.ndarray, unit: np.ndarray) -> Inputs:
        """The same rules for `(actions - shift) / unit`."""
        pieces = tuple((p - s) / k for p, s, k in zip(self.pieces, shift, unit, strict=True))
        last = None if self.last is None else (self.last - shift) / unit
        return replace(self, pieces=pieces, rate=self.rate / unit, last=last)


def nearest(pieces: np.ndarray, values: Any) -> Any:
    """The nearest point of a union of intervals, of every value."""
    low, high = like(pieces[:, 0], values), like(pieces[:, 1], values)
    if len(pieces) == 1:
        return values.clip(low[0], high[0])
    index = rank((high[:-1] + low[1:]) / 2, values)
    return _middle(low[index], values, high[index])


def _within_reach(pieces: np.ndarray, wish: Any, before: Any, rate: float, reach: float) -> Any:
    """The nearest admissible value at most `rate` from the one before, where there is one.

    A piece is there up to `reach`, which is `rate` and what rounding adds to it. Without any, the
    value nearest to the one before.
    """
    if not np.isfinite(rate):
        return nearest(pieces, wish)
    low, high = like(pieces[:, 0], wish), like(pieces[:, 1], wish)
    inside = _middle(before - float(rate), wish, before + float(rate))
    above = rank(high, inside).clip(0, len(pieces) - 1)
    below = (above - 1 * (low[above] > inside)).clip(0)
    over, under = (_middle(low[k], inside, high[k]) for k in (above, below))
    far, near = abs(over - before), abs(under - before)
    reached, kept = far <= float(reach), near <= float(reach)
    closer = abs(over - wish) < abs(under - wish)
    up = (reached & (closer | ~kept)) | (~reached & ~kept & (far < near))
    return up * over + ~up * under


def _middle(low: Any, value: Any, high: Any) -> Any:
    if isinstance(value, np.ndarray | np.floating):
        return np.clip(value, low, high)
    return value.maximum(low).minimum(high)
