"""Solvers as they are: the arrays of the same `MIPModel`, default settings, no starting plan.

One thread and the gap that is asked for are all that is set. Limits and traces are in seconds of
`time.perf_counter`, which the benchmark may have replaced (see `clock`).
"""

from __future__ import annotations

import importlib.metadata
import time
from collections.abc import Callable

import highspy
import numpy as np

from sparsectl.errors import SparsectlError
from sparsectl.mip.backends import highs as highs_backend
from sparsectl.mip.backends import scip as scip_backend
from sparsectl.mip.model import MIPModel
from sparsectl.mip.solution import Limits, RawSolution


class Refused(SparsectlError):
    """A method that cannot take this instance, which says nothing of others."""


Solve = Callable[[MIPModel, Limits], RawSolution]


def load(name: str) -> Solve:
    """The solver of that name: gurobi (needs `gurobipy`), highs or scip."""
    if name == "gurobi":
        from scripts.mip import gurobi

        return gurobi.solve
    return {"highs": highs, "scip": scip}[name]


def about(name: str) -> str:
    """A solver, its version and settings, in words."""
    package = {"gurobi": "gurobipy", "highs": "highspy", "scip": "pyscipopt"}[name]
    title = {"gurobi": "Gurobi", "highs": "HiGHS", "scip": "SCIP (PySCIPOpt"}[name]
    version = importlib.metadata.version(package) + (")" if name == "scip" else "")
    own = " (licence of the package, unless there is another)" if name == "gurobi" else ""
    return f"{title} {version}, defaults, one thread, no starting plan{own}"


def scip(model: MIPModel, limits: Limits) -> RawSolution:
    """SCIP."""
    started = time.perf_counter()
    solver, variables = scip_backend.build(model)
    solver.setParam("limits/gap", limits.gap)
    recorder = scip_backend._Trace(started)
    solver.includeEventhdlr(recorder, "trace", "incumbent and bound over time")
    if limits.seconds is not None:
        solver.setParam("limits/time", limits.seconds)
    solver.optimizeNogil()
    return scip_backend._read(solver, variables[: model.n], recorder, started)


def highs(model: MIPModel, limits: Limits) -> RawSolution:
    """HiGHS; without squared costs, which it has no search for."""
    if model.q.any():
        raise Refused("HiGHS has no search with squared costs")
    started = time.perf_counter()
    solver, trace = highs_backend.load(model), list[tuple[float, float, float]]()
    solver.resetOptions()
    for name, value in (("output_flag", False), ("threads", 1), ("mip_rel_gap", limits.gap)):
        solver.setOptionValue(name, value)

    def watch(event: highspy.highs.HighsCallbackEvent) -> None:
        now, state = time.perf_counter() - started, event.data_out
        point = (state.mip_primal_bound, state.mip_dual_bound)
        if not trace or point != trace[-1][1:]:
            trace.append((now, *point))
        if limits.seconds is not None and now > limits.seconds:
            event.interrupt()

    solver.cbMipInterrupt += watch
    solver.run()
    info, status = solver.getInfo(), solver.getModelStatus()
    found = info.primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible
    return RawSolution(
        values=np.array(solver.getSolution().col_value) if found else None,
        bound=known(info.mip_dual_bound, -np.inf),
        infeasible=status == highspy.HighsModelStatus.kInfeasible,
        nodes=max(int(info.mip_node_count), 0), seconds=time.perf_counter() - started,
        trace=tuple((s, known(p, np.inf), known(b, -np.inf)) for s, p, b in trace),
        message=f"HiGHS: {solver.modelStatusToString(status)}", solver=highs_backend.NAME,
    )  # fmt: skip


def known(value: float, unknown: float) -> float:
    """The value, or what stands for a solver's infinity."""
    return value if abs(value) < 1e19 else unknown
