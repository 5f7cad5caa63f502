"""Receding-horizon control by mixed-integer programming over the ReLU program."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from sparsectl.control.base import (
    TOLERATED,
    Controller,
    ControllerState,
    finish,
    no_plan,
    violation,
)
from sparsectl.control.config import MIPConfig
from sparsectl.control.samplers.objective import PENALTY, candidates, exact_costs
from sparsectl.dynamics.base import Dynamics
from sparsectl.errors import ConfigError
from sparsectl.mip import Solution, anytime
from sparsectl.program import Programs, ReluProgram
from sparsectl.task import Problem, Task
from sparsectl.types import Plan, Status

_RETRY, _LEAST = 3, 0.003
"""A second search, with soft constraints, needs so many times the first one's preparation, which
is taken to be this at least [s]."""
PREPARATION = "preparation"
"""Entry of `Plan.info`: how long bounds and model take [s], as far as is known."""
_ROLLOUT = 0.003
"""Kept free at the end for exact rollouts [s]."""
_MOST, _AGEING = 0.7, 0.99
"""Where preparation would take more than this share of the time there is no branch and bound, and
the time is the starting plans'. What is known ages, so that it is tried again now and then."""


class MIPController(Controller):
    """Plans globally: the best plan under the model, or how far from it at most.

    Args:
        name: short name, used in tables.
        task: resolved task.
        program: dynamics program, or where it depends on the state, its source.
        dynamics: the same model in torch, for the starting plans.
        horizon: planned steps H.
        config: settings.
        device: torch device of the starting plans.
    """

    def __init__(
        self,
        name: str,
        task: Task,
        program: Programs,
        dynamics: Dynamics,
        horizon: int,
        config: MIPConfig | None = None,
        device: str = "auto",
    ) -> None:
        from sparsectl.control.build import build

        self.name, self.task, self.horizon = name, task, horizon
        self.program, self.config = program, config or MIPConfig()
        if "mip" in self.config.starts:
            raise ConfigError("mip cannot start from mip: expected mppi, cem or gradient")
        self._starts = [
            build(kind, {}, task, dynamics, program, horizon, device) for kind in self.config.starts
        ]

    def solve(self, problem: Problem, state: ControllerState, deadline: float | None) -> Plan:
        """Best plan by the deadline, with its proven bound."""
        return self.solve_from(problem, state, deadline, ())

    def solve_from(
        self,
        problem: Problem,
        state: ControllerState,
        deadline: float | None,
        plans: Sequence[np.ndarray],
    ) -> Plan:
        """As `solve`, starting also from given action sequences, each of shape (H, nu)."""
        return self.solve_all(problem, state, deadline, plans)[0]

    def solve_all(
        self,
        problem: Problem,
        state: ControllerState,
        deadline: float | None,
        plans: Sequence[np.ndarray],
    ) -> tuple[Plan, tuple[np.ndarray, ...]]:
        """As `solve_from`, and different good plans met on the way, best first."""
        config = self.config
        if deadline is None and config.seconds is not None:
            deadline = time.perf_counter() + config.seconds
        known = (state.plan.info.get(PREPARATION) if state.plan else None) or 0.0
        left = np.inf if deadline is None else deadline - time.perf_counter()
        # Starting plans may violate constraints; without a price of that only the search will do.
        may = self._starts and (config.soft_penalty is not None or problem.constraints.empty)
        if deadline is not None and may and known > max(0.0, _MOST * left):
            return self._unprepared(problem, state, deadline, plans, known)
        options = anytime.Options(
            config.backend, config.bounds, config.gap, config.nodes, config.share, config.polish,
            config.explore,
        )  # fmt: skip

        program = self.program.at(problem)

        proposed: list[np.ndarray] = []

        def propose(end: float | None) -> list[np.ndarray]:
            proposed[:] = [*plans, *self._propose(problem, state, end)]
            return proposed

        solution = hard = anytime.plan(program, problem, propose, options, deadline)
        penalty = config.soft_penalty
        if not hard.status.has_plan and penalty is not None and not problem.constraints.empty:
            needed = _RETRY * max(hard.build_seconds, _LEAST)
            if deadline is None or deadline - time.perf_counter() > needed:
                # An engine that the user chose may have no soft constraints.
                engine = config.backend if config.backend in ("scip", "highs") else "auto"
                options = replace(options, backend=engine, soft_penalty=penalty)
                solution = anytime.plan(program, problem, propose, options, deadline)
            else:
                solution = _least_bad(program, problem, proposed, penalty) or hard
        return _as_plan(problem, solution, hard), solution.plans

    def _unprepared(
        self,
        problem: Problem,
        state: ControllerState,
        deadline: float,
        plans: Sequence[np.ndarray],
        known: float,
    ) -> tuple[Plan, tuple[np.ndarray, ...]]:
        """The best starting plan, where there is no time for more; status `HEURISTIC`."""
        found = [*plans, *self._propose(problem, state, deadline - _ROLLOUT)]
        penalty = self.config.soft_penalty or PENALTY
        costs = exact_costs(self.program, problem, np.stack(found), penalty)
        best = found[int(np.argmin(costs))]
        message = (
            f"no branch and bound: preparing it takes about {known:.2g} s, most of the time "
            "there is; give it more, or a shorter horizon or fewer ReLUs"
        )
        info = {PREPARATION: _AGEING * known, "message": message}
        plan = finish(self.program, problem, best, source="mip", info=info)
        if plan.info.get("violation", 0.0) > TOLERATED:
            info = {**plan.info, "softened": message, "proved_infeasible": False}
            plan = replace(plan, status=Status.SOFTENED, info=info)
        return plan, (best,)

    def _propose(
        self, problem: Problem, state: ControllerState, end: float | None
    ) -> list[np.ndarray]:
        plans = list(candidates(self.task, state, problem.horizon))
        for k, controller in enumerate(self._starts):
            now = time.perf_counter()
            share = None if end is None else now + (end - now) / (len(self._starts) - k)
            plan = controller.solve(problem, state, share)
            if plan.status.has_plan:
                plans.append(plan.actions)
        return plans


def _least_bad(
    program: ReluProgram, problem: Problem, plans: list[np.ndarray], penalty: float
) -> Solution | None:
    """The best of given plans with violations at their price, without a bound."""
    if not plans:
        return None
    costs = exact_costs(program, problem, np.stack(plans), penalty)
    best = int(np.argmin(costs))
    if not np.isfinite(costs[best]):
        return None
    actions = np.clip(plans[best], problem.u_low, problem.u_high)
    return Solution(
        Status.FEASIBLE, actions, program.rollout(problem.x0, actions), float(costs[best]),
        plans=(actions,), message="no time for a second search: the best of the starting plans",
    )  # fmt: skip


def _as_plan(problem: Problem, solution: Solution, hard: Solution) -> Plan:
    """The plan of a solution; that of the softened problem where it is another than the hard one's.

    A softened problem has another objective: its bound says nothing about the plan's cost. What
    was proved about the hard problem holds for a plan that turns out to keep the constraints.
    """
    info: dict[str, Any] = {
        "nodes": solution.nodes,
        "binaries": solution.binaries,
        "build_seconds": solution.build_seconds,
        PREPARATION: hard.build_seconds,
        "message": solution.message,
    }
    softened = solution is not hard
    if softened:
        info["softened"] = hard.message
        info["proved_infeasible"] = hard.status is Status.INFEASIBLE
    if solution.actions is None or solution.states is None:
        empty = no_plan(problem, hard.status, solution.message, source="mip")
        return replace(empty, bound=hard.bound, info=info)
    info |= violation(problem, solution.states)
    status, cost, bound = solution.status, solution.cost, solution.bound
    if softened:
        cost, bound = float(problem.cost(solution.states, solution.actions)), hard.bound
        info["softened_bound"] = solution.bound
        if info["proved_infeasible"] or info["violation"] > TOLERATED:
            status, bound = Status.SOFTENED, None
        else:
            status = Status.HEURISTIC if bound is None else Status.FEASIBLE
    return Plan(
        actions=solution.actions,
        states=solution.states,
        status=status,
        cost=cost,
        bound=bound,
        source="mip",
        trace=solution.trace,
        info=info,
    )
