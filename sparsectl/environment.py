"""Gymnasium environments by id, with flat Box observations and a one-dimensional action box."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.utils import RecordConstructorArgs
from gymnasium.wrappers import FlattenObservation

from sparsectl import rendering
from sparsectl.errors import ConfigError, MissingExtra, SparsectlError, nearest


def make(
    env_id: str, kwargs: Mapping[str, Any] | None = None, render_mode: str | None = None
) -> Checked:
    """Environment whose observation is a flat Box and whose action is a Box of shape (nu,).

    Dict and Tuple observations of Boxes, and Boxes of more than one axis, are flattened in the
    order of their space, whatever the order of an observation's keys. `module:Name-v0` imports
    `module` first, as `gymnasium.make` does. See `Checked` for what is made sure of at each step.

    Args:
        env_id: registered id.
        kwargs: arguments of the environment's constructor; `max_episode_steps` is Gymnasium's,
            and `reset_options` are the options of every reset.
        render_mode: e.g. `"rgb_array"`.

    Raises:
        ConfigError: unknown id, arguments the environment refuses, or spaces that cannot be
            planned in.
        MissingExtra: the environment needs a package that is not installed.
    """
    arguments = dict(kwargs or {})
    options = arguments.pop("reset_options", None)
    if options is not None and not isinstance(options, Mapping):
        raise ConfigError(f"environment '{env_id}': reset_options is {options!r}, expected names")
    if render_mode is not None:
        arguments["render_mode"] = render_mode
    _known(env_id)
    told = rendering.settle()
    if told:
        warnings.warn(told, stacklevel=2)
    try:
        env = gymnasium.make(env_id, **arguments)
    except gymnasium.error.DependencyNotInstalled as error:
        raise MissingExtra(f"environment '{env_id}' needs another package: {error}") from error
    except ImportError as error:
        cause = error.__cause__ or error
        raise MissingExtra(
            f"environment '{env_id}' cannot be imported: {cause}; its module must be installed, "
            "beside the YAML file or in the working directory"
        ) from error
    except gymnasium.error.Error as error:
        raise ConfigError(f"environment '{env_id}': {error}") from error
    except (TypeError, ValueError, KeyError) as error:
        raise ConfigError(
            f"environment '{env_id}' refuses the arguments {arguments}: {error}"
        ) from error
    except Exception as error:
        raise ConfigError(
            f"environment '{env_id}' cannot be made: {type(error).__name__}: {error}"
        ) from error
    try:
        flat = _flat_actions(_flat_observations(env, env_id), env_id)
        return Checked(flat, env.observation_space, env.action_space, options)
    except ConfigError:
        env.close()
        raise


def _known(env_id: str) -> None:
    """Look the id up before anything is built, so that the message can name the nearest one."""
    if ":" in env_id:  # registered only by the import that `gymnasium.make` does
        return
    try:
        gymnasium.spec(env_id)
    except gymnasium.error.Error:
        raise ConfigError(
            f"unknown environment '{env_id}'"
            + _nearest_id(env_id)
            + "; an environment of your own "
            "package is found as 'package:Name-v0' or after the package is imported"
        ) from None


def _nearest_id(name: str) -> str:
    ids = sorted(gymnasium.registry)
    text = nearest(name, ids)
    if text.startswith(" (did you mean"):
        return text
    ours = [i for i in ids if i.startswith("sparsectl/")]
    return f" (bundled: {', '.join(ours)})"


def _flat_observations(env: gymnasium.Env, env_id: str) -> gymnasium.Env:
    space = env.observation_space
    if isinstance(space, spaces.Box) and len(space.shape) == 1:
        return env
    other = _not_box(space, "observation")
    if other is not None:
        raise ConfigError(
            f"environment '{env_id}': {other}; the state must be real numbers: expected a Box, "
            "or a Dict or Tuple of Boxes"
        )
    return FlattenObservation(env)


def layout(env_id: str, kwargs: Mapping[str, Any] | None = None) -> str | None:
    """Where the parts of a Dict or Tuple observation lie once it is flat, e.g. `goal 0, arm 1:4`.

    None where the observation is a Box. Gymnasium sorts the names of a Dict made of a plain dict.
    """
    env = gymnasium.make(
        env_id, **{k: v for k, v in (kwargs or {}).items() if k != "reset_options"}
    )
    parts, start = [], 0
    for name, size in _sizes(env.observation_space):
        parts.append(f"{name} {start}" + (f":{start + size}" if size != 1 else ""))
        start += size
    env.close()
    return (
        ", ".join(parts) if isinstance(env.observation_space, spaces.Dict | spaces.Tuple) else None
    )


def _sizes(space: spaces.Space, name: str = "") -> list[tuple[str, int]]:
    """Name and flat size of every Box, in the order of the space."""
    if isinstance(space, spaces.Dict | spaces.Tuple):
        inner = space.items() if isinstance(space, spaces.Dict) else enumerate(space)
        return [found for k, s in inner for found in _sizes(s, f"{name}.{k}" if name else str(k))]
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


def _flat_actions(env: gymnasium.Env, env_id: str) -> gymnasium.Env:
    space = env.action_space
    if not isinstance(space, spaces.Box):
        raise ConfigError(
            f"environment '{env_id}' has action space {space}: planning needs continuous "
            "actions (a Box)"
        )
    if not np.issubdtype(space.dtype, np.floating):
        raise ConfigError(
            f"environment '{env_id}' has action space {space}, whose actions are integers: plans "
            "are of real numbers, of which it would get another one than was planned; give it a "
            "Box of a float dtype and round in the environment"
        )
    return env if len(space.shape) == 1 else FlattenAction(env)


class FlattenAction(gymnasium.ActionWrapper, RecordConstructorArgs):
    """Actions of any shape as a vector."""

    def __init__(self, env: gymnasium.Env) -> None:
        RecordConstructorArgs.__init__(self)
        gymnasium.ActionWrapper.__init__(self, env)
        inner = env.action_space
        assert isinstance(inner, spaces.Box)
        self._shape = inner.shape
        self.action_space = spaces.Box(
            inner.low.reshape(-1), inner.high.reshape(-1), dtype=inner.dtype.type
        )

    def action(self, action: np.ndarray) -> np.ndarray:
        """Action of the wrapped environment. Shape (nu,) -> its own shape."""
        return np.asarray(action).reshape(self._shape)


class Checked(gymnasium.Wrapper):
    """What everything here relies on, made sure of at each step.

    Observations are copies (environments may write into one buffer) of the shape of their space.
    Rewards are floats, ends are bools. A reset passes the options of the configuration on, and
    says what went wrong in it.

    Attributes:
        inner_observation, inner_action: spaces before flattening.
    """

    def __init__(
        self,
        env: gymnasium.Env,
        inner_observation: spaces.Space,
        inner_action: spaces.Space,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(env)
        self.inner_observation, self.inner_action = inner_observation, inner_action
        self._options = options

    @property
    def spec(self) -> Any:  # type: ignore[override]
        """Of the environment inside: this wrapper changes no value."""
        return self.env.spec

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """First observation and info.

        Raises:
            ConfigError: the environment cannot be reset so.
        """
        if options is None and self._options is not None:
            options = copy.deepcopy(dict(self._options))
        try:
            observation, info = self.env.reset(seed=seed, options=options)
        except SparsectlError:
            raise
        except Exception as error:
            raise ConfigError(
                f"environment '{self._name}' fails in reset(seed={seed}, options={options}): "
                f"{type(error).__name__}: {error}; a reset takes `seed` and `options`, and what "
                "options it needs is given as env.kwargs.reset_options"
            ) from error
        return self._copied(observation), info

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """One step.

        Raises:
            ConfigError: a reward or an end that is not one number, or an observation that is not
                of its space.
        """
        observation, reward, terminated, truncated, info = self.env.step(action)
        return (
            self._copied(observation),
            scalar(reward, f"the reward of environment '{self._name}'"),
            bool(scalar(terminated, f"`terminated` of environment '{self._name}'")),
            bool(scalar(truncated, f"`truncated` of environment '{self._name}'")),
            info,
        )

    def seen_by(self, policy: Any, observation: np.ndarray) -> Any:
        """A flat observation as a policy wants it: as it was before it was flattened, where the
        policy's `observation_space` is not flat."""
        wanted = getattr(policy, "observation_space", None)
        if not isinstance(wanted, spaces.Space) or wanted.shape == observation.shape:
            return observation
        whole = spaces.unflatten(self.inner_observation, observation)
        if not alike(wanted, self.inner_observation):
            raise ConfigError(
                f"the policy expects observations of {wanted}, environment '{self._name}' has "
                f"{self.inner_observation}"
            )
        return whole

    @property
    def _name(self) -> str:
        return self.env.spec.id if self.env.spec is not None else type(self.unwrapped).__name__

    def _copied(self, observation: Any) -> np.ndarray:
        array = np.array(observation)
        if array.shape != self.observation_space.shape:
            raise ConfigError(
                f"environment '{self._name}' gave an observation of shape {array.shape}, its "
                f"space is {self.observation_space}"
            )
        return array


def alike(a: spaces.Space, b: spaces.Space) -> bool:
    """Whether two spaces have the same parts of the same shapes."""
    if isinstance(a, spaces.Dict) and isinstance(b, spaces.Dict):
        return a.keys() == b.keys() and all(alike(a[k], b[k]) for k in a)
    if isinstance(a, spaces.Tuple) and isinstance(b, spaces.Tuple):
        return len(a) == len(b) and all(map(alike, a, b))
    return type(a) is type(b) and a.shape == b.shape


def scalar(value: Any, name: str) -> float:
    """One number, also where it stands in an array of one entry.

    Raises:
        ConfigError: anything else.
    """
    array = np.asarray(value)
    if array.size != 1 or array.dtype.kind not in "biuf":
        raise ConfigError(f"{name} is {value!r}, expected one number")
    return float(array.reshape(()))


def same_id(a: str, b: str) -> bool:
    """Whether two ids name one environment: `module:Name-v0` is registered as `Name-v0`."""
    return a.rpartition(":")[2] == b.rpartition(":")[2]


def is_bounded(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Which entries of a box are bounded, where the largest numbers of a type mean no bound.

    Shapes (n,), (n,) -> (n,).
    """
    most = np.finfo(np.float32).max / 2
    return (np.abs(low) < most) & (np.abs(high) < most)


def control_step(env: Any) -> float | None:
    """Length of a control step [s]: the environment's `control_seconds`, else its `dt`; None
    where it tells neither."""
    inner = getattr(env, "unwrapped", env)
    for name in ("control_seconds", "dt"):
        value = getattr(inner, name, None)
        if isinstance(value, int | float | np.floating) and 0 < value < np.inf:
            return float(value)
    return None
