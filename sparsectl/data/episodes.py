"""Recorded episodes, as arrays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from sparsectl import seeding
from sparsectl.errors import ConfigError, DataError

COLUMNS = ("observations", "actions", "rewards", "terminations", "truncations")
"""What is recorded of every episode, see `Episodes`."""


@dataclass(frozen=True)
class Episodes:
    """Episodes of one environment, of any lengths.

    Attributes:
        observations: one array of shape (T + 1, no) per episode.
        actions: one array of shape (T, nu) per episode, the environment's action units.
        rewards: one array of shape (T,) per episode.
        terminations: one bool array of shape (T,) per episode: the task ended here.
        truncations: one bool array of shape (T,) per episode: recording was cut here.
        seeds: reset seed of every episode. Shape (E,); -1 where unknown.
        dataset_id: Minari id this was read from, or "".
        used: entries of the observation that are finite; others, which nothing must read, may be
            infinite or NaN. None: all are finite.
    """

    observations: Sequence[np.ndarray]
    actions: Sequence[np.ndarray]
    rewards: Sequence[np.ndarray]
    terminations: Sequence[np.ndarray]
    truncations: Sequence[np.ndarray]
    seeds: np.ndarray
    env_id: str = ""
    env_kwargs: Mapping[str, Any] = field(default_factory=dict)
    dataset_id: str = ""
    used: Sequence[int] | None = None

    def __post_init__(self) -> None:
        _validate(self)

    @classmethod
    def of(
        cls,
        rows: Sequence[Mapping[str, Any]],
        env_id: str,
        env_kwargs: Mapping[str, Any],
        used: Sequence[int] | None,
    ) -> Episodes:
        """From one mapping an episode, of its arrays by name and its `seed`."""
        parts: dict[str, Any] = {name: [row[name] for row in rows] for name in COLUMNS}
        seeds = np.array([row["seed"] for row in rows], np.int64)
        return cls(**parts, seeds=seeds, env_id=env_id, env_kwargs=dict(env_kwargs), used=used)

    def __len__(self) -> int:
        return len(self.observations)

    @property
    def transitions(self) -> int:
        """Number of transitions in all episodes."""
        return sum(len(a) for a in self.actions)

    @property
    def observation_size(self) -> int:
        """no."""
        return self.observations[0].shape[1]

    @property
    def action_size(self) -> int:
        """nu."""
        return self.actions[0].shape[1]

    def select(self, indices: Iterable[int]) -> Episodes:
        """Some of the episodes, in the order given, or those of a mask."""
        given = np.asarray(list(indices))
        chosen = np.arange(len(self))[given if given.size else []].tolist()
        parts: dict[str, Any] = {name: [getattr(self, name)[i] for i in chosen] for name in COLUMNS}
        return replace(self, **parts, seeds=np.asarray(self.seeds)[chosen])


def check_finite(
    row: np.ndarray,
    where: str,
    name: str,
    step: int,
    used: Sequence[int] | None = None,
) -> None:
    """Refuse an observation or action that is not finite at the entries `used` (None: at any).

    Raises:
        DataError: naming step and entry.
    """
    entries = range(len(row)) if used is None else used
    bad = [i for i in entries if not np.isfinite(row[i])]
    if not bad:
        return
    reason = "the policy is broken"
    if name == "observation":
        reason = (
            "the simulation diverged, or the data is damaged; if an entry may be infinite, name "
            "the others under task.observation.state"
        )
    raise DataError(
        f"{where}: {name} {step} is not finite at entry {bad[0]} ({row[bad[0]]}): {reason}"
    )


def joined(parts: Sequence[Episodes]) -> Episodes:
    """All episodes of several recordings of one environment; ids of datasets joined by " + ".

    Raises:
        DataError: none given, or observations or actions of different sizes.
    """
    if not parts:
        raise DataError("no recordings to join: give at least one")
    sizes = {(e.observation_size, e.action_size) for e in parts}
    if len(sizes) > 1:
        raise DataError(f"recordings of different (observation, action) sizes: {sorted(sizes)}")
    columns: dict[str, Any] = {
        name: [array for e in parts for array in getattr(e, name)] for name in COLUMNS
    }
    seeds = np.concatenate([np.asarray(e.seeds) for e in parts])
    name = " + ".join(e.dataset_id for e in parts if e.dataset_id)
    return replace(parts[0], **columns, seeds=seeds, dataset_id=name)


def split(episodes: Episodes, fraction: float, seed: int) -> tuple[Episodes, Episodes]:
    """Split by whole episodes: (the rest, a random `fraction` of at least one episode).

    Raises:
        ConfigError: fraction outside (0, 1).
        DataError: fewer than two episodes.
    """
    rest, held = split_indices(len(episodes), fraction, seed)
    return episodes.select(rest), episodes.select(held)


def split_indices(count: int, fraction: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the episodes of `split`, ascending, of `count` episodes.

    Raises:
        ConfigError, DataError: see `split`.
    """
    if not 0 < fraction < 1:
        raise ConfigError(f"split fraction is {fraction}, expected between 0 and 1")
    if count < 2:
        raise DataError(
            f"cannot split {count} episode(s) into training and held-out ones: collect at least 2"
        )
    order = seeding.generator(seed, "split").permutation(count)
    held = min(max(1, round(fraction * count)), count - 1)
    return np.sort(order[held:]), np.sort(order[:held])


def _validate(e: Episodes) -> None:
    if not len(e.observations):
        raise DataError("the dataset holds no episode: collect at least one")
    counts = {len(v) for v in (e.actions, e.rewards, e.terminations, e.truncations, e.seeds)}
    if counts != {len(e.observations)}:
        raise DataError(f"{len(e.observations)} observation arrays, but {sorted(counts)} others")
    no, nu = e.observations[0].shape[1:], e.actions[0].shape[1:]
    if e.used is not None and max(e.used, default=-1) >= no[0]:
        raise DataError(f"entry {max(e.used)} is wanted of observations of {no[0]} entries")
    for i, (o, a) in enumerate(zip(e.observations, e.actions, strict=True)):
        if o.ndim != 2 or a.ndim != 2 or len(o) != len(a) + 1 or o.shape[1:] != no:
            raise DataError(
                f"episode {i}: observations of shape {o.shape} and actions of shape {a.shape}, "
                f"expected (T + 1, {no[0] if no else '?'}) and (T, {nu[0] if nu else '?'})"
            )
        if len(a) == 0 or a.shape[1:] != nu:
            raise DataError(f"episode {i}: actions of shape {a.shape}, expected at least one step")
        for name, rows, used in (("observation", o, e.used), ("action", a, None)):
            if not np.isfinite(rows if used is None else rows[:, list(used)]).all():
                for step, row in enumerate(rows):
                    check_finite(row, f"episode {i}", name, step, used)
        flags = (e.rewards[i], e.terminations[i], e.truncations[i])
        if any(len(f) != len(a) for f in flags):
            raise DataError(f"episode {i}: {len(a)} actions, but {[len(f) for f in flags]} flags")
