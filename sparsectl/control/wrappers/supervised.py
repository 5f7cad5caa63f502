"""A wall-clock budget, checks and fallbacks around any controller.

Nothing is interrupted: the inner controller gets an absolute deadline a little before the end of
the budget and is trusted to return by it. An answer that comes late anyway is counted
(`info["overrun"]`, seconds past the budget) and by default still used, because it is computed
for the present state, which the shifted plan is not; `late="discard"` is for systems in which a
late action is useless. Without a usable answer act, in this order, the last plan moved on by one
step, the sampler (if one is given), the idle action.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from sparsectl.checks import within
from sparsectl.control.base import Controller, ControllerState, Wrapper, idle_action
from sparsectl.control.plans import finish
from sparsectl.errors import ConfigError, NonFiniteError, SparsectlError
from sparsectl.task import Problem
from sparsectl.types import Plan, Status

if TYPE_CHECKING:
    from sparsectl.program import Programs


@dataclass(frozen=True)
class SupervisedConfig:
    """Settings of `Supervised`."""

    budget: float = 0.2
    """Wall-clock time per decision [s]."""
    margin: float = 0.01
    """The inner controller's deadline lies this long before the end of the budget [s]."""
    late: Literal["use", "discard"] = "use"
    """What happens to an answer that arrives after the budget."""
    sampler_budget: float = 0.02
    """Least time that the fallback sampler gets [s]; it also gets what is left of the budget."""
    drop_after: int = 3
    """Failures in a row after which the old plan is dropped: a cold start."""
    terminate_after: int | None = None
    """Failures in a row after which `info["terminate"]` asks to end the episode; None: never."""
    on_bad_observation: Literal["raise", "fallback"] = "raise"
    """What happens at a NaN or infinite observation."""

    def __post_init__(self) -> None:
        within(self, "supervised", "(0, inf)", "budget")
        within(self, "supervised", "[0, inf)", "margin", "sampler_budget")
        if not self.margin < self.budget:
            raise ConfigError(
                f"budget {self.budget} s with margin {self.margin} s: expected 0 <= margin < budget"
            )
        if self.drop_after < 1 or (self.terminate_after is not None and self.terminate_after < 1):
            raise ConfigError("drop_after and terminate_after must be at least 1")


class Supervised(Wrapper):
    """Gives `inner` a budget per decision and always returns something to execute.

    `Plan.source` says what acted and `Plan.fallback` why the inner controller did not:
    "deadline" (out of time with nothing found, or late and discarded), "infeasible",
    "no_solution", "failed", or "exception:<Type>"; `info["message"]` has the details. Caught are
    `SparsectlError`, arithmetic, linear-algebra, value, runtime and memory errors, and the bare
    `Exception` that solver bindings raise; anything else is a bug and passes, like Ctrl-C.

    Args:
        program: exact model, for the cost of fallback plans.
        sampler: cheap controller of the same task, or None.
    """

    def __init__(
        self,
        inner: Controller,
        program: Programs,
        config: SupervisedConfig | None = None,
        sampler: Controller | None = None,
    ) -> None:
        super().__init__(inner)
        self.program, self.sampler = program, sampler
        self.config = config or SupervisedConfig()

    def blind(self, error: NonFiniteError, state: ControllerState) -> tuple[Plan, Any]:
        """What acts without an observation, unless `on_bad_observation` is "raise"."""
        if self.config.on_bad_observation == "raise":
            raise error
        plan = _blind(self, state, error)
        return self._done(plan, state, time.perf_counter(), None), state.memory

    def solve(
        self,
        problem: Problem,
        state: ControllerState,
        *,
        deadline: float | None = None,
        starts: Sequence[np.ndarray] = (),
    ) -> tuple[Plan, Any]:
        """Plan within the budget; the memory is `inner`'s, as it was where a fallback acts."""
        started = time.perf_counter()
        end = started + self.config.budget
        end = end if deadline is None else min(end, deadline)
        if state.failures >= self.config.drop_after:
            state = replace(state, plan=None, memory=None)
        inner_end = end - self.config.margin
        plan, memory, reason, message = None, state.memory, None, ""
        try:
            plan, after = self.inner.solve(problem, state, deadline=inner_end, starts=starts)
            reason, message = _objection(plan, problem)
        except Exception as error:
            if not expected(error):
                raise
            reason, message = f"exception:{type(error).__name__}", str(error)
        now = time.perf_counter()
        if reason == Status.NO_SOLUTION and now >= inner_end:
            reason = "deadline"
        if reason is None and now > end and self.config.late == "discard":
            reason, message = "deadline", f"the answer came {now - end:.3f} s late"
        if plan is not None and reason is None:
            memory = after
        else:
            plan = replace(self._substitute(problem, state, end), fallback=reason)
            plan = replace(plan, info={**plan.info, "message": message})
        return self._done(plan, state, started, end), memory

    def _substitute(self, problem: Problem, state: ControllerState, end: float) -> Plan:
        """What acts instead of the inner controller."""
        idle = idle_action(self.task)
        shifted = state.shifted(problem.horizon, idle)
        if shifted is not None and state.plan is not None and state.plan.horizon > 1:
            plan = finish(self.program, problem, shifted, source="shifted")
            if plan.status.has_plan:
                return plan
        if self.sampler is not None:
            least = time.perf_counter() + self.config.sampler_budget
            try:
                late = max(end - self.config.margin, least)
                plan, _ = self.sampler.solve(problem, replace(state, memory=None), deadline=late)
                if _objection(plan, problem)[0] is None:
                    return plan
            except Exception as error:
                if not expected(error):
                    raise
        actions = np.repeat(idle[None], problem.horizon, axis=0)
        plan = finish(self.program, problem, actions, source="idle")
        return (
            plan
            if plan.status.has_plan
            else Plan(actions, problem.x0[None], Status.HEURISTIC, float("inf"), source="idle")
        )

    def _done(self, plan: Plan, state: ControllerState, started: float, end: float | None) -> Plan:
        now = time.perf_counter()
        info: dict[str, Any] = dict(plan.info)
        end = started + self.config.budget if end is None else end
        info["overrun"] = max(0.0, now - end)
        limit = self.config.terminate_after
        failed = plan.fallback is not None
        info["terminate"] = bool(failed and limit is not None and state.failures + 1 >= limit)
        return replace(plan, seconds=now - started, info=info)


def expected(error: Exception) -> bool:
    """Whether an exception is an outcome of planning rather than a bug."""
    kinds = (SparsectlError, ArithmeticError, np.linalg.LinAlgError, ValueError, RuntimeError)
    return isinstance(error, (*kinds, MemoryError)) or type(error) is Exception


def _objection(plan: Plan, problem: Problem) -> tuple[str | None, str]:
    """Why a plan cannot be executed: (reason, message), or (None, "")."""
    if not plan.status.has_plan:
        return str(plan.status), plan.info.get("message") or plan.status.advice
    if plan.horizon == 0 or plan.actions.shape[1] != problem.nu:
        return "failed", f"the plan's actions have shape {plan.actions.shape}"
    if not np.isfinite(plan.actions).all():
        return "failed", "the plan holds a non-finite action"
    slack = 1e-6 * np.maximum(1.0, problem.u_high - problem.u_low)
    outside = np.maximum(problem.u_low - plan.actions, plan.actions - problem.u_high) - slack
    if outside.max() > 0:
        return "failed", f"the plan leaves the action box by {outside.max():.3g}"
    return None, ""


def _blind(controller: Supervised, state: ControllerState, error: NonFiniteError) -> Plan:
    """Substitute without an observation: the last plan moved on, else idle; cost inf."""
    idle = idle_action(controller.task)
    shifted = state.shifted(controller.horizon, idle)
    trusted = state.failures < controller.config.drop_after
    if shifted is not None and state.plan is not None and trusted:
        states, source = state.plan.states[1:], "shifted"
    else:
        shifted = np.repeat(idle[None], controller.horizon, axis=0)
        states, source = np.full((1, controller.task.nx), np.nan), "idle"
    return Plan(
        shifted,
        states,
        Status.HEURISTIC,
        float("inf"),
        source=source,
        fallback=f"exception:{type(error).__name__}",
        info={"message": str(error)},
    )
