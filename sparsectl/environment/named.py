"""What an environment's name stands for: a registered id, or a class of a module."""

from __future__ import annotations

import importlib
from collections.abc import Iterable

import gymnasium
from gymnasium.envs.registration import EnvSpec

from sparsectl.errors import ConfigError, nearest
from sparsectl.files import same_folder


def named(env_id: str) -> str | EnvSpec:
    """What `gymnasium.make` makes of a name.

    Args:
        env_id: registered id; `module:Name-v0`, which is registered when `module` is imported; or
            `module:Class`, a class (or function) of `module` that makes the environment.

    Raises:
        ConfigError: there is no such environment.
    """
    module, colon, name = env_id.rpartition(":")
    if not colon:
        try:
            gymnasium.spec(env_id)
        except gymnasium.error.Error:
            raise ConfigError(
                f"unknown environment '{env_id}'{_nearest_id(env_id)}; one of your own is found "
                "as 'package:Name-v0' or 'package:Class', or after its package is imported"
            ) from None
        return env_id
    try:
        with same_folder():
            members = vars(importlib.import_module(module))
    except Exception:  # gymnasium.make says why
        return env_id
    if name in gymnasium.registry:
        return env_id
    if callable(members.get(name)):
        return EnvSpec(id=env_id, entry_point=env_id)
    try:
        gymnasium.spec(name)
    except gymnasium.error.Error:
        classes = [
            n for n, m in members.items() if isinstance(m, type) and issubclass(m, gymnasium.Env)
        ]
        raise ConfigError(
            f"environment '{env_id}': '{module}' has no class '{name}' and registers no such id"
            + _nearest_id(name, classes)
        ) from None
    return env_id


def _nearest_id(name: str, classes: Iterable[str] = ()) -> str:
    text = nearest(name, [*gymnasium.registry, *classes])
    if text.startswith(" (did you mean"):
        return text
    ours = sorted(i for i in gymnasium.registry if i.startswith("sparsectl/"))
    return f" (bundled: {', '.join(ours)})"


def same_id(a: str, b: str) -> bool:
    """Whether two ids name one environment: `module:Name-v0` is registered as `Name-v0`."""
    return a.rpartition(":")[2] == b.rpartition(":")[2]
