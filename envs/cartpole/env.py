"""CartPole: swing a pole up on a cart and keep it upright, with a continuous force.

Observation, Box(5,), float64:

| entries | meaning                                                    |
|---------|------------------------------------------------------------|
| 0       | position of the cart [m]                                   |
| 1       | its velocity [m/s]                                         |
| 2, 3    | sine and cosine of the pole's angle; 0, 1 is upright       |
| 4       | the pole's angular velocity [rad/s], positive to the right |

Action, Box(-1, 1, (1,), float32): force on the cart, 6 N per unit, for a control step of 0.1 s.

Reward: minus the error. An episode never terminates; it is truncated after 60 steps. In `info`:

| key          | meaning                                                              |
|--------------|----------------------------------------------------------------------|
| `error`      | distance of the pole's tip to where it is upright above the rail's   |
|              | middle [m]; sine and cosine make it linear in the observation        |
| `is_success` | the tip is within 0.1 m of that and the pole turns at under 1 rad/s  |

`start` is `hanging` or `upright`. The force is too weak and the rail too short to bring the pole
up in one go: from hanging, it must be swung both ways, first away from where it should go.
Buffers stop the cart 0.6 m from the middle, so the dynamics are not smooth: a blow against a
buffer is a kink, and a way to swing the pole.

Model: cart of 1 kg, even rod of 0.1 kg and 0.6 m, a little friction. Position, angle and both
velocities are the whole state.
"""

from __future__ import annotations

from typing import Any

import gymnasium
import mujoco
import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.spaces import Box
from gymnasium.utils.seeding import np_random

from ..check import checked_action, checked_choice, checked_picture, checked_state
from ..collection import episode_seeds
from ..rendering import Painter, ghost_ball
from .exploration import Swinger
from .scene import LENGTH, SUBSTEPS, build, tip

STARTS = ("hanging", "upright")
"""Names of the start distributions."""
SUCCESS = (0.1, 1.0)
"""Largest distance of the tip [m] and largest angular velocity [rad/s] of a success."""
_GOAL = np.array([0.0, LENGTH])


class CartPoleEnv(gymnasium.Env[np.ndarray, np.ndarray]):
    """Swing a pole up and balance it; see the module's text.

    Args:
        start: distribution of starts, `hanging` or `upright`.
        render_mode: `rgb_array` or None.
        width: of pictures [pixels].
        height: of pictures [pixels].

    Raises:
        TaskError: an argument has a wrong type or value.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012

    def __init__(
        self,
        start: str = "hanging",
        render_mode: str | None = None,
        width: int = 480,
        height: int = 480,
    ) -> None:
        checked_choice("start", start, STARTS)
        checked_choice("render_mode", render_mode, (None, *self.metadata["render_modes"]))
        checked_picture(width, height)
        self.start, self.render_mode = start, render_mode
        limit = np.array([1.0, 20.0, 1.0, 1.0, 100.0])
        self.observation_space = Box(-limit, limit, dtype=np.float64)
        self.action_space = Box(-1.0, 1.0, (1,), np.float32)
        self._model = build()
        self._data = mujoco.MjData(self._model)
        self._painter = Painter(self._model, width, height, "side")
        self._ready = False

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Draw a start. `options` are ignored."""
        super().reset(seed=seed)
        observation = self.set_state(self._draw(self.np_random))
        return observation, self._info(observation)

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Push the cart. Actions beyond [-1, 1] are clipped.

        Raises:
            TaskError: the action has another shape or is not finite.
        """
        if not self._ready:
            raise ResetNeeded("call reset() or set_state() before step()")
        force = float(np.clip(checked_action(action, 1)[0], -1.0, 1.0))
        observation = self._advance(self._data, force)
        info = self._info(observation)
        return observation, -info["error"], False, False, info

    def render(self) -> np.ndarray | None:
        """Picture from the side, shape (height, width, 3), uint8; None without a render mode.

        Raises:
            RenderError: no OpenGL platform can be loaded.
        """
        if self.render_mode is None:
            gymnasium.logger.warn("render() needs render_mode='rgb_array' at make()")
            return None
        if not self._ready:
            raise ResetNeeded("call reset() or set_state() before render()")
        shown = mujoco.MjData(self._model)
        shown.qpos[:] = self._data.qpos
        return self._painter.draw(shown, _decorate)

    def close(self) -> None:
        """Free the renderer."""
        self._painter.close()

    def get_state(self) -> np.ndarray:
        """Position, angle (not wrapped) and their velocities. Shape (4,)."""
        if not self._ready:
            raise ResetNeeded("call reset() before get_state()")
        return np.concatenate([self._data.qpos, self._data.qvel])

    def set_state(self, state: np.ndarray) -> np.ndarray:
        """Continue exactly where `get_state` was called; returns the observation.

        Raises:
            TaskError: the state has another size or is not finite.
        """
        state = checked_state(state, 4)
        self._put(self._data, state)
        self._ready = True
        return _observe(self._data)

    def collect_episodes(
        self, episodes: int, steps: int, seed: int, workers: int = 1
    ) -> dict[str, np.ndarray]:
        """Episodes that swing up and balance with noise; this one's own episode is untouched.

        Episode i starts as `reset(seed=seeds[i])` does.

        Args:
            episodes: E.
            steps: T, in every episode.
            seed: of the whole collection.
            workers: not used; a step takes microseconds.

        Returns:
            `observations` (E, T+1, 5), `actions` (E, T, 1), `rewards` (E, T), `seeds` (E,).
        """
        seeds = episode_seeds(seed, episodes, steps, workers)
        observations = np.empty((episodes, steps + 1, 5))
        actions = np.empty((episodes, steps, 1), dtype=np.float32)
        data = mujoco.MjData(self._model)
        for e, own in enumerate(seeds):
            self._put(data, self._draw(np_random(int(own))[0]))
            # a second stream, so that exploration does not shift what reset draws
            policy = Swinger(np.random.default_rng([int(own), 1]), steps)
            observations[e, 0] = _observe(data)
            for t in range(steps):
                actions[e, t] = policy(t, observations[e, t])
                observations[e, t + 1] = self._advance(data, float(actions[e, t, 0]))
        return {
            "observations": observations,
            "actions": actions,
            "rewards": -_distance(observations[:, 1:]),
            "seeds": seeds,
        }

    def _draw(self, rng: np.random.Generator) -> np.ndarray:
        """State of a first step: at rest, near the middle of the rail."""
        lowest, widest = (np.pi, 0.3) if self.start == "hanging" else (0.0, 0.3)
        position, angle = rng.uniform([-0.3, -widest], [0.3, widest])
        return np.array([position, lowest + angle, 0.0, 0.0])

    def _put(self, data: mujoco.MjData, state: np.ndarray) -> None:
        mujoco.mj_resetData(self._model, data)
        data.qpos[:], data.qvel[:] = state[:2], state[2:]

    def _advance(self, data: mujoco.MjData, force: float) -> np.ndarray:
        """One control step in place; the observation after it. Shape (5,)."""
        data.ctrl[0] = force
        data.qacc_warmstart[:] = 0.0  # so that position and velocity are the whole state
        mujoco.mj_step(self._model, data, SUBSTEPS)
        return _observe(data)

    def _info(self, observation: np.ndarray) -> dict[str, Any]:
        error = float(_distance(observation))
        success = error < SUCCESS[0] and abs(observation[4]) < SUCCESS[1]
        return {"is_success": bool(success), "error": error}


def _observe(data: mujoco.MjData) -> np.ndarray:
    (position, angle), (velocity, spin) = data.qpos, data.qvel
    return np.array([position, velocity, np.sin(angle), np.cos(angle), spin])


def _distance(observations: np.ndarray) -> np.ndarray:
    """Distance of the tip to its goal [m]. Shape (...), of observations (..., 5)."""
    offset = tip(observations[..., 0], observations[..., 2], observations[..., 3]) - _GOAL
    return np.linalg.norm(offset, axis=-1)


def _decorate(scene: mujoco.MjvScene) -> None:
    ghost_ball(scene, np.array([0.0, 0.2, LENGTH]), SUCCESS[0])
