"""Plans that something else than planning proposes, as a start of planning.

A planner with a short horizon does not see what a rhythm is good for; a policy that has one
proposes it. What the planner returns is never worse than the proposal under its model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from sparsectl.control.base import Controller, ControllerState, Wrapper, finish
from sparsectl.errors import ConfigError
from sparsectl.offers import OFFERS
from sparsectl.task import Problem, Task
from sparsectl.types import Plan

if TYPE_CHECKING:
    from sparsectl.program import Programs

Source = str | Mapping[str, Any]
"""In a config: checkpoint of a policy, or `{body: ..., circuit: ...}`."""


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


@dataclass(frozen=True)
class Maker:
    """What makes proposals of what a config names; a room above offers it.

    Attributes:
        check: (source, place in the config) -> None; raises ConfigError where the source names no
            proposal.
        make: (source, task, model in which it thinks ahead, place) -> the proposal; raises
            ConfigError where it does not fit the task, CheckpointError where it cannot be read.
    """

    check: Callable[[Any, str], None]
    make: Callable[[Source, Task, Programs, str], Proposal]


def maker() -> Maker:
    """The maker that a room above offers."""
    made: Maker = OFFERS["proposals"]()
    return made


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


class Proposed(Wrapper):
    """A planner that starts from a proposal as well as from its own last plan.

    The proposal is the planner's best first guess: samplers search around it, the last plan moved
    on and idling. Its memory travels in the `ControllerState`, so its clock goes on whatever the
    planner makes of it. `info["proposal_cost"]` is what the proposal itself would cost. Where a
    problem has no observation, the planner is alone.

    Args:
        inner: planner that can start from given plans.
        proposal: see `Proposal`.
        program: exact model.

    Raises:
        ConfigError: a planner that cannot start from given plans.
    """

    def __init__(self, inner: Controller, proposal: Proposal, program: Programs) -> None:
        super().__init__(inner)
        self.proposal, self.program = proposal, program
        if not inner.takes_starts:
            raise ConfigError(
                f"controller '{inner.name}' cannot start from a proposal: only mip, two_models, "
                "mppi, cem and gradient can"
            )

    def solve(
        self,
        problem: Problem,
        state: ControllerState,
        *,
        deadline: float | None = None,
        starts: Sequence[np.ndarray] = (),
    ) -> tuple[Plan, Memory]:
        """The planner's plan, starting from the proposal too."""
        if problem.observation is None:
            memory = state.memory if isinstance(state.memory, Memory) else Memory(step=state.step)
            facts, first = {}, list(starts)
        else:
            actions, memory = advance(self.proposal, problem.observation, state, problem.horizon)
            proposed = finish(self.program, problem, actions, source="proposal")
            facts, first = {"proposal_cost": proposed.cost}, [*starts, actions]
        own = replace(state, memory=memory.inner)
        plan, inner = self.inner.solve(problem, own, deadline=deadline, starts=first)
        return replace(plan, info={**plan.info, **facts}), replace(memory, inner=inner)


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
