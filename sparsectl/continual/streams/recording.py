"""Recordings of one body of a dynamics stream: made once, kept with the run, used again."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sparsectl import environment
from sparsectl.config import to_dict
from sparsectl.data import CollectConfig, Episodes, RandomPolicy, load_minari, save_minari
from sparsectl.data.collect import episode_seed, record_episode, rows_of
from sparsectl.errors import DataError
from sparsectl.files import read_json, write_json


@dataclass(frozen=True)
class Recording:
    """What was recorded of one body.

    Attributes:
        episodes: all finite.
        dropped: episodes whose simulation diverged; they are not among `episodes`.
    """

    episodes: Episodes
    dropped: int


def recorded(
    stream: str,
    task: str,
    env_id: str,
    env_kwargs: Mapping[str, Any],
    config: CollectConfig,
    seed: int,
    folder: str | Path | None,
    used: Sequence[int] | None = None,
) -> Recording:
    """Episodes of one body: from the run's folder where it has them, else recorded now.

    They are kept as a Minari dataset `<stream>/<task>-v0` in `<folder>/data`, with their settings
    beside it in `<stream>.<task>.json`.

    Args:
        folder: of the run; None: nothing is kept.
        used: entries of the observation that must be finite; None: all.

    Raises:
        DataError: what the folder holds was recorded with other settings or is damaged, or most
            episodes diverged.
        ConfigError: see `sparsectl.environment.make`.
    """
    if folder is None:
        return record(env_id, env_kwargs, config, seed, used)
    root = Path(folder) / "data"
    name = f"{slug(stream)}/{slug(task)}-v0"
    note = root / f"{slug(stream)}.{slug(task)}.json"
    settings = {
        "env": env_id,
        "kwargs": to_dict(dict(env_kwargs)),
        "data": to_dict(config),
        "seed": seed,
    }
    if (root / name).is_dir():
        return _kept(root, name, note, settings, used)
    made = record(env_id, env_kwargs, config, seed, used)
    write_json(note, {"settings": settings, "dropped": made.dropped})
    try:
        save_minari(made.episodes, name, root, policy=config.policy)
    except DataError:
        if not (root / name).is_dir():
            raise
        return _kept(root, name, note, settings, used)  # another process was faster
    return made


def slug(name: str) -> str:
    """A name as part of a dataset's id: letters, digits and hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "task"


def _kept(
    root: Path, name: str, note: Path, settings: dict[str, Any], used: Sequence[int] | None
) -> Recording:
    advice = f"remove '{root / name}' and '{note}' to record again, or choose another run folder"
    if not note.is_file():
        raise DataError(f"'{root / name}' is of unknown settings, as '{note}' is missing: {advice}")
    before = read_json(note)
    kept = before.get("settings")
    if not isinstance(kept, dict):
        raise DataError(f"'{note}' holds no settings: {advice}")
    for key, value in settings.items():
        if kept.get(key) != value:
            raise DataError(
                f"'{root / name}' was recorded with {key} {kept.get(key)}, but {key} {value} is "
                f"asked for: {advice}"
            )
    return Recording(load_minari(name, root, used=used), int(before.get("dropped", 0)))


def record(
    env_id: str,
    env_kwargs: Mapping[str, Any],
    config: CollectConfig,
    seed: int,
    used: Sequence[int] | None = None,
) -> Recording:
    """Record episodes, by the environment's own collector or at random; diverged ones are dropped.

    Args:
        used: entries of the observation that must be finite; None: all.

    Raises:
        DataError: no collector for policy `contact`, or most episodes diverged.
    """
    with environment.make(env_id, env_kwargs) as env:
        size = math.prod(env.observation_space.shape or ())
        used = None if used is None else [i for i in used if i < size]
        own = getattr(env.unwrapped, "collect_episodes", None)
        if config.policy == "contact" and own is None:
            raise DataError(
                f"environment '{env_id}' has no collector of its own: use policy 'random'"
            )
        if own is not None and config.policy != "random":
            count = math.ceil(config.transitions / config.episode_steps)
            rows = _rows(own(episodes=count, steps=config.episode_steps, seed=seed), used)
        else:
            rows = _random(env, config, seed, used)
        dtype = env.action_space.dtype
    sound = [row for row in rows if row is not None]
    dropped = len(rows) - len(sound)
    if len(sound) <= dropped or len(sound) < 2:
        raise DataError(
            f"environment '{env_id}' with {dict(env_kwargs)}: {dropped} of {len(rows)} episodes "
            "diverged: choose gentler actions (data: scale) or other arguments"
        )
    sound = [{**row, "actions": row["actions"].astype(dtype)} for row in sound]
    return Recording(Episodes.of(sound, env_id, env_kwargs, used), dropped)


def _rows(
    arrays: Mapping[str, np.ndarray], used: Sequence[int] | None
) -> list[dict[str, Any] | None]:
    """Episodes of an environment's own collector, None for those that diverged."""
    rows: list[dict[str, Any] | None] = []
    found = rows_of(arrays)
    for row, broken in zip(found, arrays.get("diverged", [False] * len(found)), strict=True):
        seen = row["observations"] if used is None else row["observations"][:, list(used)]
        read = (seen, row["actions"], row["rewards"])
        rows.append(row if not broken and all(np.isfinite(p).all() for p in read) else None)
    return rows


def _random(
    env: Any, config: CollectConfig, seed: int, used: Sequence[int] | None
) -> list[dict[str, Any] | None]:
    policy = RandomPolicy.of(env, config.correlation, config.scale)
    rows: list[dict[str, Any] | None] = []
    total = 0
    for i in itertools.count():
        try:
            row = record_episode(env, policy, config.episode_steps, episode_seed(seed, i), used)
        except DataError:
            rows.append(None)
            if rows.count(None) > max(10, len(rows) / 2):
                return rows
            continue
        rows.append(row)
        total += len(row["actions"])
        if total >= config.transitions and i:
            return rows
    return rows
