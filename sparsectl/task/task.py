"""A task: from an observation to the optimisation problem of one decision."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from sparsectl import environment
from sparsectl.errors import ConfigError
from sparsectl.task import action as action_module
from sparsectl.task import binding
from sparsectl.task import cost as cost_module
from sparsectl.task import value as value_module
from sparsectl.task.config import TaskConfig
from sparsectl.task.constraints import Constraints
from sparsectl.task.cost import Cost
from sparsectl.task.inputs import Inputs
from sparsectl.task.margins import Margins
from sparsectl.task.observation import StateMap
from sparsectl.task.problem import Problem
from sparsectl.task.reference import Decision

LARGEST_STATE = 1000
"""Entries of a state: matrices of its size squared are made, and every one of them is planned."""


class Task:
    """A `TaskConfig` resolved for an environment's observation size and action box.

    Attributes:
        constraints: the hard ones; where they change, an outline of them, see `outline`.
        inputs: rules for actions beyond their box, or None.
        margins: by how much a plan's constraints are drawn in, or None; see `with_margins`.
    """

    margins: Margins | None = None

    def __init__(
        self,
        config: TaskConfig,
        observation_size: int,
        u_low: np.ndarray,
        u_high: np.ndarray,
        levels: Sequence[np.ndarray | range | None] | None = None,
        entries: environment.Entries | None = None,
    ) -> None:
        """Resolve a config.

        Args:
            u_low, u_high: the environment's action box. Shape (nu,).
            levels: values of every entry that the environment itself takes only, a range for all
                whole numbers in the box (None: any).

        Raises:
            ConfigError, ShapeError: config and environment do not fit.
        """
        self.config = config
        self.map = StateMap(config.observation, observation_size, entries)
        if self.map.nx > LARGEST_STATE:
            raise ConfigError(
                f"the state has {self.map.nx} entries, of observations of {observation_size}: at "
                f"most {LARGEST_STATE} can be learnt and planned with. Name those that matter "
                "under task.observation.state; pictures need an encoder in the environment that "
                "gives a few numbers"
            )
        box = np.asarray(u_low), np.asarray(u_high)
        self.u_low, self.u_high = action_module.box(config.action, *box)
        self.inputs = action_module.bind(config.action, self.u_low, self.u_high, levels)
        if self.inputs is not None:
            self.u_low = np.array([p[0, 0] for p in self.inputs.pieces])
            self.u_high = np.array([p[-1, 1] for p in self.inputs.pieces])
        self._value = None
        if config.cost.value is not None:
            self._value = value_module.load(config.cost.value)
            self._value.check(*self.parts, f"cost.value: '{config.cost.value}'")
        self._resolve()

    @classmethod
    def of(cls, config: TaskConfig, env: Any) -> Task:
        """A config resolved for an environment that `environment.make` made; see `Task`.

        Where it was wrapped since, no entries have names.
        """
        size, box = env.observation_space.shape[0], env.action_space
        levels = environment.levels(env)
        return cls(config, size, box.low, box.high, levels, getattr(env, "entries", None))

    @property
    def lasting(self) -> Constraints:
        """The hard constraints that are the same in every decision, not drawn in."""
        config, now = self.config.constraints.lasting, Decision({}, 0, 1, loose=True)
        return binding.bind(config, self.map.names, self.nx, now)[0]

    @property
    def nx(self) -> int:
        """Size of the state."""
        return self.map.nx

    @property
    def nu(self) -> int:
        """Size of the action."""
        return len(self.u_low)

    def problem(
        self,
        observation: np.ndarray,
        horizon: int,
        *,
        step: int = 0,
        late: int = 0,
        last: np.ndarray | None = None,
        loose: bool = False,
    ) -> Problem:
        """Problem of one decision.

        Args:
            observation: Shape (observation_size,).
            step: of the episode.
            late: steps from there to where the plan begins, which goal parts count from `step`.
            last: action applied last, which rate limits count from; None: there is none. Shape
                (nu,).
            loose: goals of more or fewer steps and blocks are not held against the horizon, which
                is not that of a planner.

        Raises:
            NonFiniteError, ShapeError: from the observation.
            ConfigError: horizon below 1, blocks that do not add up to it, goals of a size that
                does not fit it, or a last action that no action is in reach of.
        """
        if horizon < 1:
            raise ConfigError(f"horizon is {horizon}, expected at least 1")
        goal = self.map.goal(observation)
        now = Decision(goal, step + late, horizon, loose, late=late)
        constraints, priced = self.constraints, self._priced
        if self.config.constraints.changes:
            constraints, priced = self._constraints(now)
        cost, own = self._cost(now, priced), None
        if self.margins is not None and not constraints.empty:
            own, constraints = constraints, self.margins.draw_in(constraints, horizon)
        return Problem(
            self.map.state(observation),
            cost,
            constraints,
            self.u_low,
            self.u_high,
            horizon,
            observation,
            self._inputs(horizon, last, loose),
            own,
        )

    def outline(self, horizon: int) -> Problem:
        """A problem with everything that decisions of this horizon may have, at a state of zeros.

        Windows and regions of goals are there, but not at every step; values of goals are zeros.

        Raises:
            ConfigError: blocks, lists or goals of a size that does not fit the horizon.
        """
        goal = self.map.goal(np.zeros(self.map.observation_size))
        now = Decision(goal, 0, horizon, outline=True)
        constraints, priced = self._constraints(now)
        x0, cost, inputs = np.zeros(self.nx), self._cost(now, priced), self._inputs(horizon, None)
        return Problem(x0, cost, constraints, self.u_low, self.u_high, horizon, inputs=inputs)

    def with_margins(self, margins: Margins | None) -> Task:
        """The same task with plans' constraints drawn in; those of `visited` stay as they are."""
        task = copy.copy(self)
        task.margins = margins
        return task

    def without_end(self) -> Task:
        """The same task without the constraints that hold at the last planned step only."""
        task = copy.copy(self)
        task.config = replace(self.config, constraints=self.config.constraints.before_the_end)
        task._resolve()
        return task

    @property
    def parts(self) -> tuple[dict[str, int], dict[str, int]]:
        """Sizes of the parts of the state and of the goal, in order."""
        goal = self.map.goal(np.zeros(self.map.observation_size))
        state = {name: part.stop - part.start for name, part in self.map.names.items()}
        return state, {name: value.size for name, value in goal.items()}

    @property
    def has_prices(self) -> bool:
        """Whether some constraint has a price."""
        return self._priced is not None

    def visited(
        self, before: np.ndarray, after: np.ndarray, step: int, *, priced: bool = False
    ) -> tuple[Constraints, np.ndarray]:
        """The constraints that hold at a step of an episode, and the states around it.

        Args:
            before, after: observations. Shape (observation_size,).
            step: of the episode, of `before`.
            priced: those that have a price, in place of the hard ones.

        Returns:
            Constraints over two planned steps, of which the first is the one that was made, and
            states of shape (3, nx); terminal constraints are not among its rows.
        """
        now = Decision(self.map.goal(before), step, 2, loose=True)
        hard, soft = self.constraints, self._priced
        if self.config.constraints.changes:
            hard, soft = self._constraints(now)
        none = Constraints(np.zeros((0, self.nx)), np.zeros(0))
        constraints = hard if not priced else soft or none
        x = self.map.state(after)
        return constraints, np.stack([self.map.state(before), x, x])

    def distance(self, observation: np.ndarray, step: int) -> float:
        """Terminal cost of the state at a step of the episode. Shape (observation_size,)."""
        # The first planned step of a decision is the one after it.
        now = Decision(self.map.goal(observation), step - 1, 1, loose=True)
        x = self.map.state(observation)
        cost = replace(self._cost(now, None), value=None)
        return float(cost(np.stack([x, x]), np.zeros((1, self.nu))))

    def admit(self, action: np.ndarray, last: np.ndarray | None = None) -> np.ndarray:
        """The admissible action nearest to a given one. Shapes (nu,) -> (nu,)."""
        if self.inputs is None:
            return np.clip(action, self.u_low, self.u_high)
        inputs = self.inputs if last is None else self.inputs.after(last)
        return replace(inputs, blocks=None).admit(np.asarray(action)[None])[0]

    def _resolve(self) -> None:
        # Names and sizes fail here, not mid-episode.
        goal = self.map.goal(np.zeros(self.map.observation_size))
        now = Decision(goal, 0, 1, loose=True, outline=self.config.constraints.changes)
        self.constraints, self._priced = self._constraints(now)
        every = replace(now, horizon=self.config.longest)
        self._constraints(every)
        self._cost(every, None)

    def _constraints(self, now: Decision) -> tuple[Constraints, Constraints | None]:
        names = self.map.names
        return binding.bind(self.config.constraints, names, self.nx, now, self.map.angles)

    def _cost(self, now: Decision, priced: Constraints | None) -> Cost:
        config = self.config.cost
        angles, encoded = self.map.angles, self.map.encoded
        value = None if self._value is None else self._value.at(now.goal)
        return cost_module.bind(
            config, self.map.names, self.nx, now, angles, priced, encoded, value
        )

    def _inputs(self, horizon: int, last: np.ndarray | None, loose: bool = False) -> Inputs | None:
        if self.inputs is None:
            return None
        blocks = None if loose else action_module.lengths(self.config.action, horizon)
        inputs = replace(self.inputs, blocks=blocks)
        if last is None or not inputs.limited:
            return inputs
        inputs = inputs.after(last)
        known = np.asarray(inputs.last)
        near = inputs.admit(known[None].repeat(horizon, axis=0))
        beyond = abs(near[0] - known) > inputs.rate + inputs.slack(itemsize=4)
        if beyond.any():
            i = int(np.argmax(beyond))
            raise ConfigError(
                f"task.action.rate of entry {i} is {inputs.rate[i]:g}: no action is within reach "
                f"of the one applied last, {float(last[i]):g}; the nearest is {near[0, i]:g}"
            )
        return inputs
