"""From an observation to the optimisation problem of one decision."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from sparsectl.errors import ConfigError, ShapeError
from sparsectl.task import constraints as constraints_module
from sparsectl.task import cost as cost_module
from sparsectl.task.constraints import Constraints, ConstraintsConfig
from sparsectl.task.cost import Cost, CostConfig
from sparsectl.task.observation import ObservationConfig, StateMap


@dataclass(frozen=True)
class TaskConfig:
    """What to achieve: which entries of the observation matter, cost and constraints."""

    observation: ObservationConfig = field(default_factory=ObservationConfig)
    cost: CostConfig = field(default_factory=CostConfig)
    constraints: ConstraintsConfig = field(default_factory=ConstraintsConfig)


@dataclass(frozen=True)
class Problem:
    """One decision: minimise `cost` over actions in a box, subject to `constraints`.

    Attributes:
        x0: present state. Shape (nx,), physical units.
        cost: bound cost.
        constraints: bound constraints.
        u_low, u_high: action box. Shape (nu,), the environment's action units.
        horizon: number of steps H.
    """

    x0: np.ndarray
    cost: Cost
    constraints: Constraints
    u_low: np.ndarray
    u_high: np.ndarray
    horizon: int

    @property
    def nx(self) -> int:
        """Size of the state."""
        return len(self.x0)

    @property
    def nu(self) -> int:
        """Size of the action."""
        return len(self.u_low)


class Task:
    """A `TaskConfig` resolved for an environment's observation size and action box."""

    def __init__(
        self, config: TaskConfig, observation_size: int, u_low: np.ndarray, u_high: np.ndarray
    ) -> None:
        self.config = config
        self.map = StateMap(config.observation, observation_size)
        self.u_low = np.asarray(u_low, dtype=np.float64)
        self.u_high = np.asarray(u_high, dtype=np.float64)
        if self.u_low.ndim != 1 or self.u_low.shape != self.u_high.shape:
            raise ShapeError(f"action box of shapes {self.u_low.shape} and {self.u_high.shape}")
        if not (np.isfinite(self.u_low) & np.isfinite(self.u_high)).all():
            raise ConfigError("the action space is unbounded: planning needs a finite action box")
        self.constraints = constraints_module.bind(config.constraints, self.map.names, self.map.nx)
        self.problem(np.zeros(observation_size), 1)  # names and sizes fail here, not mid-episode

    @property
    def nx(self) -> int:
        """Size of the state."""
        return self.map.nx

    @property
    def nu(self) -> int:
        """Size of the action."""
        return len(self.u_low)

    def problem(self, observation: np.ndarray, horizon: int) -> Problem:
        """Problem of one decision at `observation`. Shape (observation_size,).

        Raises:
            NonFiniteError, ShapeError: from the observation.
            ConfigError: horizon below 1.
        """
        if horizon < 1:
            raise ConfigError(f"horizon is {horizon}, expected at least 1")
        cost = cost_module.bind(
            self.config.cost, self.map.names, self.map.nx, self.map.goal(observation)
        )
        return Problem(
            self.map.state(observation), cost, self.constraints, self.u_low, self.u_high, horizon
        )
