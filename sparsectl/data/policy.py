"""Random actions, white or correlated in time."""

from __future__ import annotations

from dataclasses import dataclass, replace

import gymnasium
import numpy as np
from scipy.special import ndtr

from sparsectl.environment import is_bounded, levels
from sparsectl.errors import ConfigError


@dataclass
class RandomPolicy:
    """Uniform actions in a box whose successive values are correlated.

    A Gaussian AR(1) sequence w_t = rho w_{t-1} + sqrt(1 - rho^2) xi_t is mapped through its own
    distribution function, so every single action stays uniform in the box.

    Attributes:
        low, high: action box. Shape (nu,).
        correlation: rho in [0, 1).
        whole: whether actions are rounded to whole numbers.
    """

    low: np.ndarray
    high: np.ndarray
    correlation: float = 0.0
    whole: bool = False
    _w: np.ndarray | None = None

    @classmethod
    def of(
        cls,
        env: gymnasium.Env,
        correlation: float = 0.0,
        scale: float = 1.0,
        *,
        planned: tuple[np.ndarray, np.ndarray] | None = None,
    ) -> RandomPolicy:
        """Policy for an environment's action box, shrunk about its centre by `scale`.

        Whole numbers are equally probable: each stands for the interval that is rounded to it.

        Args:
            env: made by `environment.make`.
            scale: fraction of the box that is used.
            planned: the box that is planned in; entries that the environment leaves unbounded
                are drawn from it. Shapes (nu,).

        Raises:
            ConfigError: the action box is unbounded.
        """
        space = env.action_space
        assert isinstance(space, gymnasium.spaces.Box)
        low, high = space.low.astype(np.float64), space.high.astype(np.float64)
        bounded = is_bounded(low, high)
        if planned is not None:
            low, high = (
                np.where(bounded, own, p) for own, p in zip((low, high), planned, strict=True)
            )
        elif not bounded.all():
            raise ConfigError(
                f"the action space {space} is unbounded: random actions need a finite box, give "
                "task.action.low and task.action.high"
            )
        whole = levels(env) is not None
        if whole:
            low, high = np.ceil(low) - 0.5, np.floor(high) + 0.5
        centre, half = (low + high) / 2, scale * (high - low) / 2
        return cls(centre - half, centre + half, correlation, whole)

    def start(self) -> RandomPolicy:
        """A fresh copy for one episode."""
        return replace(self, _w=None)

    def __call__(self, observation: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Next action. Shape (nu,)."""
        xi, rho = rng.standard_normal(len(self.low)), self.correlation
        self._w = xi if self._w is None else rho * self._w + np.sqrt(1 - rho**2) * xi
        action = self.low + (self.high - self.low) * ndtr(self._w)
        return np.rint(action) if self.whole else action
