"""Plans that something else than planning proposes, as a start of planning.

A planner with a short horizon does not see what a rhythm is good for; a policy that has one
proposes it. What the planner returns is never worse than the proposal under its model.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from sparsectl.control.base import Controller, ControllerState, finish
from sparsectl.errors import ConfigError
from sparsectl.program import Programs
from sparsectl.task import Problem, Task
from sparsectl.types import Plan

Source = str | Mapping[str, Any]
"""In a config: checkpoint of a policy, or `{body: ..., circuit: ...}`."""
_MAKER = "sparsectl.circuits.proposal"
"""By name, as environments are: what proposes may be anything, and is loaded only where wanted."""


class Proposal(Protocol):
    """Something that acts on observations and can think ahead."""

    def actions(self, observation: np.ndarray, state: Any, horizon: int) -> tuple[np.ndarray, Any]:
        """What it would do from here.

        Args:
            observation: Shape (observation_size,).
            state: its own memory; None at the start of an episode.
            horizon: steps H.

        Returns:
            Actions (H, nu), and its memory after the first of them.
        """


def make(source: Source, task: Task, program: Programs, where: str) -> Proposal:
    """The proposal that a config names.

    Args:
        source: see `Source`.
        task: resolved task.
        program: the model in which the proposal thinks ahead.
        where: place in the config, for messages.

    Raises:
        ConfigError: see `check`; also what does not fit the task.
        CheckpointError: missing, damaged, or of another body.
    """
    return importlib.import_module(_MAKER).make(source, task, program, where)


def check(source: Any, where: str) -> None:
    """Refuse what names no proposal, before anything is built.

    Raises:
        ConfigError: unknown key, wrong type or value.
    """
    importlib.import_module(_MAKER).check(source, where)


@dataclass(frozen=True)
class Memory:
    """What a controller with a proposal remembers.

    Attributes:
        inner: memory of the planner.
        proposal: memory of the proposal.
        step: decision that it is for.
    """

    inner: Any = None
    proposal: Any = None
    step: int = 0


class Proposed(Controller):
    """A planner that starts from a proposal as well as from its own last plan.

    The proposal is the planner's best first guess: samplers search around it, the last plan moved
    on and idling. Its memory travels in the `ControllerState`, so its clock goes on whatever the
    planner makes of it. `info["proposal_cost"]` is what the proposal itself would cost.

    Args:
        inner: planner that can start from given plans (`improve` or `solve_from`).
        proposal: see `Proposal`.
        program: exact model.

    Raises:
        ConfigError: a planner that cannot start from given plans.
    """

    def __init__(self, inner: Controller, proposal: Proposal, program: Programs) -> None:
        self.name, self.task, self.horizon = inner.name, inner.task, inner.horizon
        self.inner, self.proposal, self.program = inner, proposal, program
        start = getattr(inner, "improve", None) or getattr(inner, "solve_from", None)
        if start is None:
            raise ConfigError(
                f"controller '{inner.name}' cannot start from a proposal: only mip, two_models, "
                "mppi, cem and gradient can"
            )
        self._start: Callable[..., Plan] = start

    def plan(
        self,
        observation: np.ndarray,
        state: ControllerState | None = None,
        *,
        deadline: float | None = None,
    ) -> Plan:
        """Plan at an observation, starting from the proposal. Shape (observation_size,)."""
        started, state = time.perf_counter(), state or ControllerState()
        problem = self.task.problem(observation, self.horizon)
        actions, memory = advance(self.proposal, observation, state, self.horizon)
        own = replace(state, memory=memory.inner)
        plan = self._start(problem, own, deadline, [actions])
        kept = replace(memory, inner=plan.info.get("memory", memory.inner))
        proposed = finish(self.program, problem, actions, source="proposal")
        info = {**plan.info, "memory": kept, "proposal_cost": proposed.cost}
        return replace(plan, info=info, seconds=time.perf_counter() - started)

    def solve(self, problem: Problem, state: ControllerState, deadline: float | None) -> Plan:
        """The planner alone: a proposal needs the observation."""
        return self.solve_from(problem, state, deadline, ())

    def solve_from(
        self,
        problem: Problem,
        state: ControllerState,
        deadline: float | None,
        plans: Sequence[np.ndarray],
    ) -> Plan:
        """The planner alone, starting from given action sequences, each of shape (H, nu)."""
        memory = state.memory if isinstance(state.memory, Memory) else Memory()
        plan = self._start(problem, replace(state, memory=memory.inner), deadline, plans)
        info = {k: v for k, v in plan.info.items() if k != "memory"}
        return replace(plan, info=info)


class Unplanned(Controller):
    """Does what is proposed: the floor that planning from a proposal must clear.

    Args:
        name: short name, used in tables.
        task: resolved task.
        proposal: see `Proposal`.
        program: exact model, for states and cost of the plan.
        horizon: steps H that are told.
    """

    def __init__(
        self, name: str, task: Task, proposal: Proposal, program: Programs, horizon: int
    ) -> None:
        self.name, self.task, self.horizon = name, task, horizon
        self.proposal, self.program = proposal, program

    def plan(
        self,
        observation: np.ndarray,
        state: ControllerState | None = None,
        *,
        deadline: float | None = None,
    ) -> Plan:
        """The proposal at an observation. Shape (observation_size,)."""
        started, state = time.perf_counter(), state or ControllerState()
        problem = self.task.problem(observation, self.horizon)
        actions, memory = advance(self.proposal, observation, state, self.horizon)
        plan = finish(self.program, problem, actions, source="proposal", info={"memory": memory})
        return replace(plan, seconds=time.perf_counter() - started)

    def solve(self, problem: Problem, state: ControllerState, deadline: float | None) -> Plan:
        """A proposal needs the observation: idle."""
        actions = np.zeros((problem.horizon, problem.nu))
        return finish(self.program, problem, actions, source="idle")


def advance(
    proposal: Proposal, observation: np.ndarray, state: ControllerState, horizon: int
) -> tuple[np.ndarray, Memory]:
    """Proposed actions (H, nu), and what to remember after this decision.

    A decision in which a fallback acted took the clock of the proposal along without asking it.
    """
    memory = state.memory if isinstance(state.memory, Memory) else Memory(step=state.step)
    hidden = memory.proposal
    for _ in range(state.step - memory.step):
        hidden = proposal.actions(observation, hidden, 1)[1]
    actions, after = proposal.actions(observation, hidden, horizon)
    return actions, Memory(memory.inner, after, state.step + 1)
