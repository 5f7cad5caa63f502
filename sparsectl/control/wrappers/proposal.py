"""Plans that something else than planning proposes, as a start of planning.

A planner with a short horizon does not see what a rhythm is good for; a policy that has one
proposes it. What the planner returns is never worse than the proposal under its model.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from sparsectl import checkpoint
from sparsectl.control.base import Controller, ControllerState, Wrapper
from sparsectl.control.plans import finish
from sparsectl.control.policy import Policy, PolicyController, trained
from sparsectl.errors import CheckpointError, ConfigError, NonFiniteError, prefixed
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

        Returns:
            Actions (H, nu), and its memory after the first of them.
        """


class Rehearsal(ABC):
    """What a policy would do: it is played in the model.

    The parts of the observation that are no states of the model stay as they are.
    """

    def __init__(self, task: Task, program: Programs) -> None:
        self.task, self.program = task, program

    @abstractmethod
    def act(self, observation: np.ndarray, memory: Any) -> tuple[np.ndarray, Any]:
        """One action (nu,), and the memory after it; None before the first one."""

    def actions(self, observation: np.ndarray, state: Any, horizon: int) -> tuple[np.ndarray, Any]:
        """See `Proposal`; actions are admissible ones.

        Raises:
            NonFiniteError: the observation, or the policy's action.
        """
        problem = self.task.problem(observation, horizon, loose=True)
        program, x = self.program.at(problem), problem.x0
        seen = np.array(observation, dtype=np.float64)
        plan, memory, after, last = np.zeros((horizon, problem.nu)), state, state, None
        for t in range(horizon):
            action, memory = self.act(seen, memory)
            after = memory if t == 0 else after
            if not np.isfinite(action).all():
                raise NonFiniteError("the proposing policy's action is not finite")
            last = plan[t] = self.task.admit(action, last)
            x = program(np.concatenate([x, plan[t]]))
            if not np.isfinite(x).all():
                plan[t + 1 :] = plan[t]
                break
            seen = self.task.map.observation(x, seen)
        return problem.admit(plan), after


class PolicyProposal(Rehearsal):
    """What a policy with Stable-Baselines3's `predict` would do in the model."""

    def __init__(self, policy: Policy, task: Task, program: Programs) -> None:
        super().__init__(task, program)
        self.policy = policy

    def act(self, observation: np.ndarray, memory: Any) -> tuple[np.ndarray, Any]:
        """See `Rehearsal`."""
        start = np.array([memory is None])
        action, after = self.policy.predict(observation, memory, start, True)
        return np.asarray(action, dtype=np.float64), after


def followed(controller: PolicyController, observation: np.ndarray, horizon: int) -> Plan:
    """Plan of doing what a policy says for a horizon, by the controller's model.

    Its cost can be compared with that of planners; that of the policy's own plan, of one step,
    cannot.

    Args:
        observation: Shape (observation_size,).

    Raises:
        NonFiniteError: the observation, or the policy's action.
    """
    assert controller.program is not None
    proposal = PolicyProposal(controller.policy, controller.task, controller.program)
    actions, _ = proposal.actions(observation, None, horizon)
    problem = controller.task.problem(observation, horizon, loose=True)
    return finish(controller.program, problem, actions, source="policy")


@dataclass(frozen=True)
class Maker:
    """What makes proposals of circuits; a room above offers it.

    Attributes:
        check: (mapping, place in the config) -> None; raises ConfigError where it names none.
        make: (source, task, model in which it thinks ahead, place) -> the proposal; raises
            ConfigError where it does not fit the task, CheckpointError where it cannot be read.
    """

    check: Callable[[Any, str], None]
    make: Callable[[Source, Task, Programs, str], Proposal]


def check(source: Any, where: str) -> None:
    """Refuse what names no proposal.

    Raises:
        ConfigError: naming the place.
    """
    if not isinstance(source, str):
        OFFERS["proposals"]().check(source, where)
    elif not source.strip():
        raise ConfigError(f"{where}: expected the folder of a policy, got an empty text")


def make(source: Source, task: Task, program: Programs, where: str) -> Proposal:
    """The proposal of a policy's folder, or of a circuit that is spelled out.

    Args:
        program: model in which it thinks ahead.

    Raises:
        ConfigError: a policy of other observations or actions.
        CheckpointError: the folder cannot be read.
    """
    with prefixed(where, ConfigError, CheckpointError):
        if isinstance(source, str) and checkpoint.load_tensors(source).meta["kind"] != "policy":
            return PolicyProposal(trained(source, task), task, program)
    made: Proposal = OFFERS["proposals"]().make(source, task, program, where)
    return made


@dataclass(frozen=True)
class Memory:
    """What a controller with a proposal remembers."""

    inner: Any = None
    proposal: Any = None
    step: int = 0


class Proposed(Wrapper):
    """A planner that starts from a proposal as well as from its own last plan.

    The proposal is the planner's best first guess: samplers search around it, the last plan moved
    on and idling. Its memory travels in the `ControllerState`, so its clock goes on whatever the
    planner makes of it. `info["proposal_cost"]` is what the proposal itself would cost. Where a
    problem has no observation, the planner is alone.

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
