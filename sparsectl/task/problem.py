"""From an observation to the optimisation problem of one decision."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from sparsectl.environment import is_bounded
from sparsectl.errors import ConfigError, ShapeError
from sparsectl.task import constraints as constraints_module
from sparsectl.task import cost as cost_module
from sparsectl.task.constraints import Constraints, ConstraintsConfig
from sparsectl.task.cost import Cost, CostConfig
from sparsectl.task.observation import ObservationConfig, StateMap


@dataclass(frozen=True)
class ActionConfig:
    """Actions to plan in, inside the environment's own action box."""

    low: float | list[float] | None = None
    """Lower limit, one for all or one for each entry; None: the environment's."""
    high: float | list[float] | None = None
    """Upper limit."""


@dataclass(frozen=True)
class TaskConfig:
    """What to achieve: which entries of the observation matter, cost and constraints."""

    observation: ObservationConfig = field(default_factory=ObservationConfig)
    cost: CostConfig = field(default_factory=CostConfig)
    constraints: ConstraintsConfig = field(default_factory=ConstraintsConfig)
    action: ActionConfig = field(default_factory=ActionConfig)


@dataclass(frozen=True)
class Problem:
    """One decision: minimise `cost` over actions in a box, subject to `constraints`.

    Attributes:
        x0: present state. Shape (nx,), physical units.
        cost: bound cost.
        constraints: bound constraints.
        u_low, u_high: action box. Shape (nu,), the environment's action units.
        horizon: number of steps H.
        observation: that the problem was made at, as it came; None where it was made otherwise.
    """

    x0: np.ndarray
    cost: Cost
    constraints: Constraints
    u_low: np.ndarray
    u_high: np.ndarray
    horizon: int
    observation: np.ndarray | None = None

    @property
    def nx(self) -> int:
        """Size of the state."""
        return len(self.x0)

    @property
    def nu(self) -> int:
        """Size of the action."""
        return len(self.u_low)


LARGEST_STATE = 1000
"""Entries of a state: matrices of its size squared are made, and every one of them is planned."""


class Task:
    """A `TaskConfig` resolved for an environment's observation size and action box."""

    def __init__(
        self, config: TaskConfig, observation_size: int, u_low: np.ndarray, u_high: np.ndarray
    ) -> None:
        self.config = config
        self.map = StateMap(config.observation, observation_size)
        if self.map.nx > LARGEST_STATE:
            raise ConfigError(
                f"the state has {self.map.nx} entries, of observations of {observation_size}: at "
                f"most {LARGEST_STATE} can be learnt and planned with. Name those that matter "
                "under task.observation.state; pictures need an encoder in the environment that "
                "gives a few numbers"
            )
        self.u_low, self.u_high = _box(config.action, np.asarray(u_low), np.asarray(u_high))
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
            self.config.cost,
            self.map.names,
            self.map.nx,
            self.map.goal(observation),
            self.map.angles,
        )
        return Problem(
            self.map.state(observation),
            cost,
            self.constraints,
            self.u_low,
            self.u_high,
            horizon,
            observation,
        )


def _box(
    config: ActionConfig, u_low: np.ndarray, u_high: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The environment's action box cut with the configured one. Two arrays of shape (nu,)."""
    if u_low.ndim != 1 or u_low.shape != u_high.shape:
        raise ShapeError(f"action box of shapes {u_low.shape} and {u_high.shape}")
    low, high = u_low.astype(np.float64), u_high.astype(np.float64)
    for name, values in (("low", config.low), ("high", config.high)):
        limit = np.asarray([] if values is None else values, dtype=np.float64)
        if limit.ndim and limit.shape not in ((0,), low.shape):
            raise ConfigError(
                f"task.action.{name} has {len(limit)} entries, actions have {len(low)}"
            )
        if values is not None and name == "low":
            low = np.maximum(low, limit)
        elif values is not None:
            high = np.minimum(high, limit)
    if (low > high).any():
        raise ConfigError(
            f"task.action: no action is left between {low.tolist()} and {high.tolist()}; the "
            f"environment's own box is {u_low.tolist()} to {u_high.tolist()}"
        )
    if not is_bounded(low, high).all():
        raise ConfigError(
            "the action space is unbounded: planning needs a finite box, give task.action.low and "
            "task.action.high"
        )
    return low, high
