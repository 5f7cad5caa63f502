"""Which actions there are to plan in: levels, integers, semicontinuous entries, rates, blocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sparsectl import environment
from sparsectl.errors import ConfigError, ShapeError
from sparsectl.task.inputs import SINGLE, Inputs, nearest

MOST_INTEGERS = 10_000
"""Whole numbers that an entry may range over."""

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


def box(
    config: ActionConfig, u_low: np.ndarray, u_high: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The environment's action box cut with the configured one. Two arrays of shape (nu,)."""
    if u_low.ndim != 1 or u_low.shape != u_high.shape:
        raise ShapeError(f"action box of shapes {u_low.shape} and {u_high.shape}")
    low, high = u_low.astype(np.float64), u_high.astype(np.float64)
    for name, values in (("low", config.low), ("high", config.high)):
        if values is None:
            continue
        limit = np.asarray(values, dtype=np.float64)
        if limit.ndim and limit.shape != low.shape:
            raise ConfigError(
                f"task.action.{name} has {len(limit)} entries, actions have {len(low)}"
            )
        if name == "low":
            low = np.maximum(low, limit)
        else:
            high = np.minimum(high, limit)
    if (low > high).any():
        raise ConfigError(
            f"task.action: no action is left between {low.tolist()} and {high.tolist()}; the "
            f"environment's own box is {u_low.tolist()} to {u_high.tolist()}"
        )
    if not environment.is_bounded(low, high).all():
        raise ConfigError(
            "the action space is unbounded: planning needs a finite box, give task.action.low and "
            "task.action.high"
        )
    return low, high


def bind(
    config: ActionConfig,
    low: np.ndarray,
    high: np.ndarray,
    levels: Sequence[np.ndarray | range | None] | None = None,
) -> Inputs | None:
    """Resolve an `ActionConfig`; None where actions are just a box.

    Args:
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
    if isinstance(levels, np.ndarray):
        levels = levels.tolist()
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
        near = float(nearest(allowed, np.array(value)))
        if abs(near - value) > SINGLE * size:
            known = f"{allowed[0, 0]:g} to {allowed[-1, 1]:g}"
            if len(allowed) > 1:
                known = "the environment's own levels " + ", ".join(f"{p[0]:g}" for p in allowed)
            raise ConfigError(f"{where}: level {value:g} is outside {known}")
    values = np.unique(nearest(allowed, values))
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
    if abs(allowed).max() < least and (allowed != 0).any():
        raise ConfigError(
            f"{where} is {least:g}: nothing so far from 0 is between {allowed[0, 0]:g} and "
            f"{allowed[-1, 1]:g}"
        )
    return np.unique(np.array(parts), axis=0)


def _limits(value: Limit | None, nu: int, name: str) -> np.ndarray:
    """One number per entry, infinite where there is none. Shape (nu,)."""
    entries = _per_entry(value, nu, name)
    limits = np.array([np.inf if v is None else v for v in entries], dtype=np.float64)
    if not (limits > 0).all():  # NaN too
        raise ConfigError(f"task.action.{name} is {value}, expected numbers above 0")
    return limits


def _per_entry(value: Any, nu: int, name: str) -> list[Any]:
    entries = value if isinstance(value, list | tuple) else [value] * nu
    if len(entries) != nu:
        raise ConfigError(f"task.action.{name} has {len(entries)} entries, actions have {nu}")
    return list(entries)
