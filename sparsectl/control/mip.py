"""Receding-horizon control by mixed-integer programming over the ReLU program."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from sparsectl.control.base import Controller, ControllerState
from sparsectl.control.candidates import PENALTY, candidates, exact_costs
from sparsectl.control.plans import finish, no_plan, of_the_model, violation
from sparsectl.mip import Solution, anytime
from sparsectl.task import Problem
from sparsectl.types import Plan, Status

if TYPE_CHECKING:
    from sparsectl.control.config import Setup
    from sparsectl.control.settings import MIPConfig

_RETRY, _LEAST = 3, 0.003
"""A second search, with soft constraints, needs so many times the first one's preparation, which
is taken to be this at least [s]."""
_ROLLOUT = 0.003
"""Kept free at the end for exact rollouts [s]."""
_MOST, _MOST_AFTER, _AGEING = 0.5, 0.25, 0.99
"""Where preparation would take more than this share of the time there is no branch and bound, and
the time is the starting plans'; the second where candidates come before it. What is known ages, so
that it is tried again now and then."""


class MIPController(Controller):
    """Plans globally: the best plan under the model, or how far from it at most.

    Its memory is how long bounds and model take [s], as far as is known. An episode begins with
    the least that it ever took, so that its first decision is no later than the others.

    Args:
        samplers: controllers that propose starting plans.
    """

    takes_starts = True

    def __init__(self, setup: Setup, config: MIPConfig, samplers: Sequence[Controller]) -> None:
        super().__init__(setup)
        self.config, self._samplers = config, samplers
        self._known = 0.0

    def solve(
        self,
        problem: Problem,
        state: ControllerState,
        *,
        deadline: float | None = None,
        starts: Sequence[np.ndarray] = (),
    ) -> tuple[Plan, float]:
        """Best plan by the deadline, with its proven bound."""
        config = self.config
        if deadline is None and config.seconds is not None:
            deadline = time.perf_counter() + config.seconds
        known = state.memory if isinstance(state.memory, float) else self._known
        left = np.inf if deadline is None else deadline - time.perf_counter()
        # Starting plans may violate constraints; without a price of that only the search will do.
        may = self._samplers and (config.soft_penalty is not None or problem.constraints.empty)
        most = _MOST_AFTER if anytime.discrete(problem) else _MOST
        if deadline is not None and may and known > max(0.0, most * left):
            message = (
                f"no branch and bound: preparing it takes about {known:.2g} s, most of the time "
                "there is; give it more, or a shorter horizon or fewer ReLUs"
            )
            found = self._starts(problem, state, starts, deadline - _ROLLOUT)
            return self._best_start(problem, found, message), _AGEING * known
        options = anytime.Options(
            config.backend, config.bounds, config.gap, config.nodes, config.share, config.polish,
            config.explore, tolerance=config.tolerance,
        )  # fmt: skip

        program = self.program.at(problem)

        proposed: list[np.ndarray] = []

        def propose(end: float | None) -> list[np.ndarray]:
            proposed[:] = [*starts, *self._propose(problem, state, end)]
            return proposed

        solution = hard = anytime.plan(program, problem, propose, options, deadline)
        built = hard.build_seconds
        penalty = config.soft_penalty
        if not hard.status.has_plan and penalty is not None and not problem.constraints.empty:
            needed = _RETRY * max(built, _LEAST)
            if deadline is None or deadline - time.perf_counter() > needed:
                options = replace(options, soft_penalty=penalty)
                solution = anytime.plan(program, problem, propose, options, deadline)
                built += solution.build_seconds
            elif found := proposed or self._starts(problem, state, starts, deadline - _ROLLOUT):
                message = "no time for a second search: the best of the starting plans"
                plan = self._best_start(problem, found, message, hard)
                if plan.status.has_plan:
                    return plan, self._remember(built)
        plan = _as_plan(problem, solution, hard)
        return of_the_model(plan, self.program, problem), self._remember(built)

    def _remember(self, built: float) -> float:
        """The memory after bounds and model took so long [s]."""
        self._known = min(built, self._known or built)
        return built

    def _starts(
        self,
        problem: Problem,
        state: ControllerState,
        given: Sequence[np.ndarray],
        end: float,
    ) -> list[np.ndarray]:
        """Starting plans, where they have all of the time."""

        def propose(until: float | None) -> list[np.ndarray]:
            return [*given, *self._propose(problem, state, until)]

        if anytime.discrete(problem) and self.config.explore > 0:
            return anytime.candidates(self.program.at(problem), problem, propose, end)
        return propose(end)

    def _best_start(
        self,
        problem: Problem,
        found: list[np.ndarray],
        message: str,
        hard: Solution | None = None,
    ) -> Plan:
        """The best starting plan with violations at their price, where there is no time for more.

        `HEURISTIC`, or `SOFTENED` where it violates constraints; `hard` is the search that found
        nothing.
        """
        penalty = self.config.soft_penalty or PENALTY
        costs = exact_costs(self.program, problem, np.stack(found), penalty)
        best = problem.admit(found[int(np.argmin(costs))])
        info: dict[str, Any] = {"message": message}
        plan = finish(self.program, problem, best, source="mip", info=info, alternatives=(best,))
        if "violated" not in plan.info:
            return plan
        why = {"softened": message, "proved_infeasible": False} if hard is None else _why(hard)
        return replace(plan, status=Status.SOFTENED, info={**plan.info, **why})

    def _propose(
        self, problem: Problem, state: ControllerState, end: float | None
    ) -> list[np.ndarray]:
        plans = list(candidates(self.task, state, problem.horizon))
        own = replace(state, memory=None)
        for k, sampler in enumerate(self._samplers):
            now = time.perf_counter()
            share = None if end is None else now + (end - now) / (len(self._samplers) - k)
            plan, _ = sampler.solve(problem, own, deadline=share)
            if plan.status.has_plan:
                plans.append(plan.actions)
        return plans


def _why(hard: Solution) -> dict[str, Any]:
    """Why a plan is softened, as entries of `Plan.info`."""
    return {"softened": hard.message, "proved_infeasible": hard.status is Status.INFEASIBLE}


def _as_plan(problem: Problem, solution: Solution, hard: Solution) -> Plan:
    """The plan of a solution; that of the softened problem where it is another than the hard one's.

    A softened problem has another objective: its bound says nothing about the plan's cost. What
    was proved about the hard problem holds for a plan that turns out to keep the constraints.
    """
    info: dict[str, Any] = {
        "nodes": solution.nodes,
        "binaries": solution.binaries,
        "build_seconds": solution.build_seconds,
        "message": solution.message,
    }
    softened = solution is not hard
    if softened:
        info |= _why(hard)
    if solution.actions is None or solution.states is None:
        empty = no_plan(problem, hard.status, solution.message, source="mip")
        return replace(empty, bound=hard.bound, certificate=hard.certificate, info=info)
    info |= violation(problem, solution.states)
    status, cost, bound = solution.status, solution.cost, solution.bound
    if softened:
        cost, bound = float(problem.cost(solution.states, solution.actions)), hard.bound
        info["softened_bound"] = solution.bound
        if bound is not None and ("violated" in info or bound > cost):
            bound = None  # a plan that keeps the constraints for less refutes it
        if "violated" in info:
            status = Status.SOFTENED
        else:
            status = Status.HEURISTIC if bound is None else Status.FEASIBLE
            info["proved_infeasible"] = False
    return Plan(
        actions=solution.actions,
        states=solution.states,
        status=status,
        cost=cost,
        bound=bound,
        certificate="" if bound is None else (hard if softened else solution).certificate,
        claim=solution.claim if status is Status.OPTIMAL else "",
        source="mip",
        trace=solution.trace,
        alternatives=solution.plans,
        info=info,
    )
