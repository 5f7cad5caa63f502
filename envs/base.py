"""What every bundled task has: Gymnasium's interface, exact states, pictures, collection."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, TypedDict, Unpack

import gymnasium
import mujoco
import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.spaces import Box
from gymnasium.utils.seeding import np_random

from .check import checked_action, checked_choice, checked_count, checked_state
from .collection import Explorer, episode_seeds
from .rendering import Painter

LARGEST = 1e6
"""Positions and velocities beyond this have diverged."""
_FULL = mujoco.mjtState.mjSTATE_INTEGRATION
_PIXELS = 1920


class Picture(TypedDict, total=False):
    """Arguments of pictures that every task takes."""

    render_mode: str | None
    width: int
    height: int


class BundledTask(gymnasium.Env[np.ndarray, np.ndarray]):
    """A task is this class and the methods with a leading underscore that it defines.

    Args:
        observations: largest absolute observations. Shape (no,), or a number and `size`.
        actions: size nu of the action, which is in [-1, 1]; a task may have another space in it.
        model: of the physics, which pictures are drawn from; None: the task draws its own.

    Raises:
        TaskError: an argument has a wrong type or value.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012
    block = 256
    """Episodes collected together: fixed, so that data do not depend on how many are asked for."""
    _model: mujoco.MjModel
    _data: mujoco.MjData

    def __init__(
        self,
        observations: np.ndarray,
        actions: int,
        model: mujoco.MjModel | None = None,
        camera: str = "top",
        **picture: Unpack[Picture],
    ) -> None:
        self.render_mode = picture.pop("render_mode", None)
        checked_choice("render_mode", self.render_mode, (None, *self.metadata["render_modes"]))
        self._size = _pixels(**picture)
        self.observation_space = Box(-observations, observations, dtype=np.float64)
        self.action_space = Box(-1.0, 1.0, (actions,), np.float32)
        self._painter: Painter | None = None
        if model is not None:
            self._model, self._data = model, mujoco.MjData(model)
            self._painter = Painter(model, *self._size, camera)
        self._ready = False

    # What a task defines

    @abstractmethod
    def _begin(self, rng: np.random.Generator) -> None:
        """Draw an episode and put the task at its start."""

    @abstractmethod
    def _advance(self, action: np.ndarray) -> None:
        """One control step, of an action (nu,) in [-1, 1]."""

    @abstractmethod
    def _observe(self) -> np.ndarray:
        """The observation. Shape (no,)."""

    @abstractmethod
    def _info(self, observation: np.ndarray) -> dict[str, Any]:
        """`error`, `is_success` and what else the task measures."""

    def _saved(self) -> np.ndarray:
        """All that the future depends on, as a vector of fixed size; also before `reset`."""
        return np.concatenate([self._data.qpos, self._data.qvel])

    def _restore(self, state: np.ndarray) -> None:
        """Continue from what `_saved` gave."""
        mujoco.mj_resetData(self._model, self._data)
        self._data.qpos[:], self._data.qvel[:] = np.split(state, [self._model.nq])

    def _explorer(self, rng: np.random.Generator, steps: int) -> Explorer:
        """Policy that data of one episode are collected with: even random actions."""
        actions = rng.uniform(-1.0, 1.0, (steps, *self.action_space.shape))  # type: ignore[misc]
        return lambda t, observation: actions[t]

    def _collect(self, seeds: np.ndarray, steps: int, workers: int) -> dict[str, np.ndarray]:
        """Some of the episodes of `collect_episodes`, without `seeds`.

        One by one here; a task that simulates many at once has its own.
        """
        kept = self._saved()
        size, actions = len(self._observe()), self.action_space.shape
        observations = np.empty((len(seeds), steps + 1, size))
        chosen = np.empty((len(seeds), steps, *actions), np.float32)  # type: ignore[misc]
        rewards = np.empty((len(seeds), steps))
        for e, own in enumerate(seeds):
            self._begin(np_random(int(own))[0])
            # a second stream, so that exploration does not shift what reset draws
            policy = self._explorer(np.random.default_rng([int(own), 1]), steps)
            observations[e, 0] = self._observe()
            for t in range(steps):
                chosen[e, t] = policy(t, observations[e, t])
                self._advance(chosen[e, t].astype(np.float64))
                observations[e, t + 1] = self._observe()
                rewards[e, t] = self._reward(self._info(observations[e, t + 1]))
        self._restore(kept)
        return {"observations": observations, "actions": chosen, "rewards": rewards}

    def _reward(self, info: dict[str, Any]) -> float:
        """Of the step that was just made."""
        return -info["error"]

    def _ended(self, info: dict[str, Any]) -> bool:
        """Whether the step that was just made ends the episode."""
        return False

    def _decorate(self, scene: mujoco.MjvScene) -> None:
        """Add to a picture what the physics does not know, for example the goal."""

    def _picture(self) -> np.ndarray:
        """Shape (height, width, 3), uint8."""
        assert self._painter is not None
        shown = mujoco.MjData(self._model)
        shown.qpos[:] = self._data.qpos
        return self._painter.draw(shown, self._decorate)

    # Gymnasium

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Draw a start.

        Args:
            seed: of the start and of those that follow; None: the next one.
            options: `state`, as `get_state` gives it, is the start in place of the drawn one;
                others are ignored.

        Raises:
            TaskError: the state has another size or is not finite.
        """
        super().reset(seed=seed)
        self._begin(self.np_random)
        if options and "state" in options:
            self._restore(checked_state(options["state"], self._saved().size).copy())
        self._ready = True
        observation = self._observe()
        return observation, self._info(observation)

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """One control step. Actions beyond [-1, 1] are clipped.

        Raises:
            TaskError: the action has another shape or is not finite.
        """
        self._begun("step")
        (size,) = self.action_space.shape  # type: ignore[misc]
        self._advance(np.clip(checked_action(action, size), -1.0, 1.0))
        observation = self._observe()
        info = self._info(observation)
        return observation, self._reward(info), self._ended(info), False, info

    def render(self) -> np.ndarray | None:
        """Picture, shape (height, width, 3), uint8; None without a render mode.

        Raises:
            RenderError: no OpenGL platform can be loaded.
        """
        if self.render_mode is None:
            gymnasium.logger.warn("render() needs render_mode='rgb_array' at make()")
            return None
        self._begun("render")
        return self._picture()

    def close(self) -> None:
        """Free the renderer."""
        if self._painter is not None:
            self._painter.close()

    # Beyond Gymnasium

    def get_state(self) -> np.ndarray:
        """All that the rest of the episode depends on, as one vector."""
        self._begun("get_state")
        return self._saved()

    def set_state(self, state: np.ndarray) -> np.ndarray:
        """Continue exactly where `get_state` was called; returns the observation.

        Raises:
            TaskError: the state has another size or is not finite.
        """
        self._restore(checked_state(state, self._saved().size).copy())
        self._ready = True
        return self._observe()

    def collect_episodes(
        self, episodes: int, steps: int, seed: int, workers: int = 1
    ) -> dict[str, np.ndarray]:
        """Episodes of the task's own exploration; this one's own episode is untouched.

        Episode i starts as `reset(seed=seeds[i])` does. Actions are the executed ones: where the
        task cuts a motion, so is the action.

        Args:
            steps: T, in every episode; nothing terminates earlier.
            seed: of the whole collection.
            workers: threads; the result does not depend on them.

        Returns:
            `observations` (E, T+1, no), `actions` (E, T, nu), `rewards` (E, T), `seeds` (E,), and
            where simulations can blow up `diverged` (E,), bool.

        Raises:
            TaskError: an argument has a wrong type or value.
        """
        seeds = episode_seeds(seed, episodes, steps, workers)
        starts = range(0, episodes, self.block)
        parts = [self._collect(seeds[i : i + self.block], steps, workers) for i in starts]
        return {n: np.concatenate([p[n] for p in parts]) for n in parts[0]} | {"seeds": seeds}

    def _begun(self, method: str) -> None:
        if not self._ready:
            first = "reset()" if method == "get_state" else "reset() or set_state()"
            raise ResetNeeded(f"call {first} before {method}()")


def physics(model: mujoco.MjModel, data: mujoco.MjData) -> np.ndarray:
    """MuJoCo's full integration state, as one vector."""
    state = np.empty(mujoco.mj_stateSize(model, _FULL))
    mujoco.mj_getState(model, data, state, _FULL)
    return state


def set_physics(model: mujoco.MjModel, data: mujoco.MjData, state: np.ndarray) -> None:
    """Put back what `physics` gave."""
    mujoco.mj_setState(model, data, state, _FULL)


def sound_step(
    model: mujoco.MjModel, data: mujoco.MjData, control: np.ndarray, substeps: int
) -> bool:
    """Simulation steps in place; False, and nothing has changed, if they diverge."""
    before = physics(model, data)
    data.ctrl[:] = control
    mujoco.mj_step(model, data, substeps)
    # as a comparison with a number that is not finite is false
    if (np.abs(np.concatenate([data.qpos, data.qvel])) < LARGEST).all():
        return True
    set_physics(model, data, before)
    return False


def _pixels(width: int = 480, height: int = 480) -> tuple[int, int]:
    return checked_count("width", width, 16, _PIXELS), checked_count("height", height, 16, _PIXELS)
