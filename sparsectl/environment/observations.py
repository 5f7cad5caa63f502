"""Observations as vectors of real numbers."""

from __future__ import annotations

from functools import partial
from typing import Any

import gymnasium
from gymnasium import spaces
from gymnasium.wrappers import FlattenObservation, TransformObservation

from sparsectl.errors import ConfigError


def flat(env: gymnasium.Env, env_id: str) -> gymnasium.Env:
    """An environment whose observation is a flat Box: of a Dict the entries that are Boxes.

    Raises:
        ConfigError: there is no Box, or a Tuple with another part.
    """
    space = env.observation_space
    if isinstance(space, spaces.Box) and len(space.shape) == 1:
        return env
    kept = boxes(space)
    if kept is None:
        raise ConfigError(
            f"environment '{env_id}': {_not_box(space, 'observation')}; the state must be real "
            "numbers: expected a Box, or a Dict or Tuple of Boxes"
        )
    if kept != space:
        env = TransformObservation(env, partial(_picked, space=kept), kept)
    return FlattenObservation(env)


def boxes(space: spaces.Space) -> spaces.Space | None:
    """A space without the entries of Dicts that are no Boxes; None: nothing is left, or a Tuple
    has another part."""
    if isinstance(space, spaces.Dict):
        parts = [(k, kept) for k, s in space.items() if (kept := boxes(s)) is not None]
        return spaces.Dict(parts) if parts else None
    return space if _not_box(space, "") is None else None


def _picked(observation: Any, space: spaces.Space) -> Any:
    if not isinstance(space, spaces.Dict):
        return observation
    return {k: _picked(observation[k], s) for k, s in space.items()}


def sizes(space: spaces.Space, name: str = "") -> list[tuple[str, int]]:
    """Name and flat size of every Box, in the order of the space."""
    if isinstance(space, spaces.Dict | spaces.Tuple):
        inner = space.items() if isinstance(space, spaces.Dict) else enumerate(space)
        return [found for k, s in inner for found in sizes(s, f"{name}.{k}" if name else str(k))]
    return [(name, spaces.flatdim(space))]


def _not_box(space: spaces.Space, where: str) -> str | None:
    """What part of a space is neither a Box nor a Dict or Tuple of Boxes, or None."""
    if isinstance(space, spaces.Box):
        return None
    if isinstance(space, spaces.Dict):
        parts = [(f"{where}['{k}']", s) for k, s in space.spaces.items()]
    elif isinstance(space, spaces.Tuple):
        parts = [(f"{where}[{i}]", s) for i, s in enumerate(space.spaces)]
    else:
        return f"{where} has space {space}"
    return next((found for w, s in parts if (found := _not_box(s, w)) is not None), None)


def alike(a: spaces.Space, b: spaces.Space) -> bool:
    """Whether two spaces have the same parts of the same shapes."""
    if isinstance(a, spaces.Dict) and isinstance(b, spaces.Dict):
        return a.keys() == b.keys() and all(alike(a[k], b[k]) for k in a)
    if isinstance(a, spaces.Tuple) and isinstance(b, spaces.Tuple):
        return len(a) == len(b) and all(map(alike, a, b))
    return type(a) is type(b) and a.shape == b.shape
