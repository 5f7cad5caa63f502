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

from sparsectl.control.base import Controller, ControllerState
from sparsectl.control.plans import finish, no_plan, of_the_model
from sparsectl.errors import NonFiniteError
from sparsectl.mip import Limits, MIPModel, Solution
from sparsectl.mip.claims import CONTRADICTION, Known
from sparsectl.mip.ocp import OCP
from sparsectl.mip.prepare import check_finite, prepare
from sparsectl.mip.relax import Relaxed, Solver, check_solver, relax
from sparsectl.mip.scale import Scaling, scaled
from sparsectl.mip.search.contract import WEAK_DUALITY
from sparsectl.mip.search.polish import Polisher
from sparsectl.task import Problem
from sparsectl.types import Plan, Status

if TYPE_CHECKING:
    from sparsectl.control.config import Setup
    from sparsectl.control.settings import RelaxationConfig


class Relaxation(Controller):
    """Plans on the convex relaxation of the mixed-integer model.

    Raises:
        MissingExtra: the chosen solver is not installed.
    """

    def __init__(self, setup: Setup, config: RelaxationConfig) -> None:
        super().__init__(setup)
        self.config = config
        first: Solver = "highs" if self.config.solver == "highs" else "clarabel"
        second: Solver = "clarabel" if first == "highs" else "highs"
        check_solver(first)
        self._solvers = (first, second)
        self._least = 0.0

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
        check_finite(problem)
        if deadline is not None and time.perf_counter() + self._least > deadline:
            why = f"no time: bounds and model alone take about {self._least:.2g} s"
            return no_plan(problem, Status.NO_SOLUTION, why, source="relaxation"), None
        ocp = OCP(self.program.at(problem), problem)
        own, scaling, model = self._prepare(ocp, deadline)
        answer, why = self._relax(model, deadline)
        if answer.status != "infeasible":
            plan = self._finish(own, scaling, model, problem, answer, deadline)
            return of_the_model(plan, self.program, problem), None
        found = Known.of(own, [scaling.actions(a) for a in starts]).actions
        if found is not None:
            why = "a claim that there is no plan, but there is one: not believed"
            return finish(
                self.program, problem, scaling.original_actions(found), source="relaxation",
                info={"message": why},
            ), None  # fmt: skip
        proved = answer.bound == np.inf
        if not proved:
            why = f"{answer.message}, which its multipliers do not prove"
        if self.config.soft_penalty is None or problem.constraints.empty:
            status = Status.INFEASIBLE if proved else Status.NO_SOLUTION
            return no_plan(problem, status, why, source="relaxation"), None
        priced = replace(ocp, penalty=self.config.soft_penalty)
        _, scaling, model = self._prepare(priced, deadline)
        answer, _ = self._relax(model, deadline)
        plan = self._finish(None, scaling, model, problem, answer, deadline)
        if plan.status.has_plan:
            violated = "violated" in plan.info
            info = {**plan.info, "softened": why, "proved_infeasible": violated and proved}
            status = Status.SOFTENED if violated else Status.HEURISTIC
            plan = replace(plan, status=status, bound=None, info=info)
        return plan, None

    def _prepare(
        self, ocp: OCP, deadline: float | None
    ) -> tuple[OCP, Scaling, MIPModel | Solution]:
        started = time.perf_counter()
        own, scaling = scaled(ocp)
        until = None if deadline is None else (started + deadline) / 2
        try:
            model: MIPModel | Solution = prepare(own, self.config.bounds, until)
        except NonFiniteError as error:  # bounds that overflow
            model = Solution(Status.FAILED, message=str(error))
        took = time.perf_counter() - started
        self._least = min(took, self._least or took)
        return own, scaling, model

    def _relax(self, model: MIPModel | Solution, deadline: float | None) -> tuple[Relaxed, str]:
        """One solve, a second one by the other solver where the first fails; why not, in words."""
        if isinstance(model, Solution):
            impossible = model.status is Status.INFEASIBLE
            status: Any = "infeasible" if impossible else "failed"
            bound = np.inf if impossible else -np.inf
            return Relaxed(status, None, bound, model.message), model.message
        answer, message = Relaxed("failed", None, -np.inf, ""), ""
        for solver in self._solvers:
            left = None if deadline is None else deadline - time.perf_counter()
            answer = relax(model, solver, left)
            answer = replace(answer, message=message + answer.message)
            late = deadline is not None and time.perf_counter() > deadline
            if answer.status != "failed" or late:
                break
            message = answer.message + "; "
        return answer, "no plan can satisfy the constraints: even the relaxation has none"

    def _finish(
        self,
        own: OCP | None,
        scaling: Scaling,
        model: MIPModel | Solution,
        problem: Problem,
        answer: Relaxed,
        deadline: float | None,
    ) -> Plan:
        """The answer rolled out; polished where constraints are hard (`own` is given)."""
        if answer.values is None or isinstance(model, Solution):
            status = Status.NO_SOLUTION if answer.status == "limit" else Status.FAILED
            return no_plan(problem, status, answer.message, source="relaxation")
        info: dict[str, Any] = {"message": answer.message}
        actions = answer.values[model.u]
        if own is not None and self.config.polish:
            actions = own.problem.admit(actions)
            polisher = Polisher(own, model)
            polished = polisher(actions, passes=self.config.polish, deadline=deadline)
            actions, info["polish_solves"] = polished.actions, polished.solves
        actions = scaling.original_actions(actions)
        plan = finish(self.program, problem, actions, source="relaxation", info=info)
        if not plan.status.has_plan or "violated" in plan.info or not np.isfinite(answer.bound):
            return plan
        cost, unit = plan.cost / scaling.cost_unit, scaling.cost_unit
        if answer.bound > cost + CONTRADICTION * (1 + abs(cost)):
            words = f"a bound of {answer.bound * unit:.9g} above this plan's cost: not believed"
            return replace(plan, info={**plan.info, "message": f"{words}; {answer.message}"})
        allowed = (self.config.tolerance or 0.0) / unit
        claim = Limits(gap=self.config.gap, absolute_gap=allowed).claim(cost, answer.bound, unit)
        status = Status.OPTIMAL if claim else Status.FEASIBLE
        bound = min(answer.bound, cost) * unit
        return replace(plan, status=status, bound=bound, certificate=WEAK_DUALITY, claim=claim)
