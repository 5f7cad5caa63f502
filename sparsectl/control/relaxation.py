"""Receding-horizon control by the convex relaxation: what the binaries of `mip` are worth.

One convex program per decision. Its plan is re-rolled in the exact model, its optimum is a lower
bound on the cost of every plan.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from sparsectl.control.base import TOLERATED, Controller, ControllerState, finish, no_plan
from sparsectl.mip import Limits, Solution, bound_neurons, encode
from sparsectl.mip.ocp import OCP
from sparsectl.mip.prepare import check_finite, prepare
from sparsectl.mip.search.polish import Polisher
from sparsectl.mip.triangle import Relaxed, Solver, Triangle, structure
from sparsectl.program import ReluProgram
from sparsectl.program.bounds import HorizonBounds
from sparsectl.task import Problem
from sparsectl.types import Plan, Status

if TYPE_CHECKING:
    from sparsectl.control.config import Setup
    from sparsectl.control.settings import RelaxationConfig


class Relaxation(Controller):
    """Plans on the triangle relaxation of the ReLU program.

    A program that is the same for all states is compiled here, so that the first decision is as
    fast as the others.

    Args:
        setup: model and task.
        config: settings.

    Raises:
        MissingExtra: the chosen solver is not installed.
    """

    def __init__(self, setup: Setup, config: RelaxationConfig) -> None:
        super().__init__(setup)
        self.config = config
        first: Solver = "highs" if self.config.solver == "highs" else "clarabel"
        self._solvers: tuple[Solver, Solver] = (
            first, "clarabel" if first == "highs" else "highs",
        )  # fmt: skip
        self._compiled: tuple[ReluProgram, Triangle] | None = None
        self._compile_seconds = 0.0
        if isinstance(setup.program, ReluProgram):
            example = self.task.problem(np.zeros(self.task.map.observation_size), self.horizon)
            bounds = bound_neurons(setup.program, example, "interval", soft=True)
            self._triangle(example).solve(example, bounds, first, soft=True)

    def solve(
        self,
        problem: Problem,
        state: ControllerState,
        *,
        deadline: float | None = None,
        starts: Sequence[np.ndarray] = (),
    ) -> tuple[Plan, Any]:
        """Plan of the relaxation; `FEASIBLE` with its bound, or why there is none.

        Raises:
            NonFiniteError: a NaN or infinity in the problem.
        """
        return self._plan(problem, deadline), None

    def _plan(self, problem: Problem, deadline: float | None) -> Plan:
        check_finite(problem)
        bounds = bound_neurons(self.program.at(problem), problem, self.config.bounds)
        answer = self._relax(problem, bounds, deadline, soft=False)
        softened = None
        if answer.status == "infeasible":
            softened = self._why(problem)
            if self.config.soft_penalty is None or problem.constraints.empty:
                return self._none(problem, Status.INFEASIBLE, softened)
            bounds = bound_neurons(self.program.at(problem), problem, self.config.bounds, soft=True)
            answer = self._relax(problem, bounds, deadline, soft=True)
        if answer.actions is None:
            status = Status.NO_SOLUTION if answer.status == "limit" else Status.FAILED
            return self._none(problem, status, answer.message)
        return self._finish(problem, bounds, answer.actions, answer, softened, deadline)

    def _relax(
        self, problem: Problem, bounds: HorizonBounds, deadline: float | None, *, soft: bool
    ) -> Relaxed:
        """One solve; a second one by the other solver where the first fails."""
        if bounds.empty:
            return Relaxed("infeasible", None, -np.inf, "the bounds are empty")
        triangle = self._triangle(problem)
        message = ""
        for solver in self._solvers:
            left = None if deadline is None else deadline - time.perf_counter()
            answer = triangle.solve(problem, bounds, solver, soft=soft, seconds=left)
            answer = replace(answer, message=message + answer.message)
            late = deadline is not None and time.perf_counter() > deadline
            if answer.status != "failed" or late:
                break
            message = answer.message + "; "
        return answer

    def _finish(
        self,
        problem: Problem,
        bounds: HorizonBounds,
        actions: np.ndarray,
        answer: Relaxed,
        softened: str | None,
        deadline: float | None,
    ) -> Plan:
        actions = np.clip(actions, problem.u_low, problem.u_high)
        info: dict[str, Any] = {
            "message": answer.message, "compile_seconds": self._compile_seconds,
        }  # fmt: skip
        if softened is not None:
            info |= {"softened": softened, "proved_infeasible": True}
        elif self.config.polish:
            program = self.program.at(problem)
            model = encode(program, problem, bounds)
            if model.infeasible is None:
                polisher = Polisher(OCP(program, problem), model)
                polished = polisher(actions, passes=self.config.polish, deadline=deadline)
                actions, info["polish_solves"] = polished.actions, polished.solves
        plan = finish(self.program, problem, actions, source="relaxation", info=info)
        if softened is not None and plan.status.has_plan:
            return replace(plan, status=Status.SOFTENED)
        violated = plan.info.get("violation", 0.0) > TOLERATED
        if not plan.status.has_plan or violated or not np.isfinite(answer.bound):
            return plan
        closed = Limits(gap=self.config.gap).closed(plan.cost, answer.bound)
        status = Status.OPTIMAL if closed else Status.FEASIBLE
        return replace(plan, status=status, bound=answer.bound)

    def _triangle(self, problem: Problem) -> Triangle:
        """The relaxation of the problem's program, compiled where it is not the last one's."""
        program, known = self.program.at(problem), self._compiled
        if known is not None and known[0] is program and known[1].structure == structure(problem):
            return known[1]
        started = time.perf_counter()
        triangle = Triangle(program, problem, self.config.soft_penalty or 0.0)
        self._compiled = program, triangle
        self._compile_seconds = time.perf_counter() - started
        return triangle

    def _why(self, problem: Problem) -> str:
        """The constraint that cannot hold, where the bounds can name it."""
        found = prepare(OCP(self.program.at(problem), problem), self.config.bounds)
        if isinstance(found, Solution):
            return found.message
        return "no plan can satisfy the constraints: even the relaxation has none"

    def _none(self, problem: Problem, status: Status, message: str) -> Plan:
        return no_plan(problem, status, message, source="relaxation")
