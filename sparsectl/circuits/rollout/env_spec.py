"""Which environment a policy is trained in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import gymnasium

from sparsectl import environment
from sparsectl.errors import ConfigError


@dataclass(frozen=True)
class EnvSpec:
    """A Gymnasium environment with actions in [-1, 1]."""

    id: str = "sparsectl/Swim-v0"
    """Registered id, or `package:Name-v0` to import `package` first."""
    kwargs: dict[str, Any] = field(default_factory=dict)
    """Arguments of the environment's constructor."""


def open_env(spec: EnvSpec, steps: int | None = None) -> gymnasium.Env:
    """The environment.

    Args:
        spec: which one; anything with `id` and `kwargs`.
        steps: episode length; None: the environment's own.

    Raises:
        ConfigError: unknown id, wrong arguments, or actions other than a box [-1, 1].
        MissingExtra: it needs a package that is not installed.
    """
    limit = {} if steps is None else {"max_episode_steps": steps}
    env = environment.make(spec.id, {**spec.kwargs, **limit, "disable_env_checker": True})
    box = env.action_space
    assert isinstance(box, gymnasium.spaces.Box)
    if environment.levels(env) is not None:
        env.close()
        raise ConfigError(
            f"environment '{spec.id}' has actions {env.inner_action}, whole numbers: policies are "
            "of real ones, expected a Box [-1, 1]"
        )
    if not ((box.low == -1).all() and (box.high == 1).all()):
        env.close()
        raise ConfigError(
            f"environment '{spec.id}' has actions in [{box.low.min():g}, {box.high.max():g}], "
            "expected [-1, 1]: wrap it in gymnasium.wrappers.RescaleAction"
        )
    return env


def episode_steps(spec: EnvSpec, steps: int | None = None) -> int:
    """Length of an episode: `steps`, or the environment's own limit.

    Raises:
        ConfigError: neither is there, `steps` is below 1, or as `open_env`.
    """
    if steps is not None and steps < 1:
        raise ConfigError(f"episode_steps is {steps}, expected at least 1")
    env = open_env(spec)
    limit = None if env.spec is None else env.spec.max_episode_steps
    env.close()
    if steps is None and limit is None:
        raise ConfigError(f"environment '{spec.id}' has no step limit: give episode_steps")
    return int(steps or limit or 0)
