"""Solvers as they are: the arrays of the same `MIPModel`, default settings, no starting plan.

One thread and the gap that is asked for are all that is set. Limits and traces are in seconds of
`time.perf_counter`, which the benchmark may have replaced (see `clock`).
"""

from __future__ import annotations

import importlib.metadata
import time
from collections.abc import Callable
from dataclasses import replace

from sparsectl.errors import SparsectlError
from sparsectl.mip.backends import highs_model
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
    solver = highs_model.load(model)
    solver.resetOptions()
    for name, value in (("output_flag", False), ("threads", 1)):
        solver.setOptionValue(name, value)
    found = highs_model.run(solver, replace(limits, absolute_gap=1e-6), None, started)
    return RawSolution(
        values=found.values, bound=found.bound, infeasible=found.infeasible, nodes=found.nodes,
        seconds=time.perf_counter() - started, trace=found.trace,
        message=f"HiGHS: {found.status}", solver="HiGHS",
    )  # fmt: skip


def known(value: float, unknown: float) -> float:
    """The value, or what stands for a solver's infinity."""
    return value if abs(value) < 1e19 else unknown
