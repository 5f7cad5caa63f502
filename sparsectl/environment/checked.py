"""What is made sure of at each step of an environment."""

from __future__ import annotations

import contextlib
import copy
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from sparsectl.environment.actions import levels, native
from sparsectl.environment.delay import KEYS
from sparsectl.environment.entries import Entries, entries
from sparsectl.environment.history import History
from sparsectl.environment.observations import alike
from sparsectl.errors import ConfigError, SparsectlError, Terminated
from sparsectl.files import same_folder


class Checked(gymnasium.Wrapper):
    """What everything here relies on, made sure of at each step.

    Observations are copies (environments may write into one buffer) of the shape of their space;
    what an environment writes into an action stays with it.
    Rewards are floats, ends are bools. A reset passes the options of the configuration on, and
    says what went wrong in it.
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
        with self._saying(
            f"reset(seed={seed}, options={options})",
            "a reset takes `seed` and `options`, and what options it needs is given as "
            "env.kwargs.reset_options",
        ):
            seed = None if seed is None else int(seed)  # NumPy's integers are refused
            observation, info = self.env.reset(seed=seed, options=options)
        return self._copied(observation), info

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """One step.

        Raises:
            ConfigError: a reward or an end that is not one number, an observation that is not
                of its space, or the environment fails.
        """
        expected = "a step gives observation, reward, terminated, truncated and info"
        with self._saying("step(action)", expected):
            observation, reward, terminated, truncated, info = self.env.step(np.array(action))
        return (
            self._copied(observation),
            scalar(reward, f"the reward of environment '{self.name}'"),
            bool(scalar(terminated, f"`terminated` of environment '{self.name}'")),
            bool(scalar(truncated, f"`truncated` of environment '{self.name}'")),
            info,
        )

    def close(self) -> None:
        """Close; what fails in it is told and costs nothing, as the work is done."""
        try:
            with same_folder():
                super().close()
        except Exception as error:
            warnings.warn(
                f"environment '{self.name}' fails in close(): {type(error).__name__}: {error}",
                stacklevel=1,
            )

    def row(self, action: Any) -> np.ndarray:
        """An action as a vector, where it has the shape of the environment's own actions."""
        array = np.array(action, dtype=np.float64)
        if array.shape == self.inner_action.shape:
            array = array.reshape(self.action_space.shape)  # type: ignore[arg-type]
        return array

    def inside(self, action: np.ndarray) -> np.ndarray:
        """What an action becomes when it is executed: in the box, whole numbers where those are
        what there is. Shape (nu,)."""
        if levels(self) is not None:
            return np.array(native(action, self.inner_action), np.float64).reshape(action.shape)
        space: Any = self.action_space
        return np.clip(action, space.low, space.high)

    def seen_by(self, policy: Any, observation: np.ndarray) -> Any:
        """A flat observation as a policy wants it: as it was before it was flattened, where the
        policy's `observation_space` is not flat."""
        wanted = getattr(policy, "observation_space", None)
        if not isinstance(wanted, spaces.Space) or wanted.shape == observation.shape:
            return observation
        now = observation[: spaces.flatdim(self.inner_observation)]
        whole = spaces.unflatten(self.inner_observation, now)
        if not alike(wanted, self.inner_observation):
            raise ConfigError(
                f"the policy expects observations of {wanted}, environment '{self.name}' has "
                f"{self.inner_observation}"
            )
        return whole

    @property
    def entries(self) -> Entries:
        """What the entries of an observation are."""
        (nu,) = self.action_space.shape  # type: ignore[misc]
        past = self.env.steps if isinstance(self.env, History) else dict.fromkeys(KEYS, 0)
        return entries(self.inner_observation, nu, past)

    @property
    def name(self) -> str:
        """Its id, or its class."""
        return self.env.spec.id if self.env.spec is not None else type(self.unwrapped).__name__

    @contextlib.contextmanager
    def _saying(self, call: str, expected: str) -> Iterator[None]:
        """What the environment raises, with what it was asked for."""
        try:
            with same_folder():
                yield
        except (SparsectlError, Terminated):
            raise
        except (Exception, SystemExit) as error:
            raise ConfigError(
                f"environment '{self.name}' fails in {call}: {type(error).__name__}: {error}; "
                + expected
            ) from error

    def _copied(self, observation: Any) -> np.ndarray:
        array = np.array(observation)
        if array.shape != self.observation_space.shape:
            raise ConfigError(
                f"environment '{self.name}' gave an observation of shape {array.shape}, its "
                f"space is {self.observation_space}"
            )
        return array


def scalar(value: Any, name: str) -> float:
    """One number, also where it stands in an array of one entry.

    Raises:
        ConfigError: anything else.
    """
    array = np.asarray(value)
    if array.size != 1 or array.dtype.kind not in "biuf":
        raise ConfigError(f"{name} is {value!r}, expected one number")
    return float(array.reshape(()))


def control_step(env: Any) -> float | None:
    """Length of a control step [s]: the environment's `control_seconds`, else its `dt`; None
    where it tells neither."""
    inner = getattr(env, "unwrapped", env)
    for name in ("control_seconds", "dt"):
        value = getattr(inner, name, None)
        if isinstance(value, int | float | np.floating) and 0 < value < np.inf:
            return float(value)
    return None
