"""Which actions there are to plan in: levels, integers, semicontinuous entries, rates, blocks.

The values that an entry may take are a union of closed intervals, the *pieces*: a level is a piece
of width zero, a semicontinuous entry has three of them, a plain box one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sparsectl.errors import ConfigError
from sparsectl.task.arrays import like, stack

MOST_INTEGERS = 10_000
"""Whole numbers that an entry may range over."""
SINGLE, DOUBLE = 1e-6, 1e-12
"""What rounding leaves of two actions that are the same, relative to their size; in single
precision a level that little outside the action box is on its border."""

PerEntry = bool | list[bool]
Limit = float | list[float | None]


@dataclass(frozen=True)
class ActionConfig:
    """Actions to plan in, inside the environment's own action box."""

    low: float | list[float] | None = None
    """Lower limit, one for all or one for each entry; None: the environment's."""
    high: float | list[float] | None = None
    """Upper limit."""
    levels: list[float] | list[list[float] | None] | None = None
    """The only values that entries take: one set for all, or one for each entry (None: any)."""
    integer: PerEntry = False
    """Whole numbers only, for all entries or for each."""
    semicontinuous: Limit | None = None
    """Entries are 0 or at least so far from it; one number for all or one for each (None: any)."""
    rate: Limit | None = None
    """Largest change from one step to the next, one for all or one for each (None: any). The first
    step of a plan counts from the action applied last; there is none at the start of an episode."""
    blocks: int | list[int] | None = None
    """Move blocking: every decision is held for so many steps. A list adds up to the horizon."""


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
        """What rounding may add to a change that is as large as its rate. Shape (nu,).

        Args:
            itemsize: bytes of a number.
        """
        size = np.array([abs(p).max() for p in self.pieces])
        return SINGLE * (self.rate + size) if itemsize < 8 else 1e-9 * self.rate + DOUBLE * size

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
            return stack([_nearest(p, actions[..., i]) for i, p in enumerate(self.pieces)], -1)
        entries, reach = [], self.rate + self.slack(actions.itemsize)
        for i, pieces in enumerate(self.pieces):
            steps: list[Any] = []
            for t, first in enumerate(firsts):
                wish = actions[..., t, i]
                if first < t:
                    steps.append(steps[-1])
                elif t == 0 and self.last is None:
                    steps.append(_nearest(pieces, wish))
                else:
                    before = steps[-1] if t else 0 * wish + float(self.last[i])  # type: ignore[index]
                    steps.append(_within_reach(pieces, wish, before, self.rate[i], reach[i]))
            entries.append(stack(steps, -1))
        return stack(entries, -1)

    def excess(self, actions: np.ndarray) -> np.ndarray:
        """Largest violation of a rule, in units of actions. Shapes (..., H, nu) -> (...)."""
        held = actions[..., self.firsts(actions.shape[-2]), :]
        near = [_nearest(p, actions[..., i]) for i, p in enumerate(self.pieces)]
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


def _nearest(pieces: np.ndarray, values: Any) -> Any:
    """The nearest point of a union of intervals, of every value."""
    low, high = like(pieces[:, 0], values), like(pieces[:, 1], values)
    if len(pieces) == 1:
        return values.clip(low[0], high[0])
    middles = (high[:-1] + low[1:]) / 2
    if isinstance(values, np.ndarray | np.floating):
        index = np.searchsorted(middles, values)
        return np.clip(values, low[index], high[index])
    index = (values.detach().unsqueeze(-1) > middles).sum(-1)
    return values.maximum(low[index]).minimum(high[index])


def _within_reach(pieces: np.ndarray, wish: Any, before: Any, rate: float, reach: float) -> Any:
    """The nearest admissible value at most `rate` from the one before, where there is one.

    A piece is there up to `reach`, which is `rate` and what rounding adds to it.
    """
    if not np.isfinite(rate):
        return _nearest(pieces, wish)
    best, distance = _nearest(pieces, wish), None
    for low, high in pieces:
        # Every piece cut with the reach; one that is out of reach is far away.
        near = _middle(before - float(rate), wish, before + float(rate))
        near = near.clip(float(low), float(high))
        away = abs(near - wish) + 1e30 * (abs(near - before) > float(reach))
        if distance is None:
            best, distance = near, away
            continue
        closer = away < distance
        best = closer * near + ~closer * best
        distance = closer * away + ~closer * distance
    return best


def _middle(low: Any, value: Any, high: Any) -> Any:
    if isinstance(value, np.ndarray | np.floating):
        return np.clip(value, low, high)
    return value.maximum(low).minimum(high)


def bind(
    config: ActionConfig,
    low: np.ndarray,
    high: np.ndarray,
    levels: Sequence[np.ndarray | range | None] | None = None,
) -> Inputs | None:
    """Resolve an `ActionConfig`; None where actions are just a box.

    Args:
        config: levels, rates, blocks.
        low, high: action box. Shape (nu,).
        levels: values of entries that the environment itself takes only, a range for all whole
            numbers in the box, or None for any.

    Raises:
        ConfigError: a level outside the box, no level at all, lists of another length.
    """
    nu = len(low)
    own = _levels(config, nu)
    steps = _limits(config.semicontinuous, nu, "semicontinuous")
    whole = _per_entry(config.integer, nu, "integer")
    pieces = []
    for i in range(nu):
        where = f"task.action.{{}} of entry {i}"
        entry = np.array([[low[i], high[i]]], dtype=np.float64)
        given = None if levels is None else levels[i]
        if isinstance(given, range):
            entry = _whole(entry, f"actions are whole numbers in entry {i}")
        elif given is not None:
            entry = _inside(np.asarray(given), entry[0], "the environment's levels")
        if own[i] is not None:
            entry = _chosen(own[i], entry, where.format("levels"))
        if whole[i]:
            entry = _whole(entry, where.format("integer"))
        if np.isfinite(steps[i]):
            entry = _apart(entry, steps[i], where.format("semicontinuous"))
        pieces.append(entry)
    rate = _limits(config.rate, nu, "rate")
    blocks = config.blocks
    if isinstance(blocks, int):
        blocks = [blocks]
    if blocks is not None and (not blocks or min(blocks) < 1):
        raise ConfigError(
            f"task.action.blocks is {config.blocks}, expected numbers of steps, each at least 1"
        )
    plain = all(len(p) == 1 and p[0, 0] < p[0, 1] for p in pieces)
    if plain and not np.isfinite(rate).any() and blocks is None:
        return None
    return Inputs(tuple(pieces), rate)


def lengths(config: ActionConfig, horizon: int) -> tuple[int, ...] | None:
    """Length of every block over a horizon.

    Raises:
        ConfigError: a list that does not add up to the horizon.
    """
    blocks = config.blocks
    if blocks is None:
        return None
    if isinstance(blocks, int):
        whole, rest = divmod(horizon, blocks)
        return (blocks,) * whole + ((rest,) if rest else ())
    if sum(blocks) != horizon:
        raise ConfigError(
            f"task.action.blocks adds up to {sum(blocks)} steps, the horizon is {horizon}"
        )
    return tuple(blocks)


def _levels(config: ActionConfig, nu: int) -> list[Any]:
    levels: Any = config.levels
    if levels is None:
        return [None] * nu
    if not levels:
        raise ConfigError("task.action.levels is empty: no action is left; give at least one value")
    if not any(isinstance(v, list | tuple) or v is None for v in levels):
        return [levels] * nu
    if len(levels) != nu:
        raise ConfigError(
            f"task.action.levels has sets for {len(levels)} entries, actions have {nu}"
        )
    return list(levels)


def _chosen(levels: list[float], allowed: np.ndarray, where: str) -> np.ndarray:
    values = np.unique(np.asarray(levels, dtype=np.float64))
    if not len(values):
        raise ConfigError(f"{where} is an empty set: no action is left; give at least one value")
    if not np.isfinite(values).all():
        raise ConfigError(f"{where} is {levels}: levels are finite numbers")
    size = abs(allowed).max()
    for value in values:
        near = float(_nearest(allowed, np.array(value)))
        if abs(near - value) > SINGLE * size:
            known = f"{allowed[0, 0]:g} to {allowed[-1, 1]:g}"
            if len(allowed) > 1:
                known = "the environment's own levels " + ", ".join(f"{p[0]:g}" for p in allowed)
            raise ConfigError(f"{where}: level {value:g} is outside {known}")
    values = np.unique(_nearest(allowed, values))
    return np.stack([values, values], axis=1)


def _inside(values: np.ndarray, box: np.ndarray, where: str) -> np.ndarray:
    kept = np.unique(values[(values >= box[0]) & (values <= box[1])].astype(np.float64))
    if not len(kept):
        raise ConfigError(
            f"task.action: none of {where} {values.tolist()} is between {box[0]:g} and {box[1]:g}"
        )
    return np.stack([kept, kept], axis=1)


def _whole(allowed: np.ndarray, where: str) -> np.ndarray:
    low, high = np.ceil(allowed[:, 0]), np.floor(allowed[:, 1])
    count = float(np.maximum(high - low + 1, 0).sum())
    if count > MOST_INTEGERS:
        raise ConfigError(
            f"{where}: {count:g} whole numbers, at most {MOST_INTEGERS}; narrow task.action.low "
            "and task.action.high, or leave the entry continuous"
        )
    values = np.unique([v for a, b in zip(low, high, strict=True) for v in np.arange(a, b + 1)])
    if not len(values):
        raise ConfigError(
            f"{where}: there is no whole number between {allowed[0, 0]:g} and {allowed[-1, 1]:g}"
        )
    return np.stack([values, values], axis=1)


def _apart(allowed: np.ndarray, least: float, where: str) -> np.ndarray:
    parts = []
    for low, high in allowed:
        if low <= -least:
            parts.append([low, min(high, -least)])
        if low <= 0 <= high:
            parts.append([0.0, 0.0])
        if high >= least:
            parts.append([max(low, least), high])
    if not parts:
        raise ConfigError(
            f"{where} is {least:g}: neither 0 nor anything so far from it is between "
            f"{allowed[0, 0]:g} and {allowed[-1, 1]:g}"
        )
    return np.unique(np.array(parts), axis=0)


def _limits(value: Limit | None, nu: int, name: str) -> np.ndarray:
    """One number per entry, infinite where there is none. Shape (nu,)."""
    entries = value if isinstance(value, list | tuple) else [value] * nu
    if len(entries) != nu:
        raise ConfigError(f"task.action.{name} has {len(entries)} entries, actions have {nu}")
    limits = np.array([np.inf if v is None else v for v in entries], dtype=np.float64)
    if not (limits > 0).all():  # NaN too
        raise ConfigError(f"task.action.{name} is {value}, expected numbers above 0")
    return limits


def _per_entry(value: PerEntry, nu: int, name: str) -> list[bool]:
    entries = value if isinstance(value, list | tuple) else [value] * nu
    if len(entries) != nu:
        raise ConfigError(f"task.action.{name} has {len(entries)} entries, actions have {nu}")
    return list(entries)
