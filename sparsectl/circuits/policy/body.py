"""What a motor circuit must know of a body: its joints, where their angles are, how far they bend.

Joints are numbered from 0 at the head.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np

from sparsectl.config import from_dict
from sparsectl.errors import ConfigError

MOST_JOINTS = 256
_SLICE = re.compile(r"(\d+):(\d+)")


@dataclass(frozen=True)
class BodyConfig:
    """What to say of an environment that does not describe its body itself."""

    angles: str | None = None
    """Where in the observation the joint angles are, head first, e.g. `0:5`."""
    limit: float | None = None
    """Angle [rad] at which a joint's proprioceptors saturate; usually the joint's limit."""
    target: str | None = None
    """Where in the observation the head-local vector to a target [m] is (2 numbers), if any."""


@dataclass(frozen=True)
class Body:
    """Joints of a body and their places in the observation.

    Attributes:
        joints: number of joints, and of actions.
        angles: of the observation: joint angles [rad], head first.
        limit: angle at which a joint is fully bent [rad].
        target: of the observation: vector to the target in the head's frame [m], or None.
        size: entries of the observation; 0: as far as the slices above reach.

    Raises:
        ConfigError: parts that do not fit together.
    """

    joints: int
    angles: slice
    limit: float
    target: slice | None = None
    size: int = 0

    def __post_init__(self) -> None:
        if isinstance(self.joints, bool) or not isinstance(self.joints, int) or self.joints < 1:
            raise ConfigError(f"body: {self.joints!r} joints, expected a whole number from 1 up")
        if self.joints > MOST_JOINTS:
            raise ConfigError(f"body: {self.joints} joints, expected at most {MOST_JOINTS}")
        if not (math.isfinite(self.limit) and self.limit > 0):
            raise ConfigError(
                f"body: the joint limit is {self.limit}, expected an angle above 0 [rad]: "
                "joint angles are divided by it"
            )
        if not self.size:
            ends = [p.stop for p in (self.angles, self.target) if p is not None]
            object.__setattr__(self, "size", max(ends))
        self._check("angles", self.angles, self.joints)
        if self.target is not None:
            self._check("target", self.target, 2)

    def _check(self, name: str, part: slice, count: int) -> None:
        start, stop = part.start or 0, part.stop
        if part.step not in (None, 1) or not 0 <= start < stop <= self.size:
            raise ConfigError(
                f"body: {name} '{show(part)}' is not a range within an observation of {self.size}"
            )
        if stop - start != count:
            raise ConfigError(
                f"body: {name} '{show(part)}' has {stop - start} entries, expected {count}"
                + (f" for {count} joints" if name == "angles" else "")
            )


def body_of(env: gymnasium.Env, overrides: BodyConfig | Mapping[str, Any] | None = None) -> Body:
    """Body of an environment.

    Each part is taken from the overrides, else from `env.unwrapped` (`angles`, `joint_limit`,
    `target`), else from what is known of the environment's id (Gymnasium's Swimmer).

    Args:
        env: with a flat Box observation and actions in [-1, 1], one per joint.

    Raises:
        ConfigError: spaces a circuit cannot drive, or a part that nothing tells.
    """
    config = (
        overrides
        if isinstance(overrides, BodyConfig)
        else from_dict(BodyConfig, overrides or {}, "body")
    )
    name = env.spec.id if env.spec is not None else type(env.unwrapped).__name__
    size, joints = _sizes(env, name)
    offered: dict[str, Any] = {
        "angles": getattr(env.unwrapped, "angles", None),
        "limit": getattr(env.unwrapped, "joint_limit", None),
        "target": getattr(env.unwrapped, "target", None),
    }
    for part, value in _known(name, size).items():
        offered[part] = value if offered[part] is None else offered[part]
    angles = entries("angles", config.angles) or offered["angles"]
    target = entries("target", config.target) or offered["target"]
    limit = config.limit if config.limit is not None else offered["limit"]
    missing = [n for n, v in (("angles", angles), ("limit", limit)) if v is None]
    if missing:
        raise ConfigError(
            f"environment '{name}' does not tell its joints' {' and '.join(missing)}: give "
            "'angles' (e.g. 0:5, their place in the observation) and 'limit' [rad] of the body"
        )
    return Body(joints, angles, float(limit), target if isinstance(target, slice) else None, size)


def show(part: slice | None) -> str | None:
    """`start:stop` of a slice."""
    return None if part is None else f"{part.start or 0}:{part.stop}"


def parse(text: str) -> slice | None:
    """Slice of a text `start:stop`; None of another text."""
    found = _SLICE.fullmatch(text.replace(" ", ""))
    return slice(int(found[1]), int(found[2])) if found else None


def entries(name: str, text: str | None) -> slice | None:
    """Slice of an option of `BodyConfig`.

    Raises:
        ConfigError: it is no range.
    """
    part = None if text is None else parse(text)
    if text is not None and part is None:
        raise ConfigError(f"body: {name} is '{text}', expected a range such as '0:5'")
    return part


def _sizes(env: gymnasium.Env, name: str) -> tuple[int, int]:
    observations, actions = env.observation_space, env.action_space
    if not isinstance(observations, gymnasium.spaces.Box) or len(observations.shape) != 1:
        raise ConfigError(
            f"environment '{name}' has observation space {observations}, expected a flat Box: "
            "make it by sparsectl.environment.make"
        )
    if not isinstance(actions, gymnasium.spaces.Box) or len(actions.shape) != 1:
        raise ConfigError(f"environment '{name}' has action space {actions}, expected a flat Box")
    if not (np.all(actions.low == -1) and np.all(actions.high == 1)):
        raise ConfigError(
            f"environment '{name}' has actions in [{actions.low.min()}, {actions.high.max()}], "
            "expected [-1, 1]: wrap it in gymnasium.wrappers.RescaleAction"
        )
    return observations.shape[0], actions.shape[0]


def _known(name: str, size: int) -> dict[str, Any]:
    """Gymnasium's Swimmer: [x, y if not excluded, heading, two joint angles, velocities]."""
    if name.rpartition("-v")[0] != "Swimmer" or size not in (8, 10):
        return {}
    start = size - 7
    return {"angles": slice(start, start + 2), "limit": math.radians(100)}
