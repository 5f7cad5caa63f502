"""The one controller interface. All memory is in a `ControllerState`, never on the object."""

from __future__ import annotations

import math
import numbers
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sparsectl import seeding
from sparsectl.control.config import Setup
from sparsectl.errors import ConfigError, NonFiniteError, ShapeError
from sparsectl.task import Problem, Task
from sparsectl.threads import one_thread
from sparsectl.types import Plan


@dataclass(frozen=True)
class ControllerState:
    """What a controller remembers between two decisions of one episode.

    Attributes:
        seed: seed of the episode's random numbers.
        step: decisions made so far.
        plan: the last plan that acted, or None.
        failures: decisions in a row without a plan of its own.
        memory: what the controller's `solve` handed on (elites of a sampler, hidden state of a
            policy); None at the start of an episode.
        executed: the action that was executed last, where that may be another than planned.
        pending: actions applied before that one that have not acted yet, the earliest first.
    """

    seed: int = 0
    step: int = 0
    plan: Plan | None = None
    failures: int = 0
    memory: Any = None
    executed: np.ndarray | None = None
    pending: tuple[np.ndarray, ...] = ()

    def rng(self, name: str) -> np.random.Generator:
        """Generator of this decision: the same state always draws the same numbers."""
        return seeding.generator(self.seed, name, self.step)

    def after(self, plan: Plan, memory: Any) -> ControllerState:
        """State after `plan` acted for one step; `memory` came with it from `solve`."""
        failures = 0 if plan.fallback is None else self.failures + 1
        step = self.step + 1
        return replace(self, step=step, plan=plan, failures=failures, memory=memory, executed=None)

    def applied(self, controller: Controller) -> np.ndarray | None:
        """The action applied last, or None at the start of an episode. Shape (nu,)."""
        if self.executed is not None or self.plan is None:
            return self.executed
        return controller.first_action(self.plan)

    def under_way(self, controller: Controller) -> tuple[np.ndarray, ...]:
        """Actions that were applied and have not acted yet, the earliest first, at most as many as
        the task's delay has steps."""
        late, last = controller.task.map.delay, self.applied(controller)
        sent = self.pending if last is None else (*self.pending, last)
        return sent[-late:] if late else ()

    def shifted(self, horizon: int, idle: np.ndarray) -> np.ndarray | None:
        """The last plan moved on by one step, its tail filled with `idle`. Shape (horizon, nu)."""
        if self.plan is None or self.plan.horizon == 0:
            return None
        tail = np.repeat(idle[None], horizon, axis=0)
        return np.concatenate([self.plan.actions[1:], tail])[:horizon]


class Controller(ABC):
    """Plans actions for a task.

    Attributes:
        takes_starts: whether planning can start from given plans; the others ignore them.
        looks_ahead: whether it plans so many steps; blocks and references are not held against
            the horizon of others.
        program: of the model, or None where it has none: then a delay cannot be looked past.
    """

    name: str
    task: Task
    horizon: int
    takes_starts: bool = False
    looks_ahead: bool = True
    program: Any = None

    def __init__(self, setup: Setup) -> None:
        self.name, self.task, self.horizon = setup.name, setup.task, setup.horizon
        self.program = setup.program

    @abstractmethod
    def solve(
        self,
        problem: Problem,
        state: ControllerState,
        *,
        deadline: float | None = None,
        starts: Sequence[np.ndarray] = (),
    ) -> tuple[Plan, Any]:
        """Plan for one problem.

        Args:
            problem: start state, cost, constraints, action box, horizon; its `observation` is
                what policies act on.
            deadline: `time.perf_counter()` value to return by, or None.
            starts: action sequences to start from, each of shape (H, nu), the best guess last.
                Where `takes_starts`, the plan is never worse than any of them under the model.

        Returns:
            The plan, and the memory for the next decision (see `ControllerState.after`).
        """

    @one_thread()
    def decide(
        self,
        observation: np.ndarray,
        state: ControllerState | None = None,
        *,
        deadline: float | None = None,
        starts: Sequence[np.ndarray] = (),
    ) -> tuple[Plan, ControllerState]:
        """Plan at an observation, and the state after its first action.

        Args:
            observation: Shape (observation_size,).
            state: what the last call returned; None: the start of an episode.
            deadline, starts: see `solve`; a deadline of infinity is none.

        Raises:
            ConfigError: a deadline that is not a number.
            NonFiniteError: from the observation.
            ShapeError: from the observation, or a start of another shape than (H, nu).
        """
        started, state, deadline = time.perf_counter(), state or ControllerState(), _end(deadline)
        for name, array, shape in (
            ("a flat observation", observation, (self.task.map.observation_size,)),
            *(("a starting plan", start, (self.horizon, self.task.nu)) for start in starts),
        ):
            if np.shape(array) != shape:
                raise ShapeError(f"{name} has shape {np.shape(array)}, expected {shape}")
        try:
            problem = self.problem(observation, state)
        except NonFiniteError as error:
            plan, memory = self.blind(error, state)
        else:
            plan, memory = self.solve(problem, state, deadline=deadline, starts=starts)
        plan = replace(plan, seconds=time.perf_counter() - started)
        return plan, replace(state.after(plan, memory), pending=state.under_way(self))

    def problem(
        self, observation: np.ndarray, state: ControllerState, task: Task | None = None
    ) -> Problem:
        """What is to be decided at an observation.

        With a delay, the decision begins where the model says that the actions under way lead;
        before the first one arrives, the idle action acts.

        Args:
            observation: Shape (observation_size,).
            task: another one than the controller's, with the same state.

        Raises:
            NonFiniteError, ShapeError: from the observation.
        """
        return (task or self.task).problem(
            self.ahead(observation, state),
            self.horizon,
            step=state.step,
            late=self.task.map.delay,
            last=state.applied(self),
            loose=not self.looks_ahead,
        )

    def ahead(self, observation: np.ndarray, state: ControllerState) -> np.ndarray:
        """The observation itself, or with a delay the one that the actions under way lead to.

        Shape (observation_size,).

        Raises:
            NonFiniteError, ShapeError: from the observation.
        """
        late, sent = self.task.map.delay, state.under_way(self)
        if not late or self.program is None:
            return observation
        now = self.task.problem(observation, 1, step=state.step, loose=True)
        for action in (*[idle_action(self.task)] * (late - len(sent)), *sent):
            x = self.program.at(now)(np.concatenate([now.x0, action]))
            now = replace(now, x0=x)
        return self.task.map.observation(now.x0, np.asarray(observation, dtype=np.float64))

    def plan(
        self,
        observation: np.ndarray,
        state: ControllerState | None = None,
        *,
        deadline: float | None = None,
    ) -> Plan:
        """Plan at an observation, see `decide`."""
        return self.decide(observation, state, deadline=deadline)[0]

    def blind(self, error: NonFiniteError, state: ControllerState) -> tuple[Plan, Any]:
        """What to do without a usable observation: raise, unless a controller knows better."""
        raise error

    def predict(
        self,
        observation: np.ndarray,
        state: Any = None,
        episode_start: np.ndarray | None = None,
        deterministic: bool = False,
    ) -> tuple[np.ndarray, Any]:
        """Action and next state, as Stable-Baselines3's policies do.

        Args:
            observation: Shape (observation_size,) or (environments, observation_size).
            state: what the last call returned, or None at the start of an episode.
            episode_start: Shape (environments,), bool: which environments were just reset.
            deterministic: ignored; planners draw from the state's own seed.
        """
        observation = np.asarray(observation)
        many = len(observation) if observation.ndim == 2 else None
        known = len(state) if isinstance(state, tuple | list) else None
        if state is not None and known != many:
            raise ShapeError(
                f"the state is one of {known or 1} environment(s), the observation has shape "
                f"{observation.shape}: give None where another number of them begins"
            )
        if observation.ndim == 1:
            old = state if state is not None else ControllerState()
            if episode_start is not None and np.any(episode_start):
                old = ControllerState(seed=old.seed)
            plan, new = self.decide(observation, old)
            return self.first_action(plan), new
        if observation.ndim != 2:
            raise ShapeError(f"observation has shape {observation.shape}, expected 1 or 2 axes")
        states = state or tuple(ControllerState(seed=i) for i in range(len(observation)))
        starts = np.zeros(len(observation), bool) if episode_start is None else episode_start
        pairs = [
            self.predict(o, s, np.array([e]), deterministic)
            for o, s, e in zip(observation, states, starts, strict=True)
        ]
        return np.stack([a for a, _ in pairs]), tuple(s for _, s in pairs)

    def first_action(self, plan: Plan) -> np.ndarray:
        """The action to apply now; the idle action when there is no plan. Shape (nu,)."""
        return plan.actions[0] if plan.horizon else idle_action(self.task)


def _end(deadline: float | None) -> float | None:
    """A deadline that every planner can reckon with: None, or finite."""
    if deadline is None or deadline == math.inf:
        return None
    if not isinstance(deadline, numbers.Real) or math.isnan(deadline):
        raise ConfigError(
            f"deadline is {deadline!r}, expected a value of time.perf_counter() [s] to return by, "
            "or None"
        )
    return max(float(deadline), 0.0)


class Wrapper(Controller):
    """A controller around a controller."""

    def __init__(self, inner: Controller) -> None:
        self.name, self.task, self.horizon = inner.name, inner.task, inner.horizon
        self.takes_starts, self.inner = inner.takes_starts, inner
        self.looks_ahead, self.program = inner.looks_ahead, inner.program


def idle_action(task: Task) -> np.ndarray:
    """The safe action: the admissible one nearest to zero. Shape (nu,)."""
    return task.admit(np.zeros(task.nu))
