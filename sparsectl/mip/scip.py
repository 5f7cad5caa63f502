"""SCIP backend (PySCIPOpt). A fresh solver model for every call."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyscipopt
from pyscipopt.scip import Expr, Term

from sparsectl.mip.model import MIPModel
from sparsectl.mip.solution import Limits, RawSolution

FEASIBILITY = 1e-8
"""With SCIP's 1e-6 the claimed cost of a 10-step rollout can be off by 1e-2."""

SETTINGS: dict[str, Any] = {
    "display/verblevel": 0,
    "timing/clocktype": 2,
    "numerics/feastol": FEASIBILITY,
    "numerics/dualfeastol": FEASIBILITY,
    "separating/maxrounds": 0,
    "separating/maxroundsroot": 0,
    "misc/allowstrongdualreds": True,
    "randomization/randomseedshift": 0,
}
"""Cut loops cost 2 to 8 times the whole solve on ReLU rollouts; see scripts/bench_mip.py."""


def solve(
    model: MIPModel,
    limits: Limits,
    starts: list[np.ndarray] | None = None,
    settings: Mapping[str, Any] | None = None,
) -> RawSolution:
    """Solve a model.

    Args:
        model: the model.
        limits: when to stop.
        starts: complete assignments, each of shape (n,); infeasible ones are ignored by SCIP.
        settings: further SCIP parameters, by SCIP's names.
    """
    started = time.perf_counter()
    scip, variables = build(model)
    scip.setParams({**SETTINGS, **(settings or {})})
    scip.setParam("limits/gap", limits.gap)
    scip.setParam("limits/absgap", limits.absolute_gap)
    if limits.nodes is not None:
        scip.setParam("limits/totalnodes", limits.nodes)
    for values in starts or []:
        _add_start(scip, variables, model, values)
    recorder = _Trace(started)
    scip.includeEventhdlr(recorder, "trace", "incumbent and bound over time")
    if limits.seconds is not None:
        remaining = limits.seconds - (time.perf_counter() - started)
        scip.setParam("limits/time", max(remaining, 0.0))
    scip.optimizeNogil()
    return _read(scip, variables[: model.n], recorder, started)


def build(model: MIPModel) -> tuple[pyscipopt.Model, list[pyscipopt.Variable]]:
    """The same model inside SCIP.

    A quadratic cost becomes one convex row per square; the squares follow the model's own
    variables in the list that is returned, in the order of the entries of q.
    """
    scip = pyscipopt.Model()
    scip.hideOutput()
    variables = [
        scip.addVar(vtype="B" if b else "C", lb=low, ub=high, obj=c)
        for b, low, high, c in zip(
            model.binary.tolist(), model.low.tolist(), model.high.tolist(), model.c.tolist(),
            strict=True,
        )
    ]  # fmt: skip
    terms = [Term(v) for v in variables]
    A = model.A
    indptr, indices, data = A.indptr.tolist(), A.indices.tolist(), A.data.tolist()
    row_low, row_high = model.row_low.tolist(), model.row_high.tolist()
    for r in range(A.shape[0]):
        span = range(indptr[r], indptr[r + 1])
        row = Expr({terms[indices[k]]: data[k] for k in span})
        low, high = row_low[r], row_high[r]
        if low == high:
            scip.addCons(row == low)
        else:
            if low > -np.inf:
                scip.addCons(row >= low)
            if high < np.inf:
                scip.addCons(row <= high)
    squares = []
    for i in np.flatnonzero(model.q):
        largest = max(model.low[i] ** 2, model.high[i] ** 2)
        square = scip.addVar(lb=0.0, ub=float(largest) + 1.0, obj=float(model.q[i]))
        scip.addCons(square >= variables[i] * variables[i])
        squares.append(square)
    scip.addObjoffset(model.offset)
    return scip, variables + squares


def _add_start(
    scip: pyscipopt.Model,
    variables: list[pyscipopt.Variable],
    model: MIPModel,
    values: np.ndarray,
) -> None:
    start = scip.createSol()
    full = np.concatenate([values, values[np.flatnonzero(model.q)] ** 2])
    for variable, value in zip(variables, full.tolist(), strict=True):
        scip.setSolVal(start, variable, value)
    scip.addSol(start)


class _Trace(pyscipopt.Eventhdlr):
    def __init__(self, started: float) -> None:
        self.started = started
        self.points: list[tuple[float, float, float]] = []

    def eventinit(self) -> None:
        for kind in _EVENTS:
            self.model.catchEvent(kind, self)

    def eventexit(self) -> None:
        for kind in _EVENTS:
            self.model.dropEvent(kind, self)

    def eventexec(self, event: Any) -> None:
        scip = self.model
        self.points.append(
            (time.perf_counter() - self.started, scip.getPrimalbound(), scip.getDualbound())
        )


_EVENTS = (
    pyscipopt.SCIP_EVENTTYPE.BESTSOLFOUND,
    pyscipopt.SCIP_EVENTTYPE.DUALBOUNDIMPROVED,
)


def _read(
    scip: pyscipopt.Model,
    variables: list[pyscipopt.Variable],
    recorder: _Trace,
    started: float,
) -> RawSolution:
    status = scip.getStatus()
    values = None
    if scip.getNSols() > 0:
        best = scip.getBestSol()
        values = np.array([scip.getSolVal(best, v) for v in variables])
    infeasible = status == "infeasible" and values is None
    bound = float(scip.getDualbound())
    if abs(bound) >= scip.infinity():
        bound = -np.inf
    limit = scip.infinity()
    trace = tuple(
        (s, p if abs(p) < limit else np.inf, b if abs(b) < limit else -np.inf)
        for s, p, b in recorder.points
    )
    return RawSolution(
        values=values,
        bound=bound,
        infeasible=infeasible,
        nodes=int(scip.getNTotalNodes()),
        seconds=time.perf_counter() - started,
        trace=trace,
        message=f"SCIP: {status}",
    )
