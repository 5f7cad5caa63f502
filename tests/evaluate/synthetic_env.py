"""A point that is pushed about in the plane, in every way that a test needs.

Importable by workers: `synthetic_env:Synthetic-v0`.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box

from sparsectl.task import CostConfig, ObservationConfig, TaskConfig, TermConfig

ENV = "synthetic_env:Synthetic-v0"
GAIN = 0.1


class Synthetic(gymnasium.Env[np.ndarray, np.ndarray]):
    """x' = x + 0.1 u; the observation is (x, goal); success within 0.05 of the goal."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012

    def __init__(
        self,
        render_mode: str | None = None,
        nan_at: int | None = None,
        ends_at: int | None = None,
        offers_error: bool = True,
        dies_once: str | None = None,
        blind: bool = False,
    ) -> None:
        self.render_mode = render_mode
        self.observation_space = Box(-10, 10, (4,), np.float64)
        self.action_space = Box(-1, 1, (2,), np.float32)
        self.nan_at, self.ends_at, self.offers_error = nan_at, ends_at, offers_error
        self.dies_once, self.blind = dies_once, blind

    def reset(self, *, seed: int | None = None, options: Any = None):
        super().reset(seed=seed)
        self.x, self.goal = self.np_random.uniform(-0.5, 0.5, (2, 2))
        self.t, self.last = 0, None
        return self._observation(), self._info()

    def step(self, action):
        if self.dies_once is not None and not Path(self.dies_once).exists():
            Path(self.dies_once).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        self.t, self.last = self.t + 1, np.asarray(action)
        self.x = self.x + GAIN * np.asarray(action, dtype=np.float64)
        if self.t == self.nan_at:
            self.x = self.x * np.nan
        info = self._info()
        return self._observation(), -self._distance(), self.t == self.ends_at, False, info

    def render(self):
        if self.blind:
            raise RuntimeError("no OpenGL platform")
        frame = np.full((60, 80, 3), 255, np.uint8)
        for point, colour in ((self.goal, (60, 160, 80)), (self.x, (40, 90, 200))):
            c, r = (30 + 25 * np.clip(point, -1, 1)).astype(int)
            frame[r - 3 : r + 3, c - 3 : c + 3] = colour
        return frame

    def _distance(self) -> float:
        return float(np.linalg.norm(self.x - self.goal))

    def _observation(self) -> np.ndarray:
        return np.concatenate([self.x, self.goal])

    def _info(self) -> dict[str, Any]:
        if not self.offers_error:
            return {}
        return {"error": self._distance(), "is_success": self._distance() < 0.05}


TASK = TaskConfig(
    ObservationConfig(state={"point": "0:2"}, goal={"target": "2:4"}),
    CostConfig([TermConfig("point", "target")]),
)

if "Synthetic-v0" not in gymnasium.registry:
    gymnasium.register("Synthetic-v0", "synthetic_env:Synthetic", max_episode_steps=8)


def save_model(path: Path) -> Path:
    """A checkpoint of the exact dynamics: x' = x + 0.1 (relu(u) - relu(-u))."""
    import torch

    from sparsectl import dynamics

    model = dynamics.build(dynamics.MLPConfig(hidden=(4,)), {"point": slice(0, 2)}, 2, 2)
    W = torch.zeros(4, 4)
    W[:2, 2:], W[2:, 2:] = torch.eye(2), -torch.eye(2)
    with torch.no_grad():
        for layer, weight in zip(
            model.linears, (W, GAIN * torch.cat([torch.eye(2), -torch.eye(2)], dim=1)), strict=True
        ):
            layer.weight.copy_(weight)
            layer.bias.zero_()
    return dynamics.save(model, path, {"env_id": ENV})
