"""Gurobi as a peer, where `gurobipy` is installed: the arrays of a `MIPModel`, its own defaults.

One thread, the gap that is asked for, and nothing else is set: feasibility and integrality
tolerances of 1e-6 and 1e-5. No starting plan. `pip install gurobipy` brings a licence for 2,000
variables and 2,000 constraints that is for trials, not for production; what it refuses is said.
"""

from __future__ import annotations

import time

import gurobipy as gp
import numpy as np

from scripts.mip.peers import Refused, known
from sparsectl.mip.model import MIPModel
from sparsectl.mip.solution import Limits, RawSolution

NAME = "Gurobi"
_TOO_LARGE = 10010
"""Gurobi's number of the error."""


def solve(model: MIPModel, limits: Limits) -> RawSolution:
    """Solve a model; the time limit and the trace are in seconds of `time.perf_counter`.

    Raises:
        Refused: the model is too large for the licence.
    """
    started = time.perf_counter()
    with gp.Env(params={"OutputFlag": 0}) as env, gp.Model(env=env) as peer:
        variables = load(model, peer)
        peer.Params.Threads, peer.Params.MIPGap = 1, limits.gap
        trace: list[tuple[float, float, float]] = []

        def watch(_: gp.Model, where: int) -> None:
            now = time.perf_counter() - started
            if where == gp.GRB.Callback.MIP:
                cost = peer.cbGet(gp.GRB.Callback.MIP_OBJBST)
                bound = peer.cbGet(gp.GRB.Callback.MIP_OBJBND)
                if not trace or (cost, bound) != trace[-1][1:]:
                    trace.append((now, cost, bound))
            if limits.seconds is not None and now > limits.seconds:
                peer.terminate()

        try:
            peer.optimize(watch)
        except gp.GurobiError as error:
            if error.errno != _TOO_LARGE:
                raise
            rows = len(model.row_low)
            raise Refused(
                f"the licence of Gurobi at hand: {model.n} variables, {rows} constraints"
            ) from error
        values = np.array(variables.X) if peer.SolCount else None
        infeasible = peer.Status in (gp.GRB.INFEASIBLE, gp.GRB.INF_OR_UNBD)
        bound = peer.ObjBound if np.isfinite(peer.ObjBound) else -np.inf
        return RawSolution(
            values=values, bound=-np.inf if infeasible else bound, infeasible=infeasible,
            nodes=int(peer.NodeCount), seconds=time.perf_counter() - started,
            trace=tuple((s, known(p, np.inf), known(b, -np.inf)) for s, p, b in trace),
            message=f"Gurobi: status {peer.Status}", solver=NAME,
        )  # fmt: skip


def load(model: MIPModel, peer: gp.Model) -> gp.MVar:
    """The model inside Gurobi; a row with two sides becomes two."""
    kinds = np.where(model.binary, np.where(model.high <= 1, "B", "I"), "C")
    variables = peer.addMVar(model.n, lb=model.low, ub=model.high, vtype=kinds)
    equal = model.row_low == model.row_high
    for rows, sense, side in (
        (equal, "=", model.row_low),
        (~equal & (model.row_low > -np.inf), ">", model.row_low),
        (~equal & (model.row_high < np.inf), "<", model.row_high),
    ):
        if rows.any():
            peer.addMConstr(model.A[rows], variables, sense, side[rows])
    objective = model.c @ variables + model.offset
    squared = np.flatnonzero(model.q)
    if len(squared):
        part = variables[squared]
        objective = objective + part @ np.diag(model.q[squared]) @ part
    peer.setObjective(objective)
    return variables
