"""Receding-horizon control by mixed-integer programming over the ReLU program."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from sparsectl.control.base import Controller, ControllerState, finish, no_plan
from sparsectl.control.objective import PENALTY, candidates, exact_costs
from sparsectl.dynamics.base import Dynamics
from sparsectl.errors import ConfigError
from sparsectl.mip import Solution, anytime
from sparsectl.mip.prepare import BoundMethod
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


@dataclass(frozen=True)
class MIPConfig:
    """Settings of `MIPController`."""

    backend: str = "auto"
    """`auto` (chosen by size and structure), `hull`, `boxes`, `scip` or `highs`."""
    bounds: BoundMethod = "crown"
    """Neuron bounds: `interval`, `crown` or `lp`."""
    gap: float = 1e-3
    """Relative gap at which a plan counts as proved."""
    seconds: float | None = 5.0
    """Time per decision when no deadline is given [s]; None: until proved."""
    nodes: int | None = None
    """Node limit per decision, for runs that must repeat exactly; None: none."""
    starts: list[str] = field(default_factory=lambda: ["cem"])
    """Controllers that propose starting plans: any of mppi, cem, gradient. May be empty."""
    share: float = 0.3
    """Share of the time for the starting plans."""
    polish: int = 4
    """How many starting plans are polished by pattern LPs."""
    explore: int = 6
    """How many plans of a wide search around the starting plans are polished too; 0: no search."""
    soft_penalty: float | None = 1e3
    """When hard constraints cannot hold: retry with this cost per unit of violation (None: no)."""

    def __post_init__(self) -> None:
        if self.gap < 0 or not 0 <= self.share < 1 or min(self.polish, self.explore) < 0:
            raise ConfigError("mip needs gap >= 0, share in [0, 1), polish and explore >= 0")
        if self.seconds is not None and not self.seconds > 0:
            raise ConfigError(f"mip seconds is {self.seconds}, expected more than 0")
        if self.soft_penalty is not None and not self.soft_penalty > 0:
            raise ConfigError(f"mip soft_penalty is {self.soft_penalty}, expected more than 0")


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
                options = replace(options, soft_penalty=penalty)
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
        return finish(self.program, problem, best, source="mip", info=info), (best,)

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
    if solution.actions is None or solution.states is None:
        empty = no_plan(problem, solution.status, solution.message, source="mip")
        return replace(empty, bound=solution.bound, info=info)
    info["violation"] = float(problem.constraints.violation(solution.states))
    # A softened problem has another objective: its bound says nothing about the plan's cost.
    cost = float(problem.cost(solution.states, solution.actions)) if softened else solution.cost
    return Plan(
        actions=solution.actions,
        states=solution.states,
        status=solution.status,
        cost=cost,
        bound=None if softened else solution.bound,
        source="mip",
        trace=solution.trace,
        info=info,
    )
