"""Run a trained policy (anything with Stable-Baselines3's `predict`) as a controller."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from sparsectl.control.base import Controller, ControllerState, finish, no_plan
from sparsectl.errors import NonFiniteError, ShapeError
from sparsectl.task import Problem, Task
from sparsectl.types import Plan, Status

if TYPE_CHECKING:
    from sparsectl.program import Programs


class Policy(Protocol):
    """What is needed of a policy; `stable_baselines3` models and ours both have it."""

    def predict(
        self,
        observation: Any,
        state: Any = None,
        episode_start: Any = None,
        deterministic: bool = False,
    ) -> tuple[Any, Any]:
        """Action and next hidden state."""


class PolicyController(Controller):
    """A policy as a controller of horizon 1; its hidden state travels in the `ControllerState`.

    The plan's cost is that of one step of the program, or NaN without a program.
    """

    def __init__(
        self,
        name: str,
        task: Task,
        policy: Policy,
        program: Programs | None = None,
        *,
        deterministic: bool = True,
    ) -> None:
        self.name, self.task, self.horizon = name, task, 1
        self.policy, self.model, self.deterministic = policy, program, deterministic

    def solve(
        self,
        problem: Problem,
        state: ControllerState,
        *,
        deadline: float | None = None,
        starts: Sequence[np.ndarray] = (),
    ) -> tuple[Plan, Any]:
        """One action of the policy at the problem's observation; `FAILED` without one.

        Raises:
            NonFiniteError, ShapeError: from the policy's action.
        """
        if problem.observation is None:
            message = "a policy acts on observations, and this problem has none: use task.problem()"
            return no_plan(problem, Status.FAILED, message, source="policy"), state.memory
        action, hidden = self.policy.predict(
            problem.observation,
            state=state.memory,
            episode_start=np.array([state.step == 0]),
            deterministic=self.deterministic,
        )
        actions = np.asarray(action, dtype=np.float64)[None]
        if actions.shape != (1, problem.nu):
            raise ShapeError(
                f"policy '{self.name}' returned an action of shape {actions.shape[1:]}, "
                f"expected ({problem.nu},): only Box action spaces can be controlled"
            )
        if not np.isfinite(actions).all():
            raise NonFiniteError(f"policy '{self.name}' returned a non-finite action")
        if self.model is not None:
            return finish(self.model, problem, actions, source="policy"), hidden
        clipped = np.clip(actions, problem.u_low, problem.u_high)
        plan = Plan(clipped, problem.x0[None], Status.HEURISTIC, float("nan"), source="policy")
        return plan, hidden
