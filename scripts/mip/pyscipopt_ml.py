"""The same decision through PySCIPOpt-ML (`pip install PySCIPOpt-ML`), as its users write it.

Each step adds the torch network by `add_predictor_constr`; steps are chained by the known linear
part. States get the workspace's bounds, actions their box, so that its own bound propagation has
something to start from.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pyscipopt
import torch
from pyscipopt import quicksum

from scripts.mip.instances import Instance
from scripts.mip.peers import Refused
from sparsectl.mip import Limits
from sparsectl.mip.backends.scip import SETTINGS, _Trace
from sparsectl.program import ReluProgram
from sparsectl.task import Problem


def sequential(
    program: ReluProgram, hidden: tuple[int, ...]
) -> tuple[torch.nn.Sequential, np.ndarray, np.ndarray]:
    """The network of a layered program, its linear path and the outputs that it feeds.

    Returns:
        (net, L, fed) with y = L v, plus net(v) added to the entries `fed`; `net` in float64.
    """
    n, A, C = program.n_in, program.A.toarray(), program.C.toarray()
    fed = np.flatnonzero(abs(C[:, n:]).any(1) | (program.d != 0))
    modules: list[torch.nn.Module] = []
    columns, start, used = slice(0, n), 0, 0.0
    for width in hidden:
        W = A[start : start + width, columns]
        modules += [_linear(W, program.b[start : start + width]), torch.nn.ReLU()]
        used += abs(W).sum()
        columns, start = slice(n + start, n + start + width), start + width
    modules.append(_linear(C[fed][:, columns], program.d[fed]))
    if start != program.m or not np.isclose(used, abs(A).sum()):
        raise ValueError(f"program of {program.m} neurons is no plain network of layers {hidden}")
    return torch.nn.Sequential(*modules), C[:, :n], fed


def _linear(W: np.ndarray, b: np.ndarray) -> torch.nn.Linear:
    layer = torch.nn.Linear(W.shape[1], W.shape[0], dtype=torch.float64)
    with torch.no_grad():
        layer.weight.copy_(torch.as_tensor(W))
        layer.bias.copy_(torch.as_tensor(b))
    return layer


def solve(instance: Instance, limits: Limits, formulation: str, tuned: bool) -> dict[str, Any]:
    """Solve one instance; see `methods.result` for what comes back.

    Args:
        instance: what to solve; constraints must be boxes on single states.
        limits: seconds and gap.
        formulation: "sos" (PySCIPOpt-ML's default) or "bigm".
        tuned: our SCIP settings in place of SCIP's defaults.
    """
    from scripts.mip.methods import result

    started = time.perf_counter()
    program, problem = instance.program, instance.problem
    scip = pyscipopt.Model()
    scip.hideOutput()
    u = _build(scip, instance, formulation)
    if tuned:
        scip.setParams(SETTINGS)
    scip.setParam("limits/gap", limits.gap)
    scip.setParam("limits/absgap", limits.absolute_gap)
    built = time.perf_counter() - started
    if limits.seconds is not None:
        scip.setParam("limits/time", max(limits.seconds - built, 0.0))
    recorder = _Trace(started)
    scip.includeEventhdlr(recorder, "trace", "incumbent and bound over time")
    binaries = sum(v.vtype() == "BINARY" for v in scip.getVars())
    scip.optimizeNogil()
    more = {"nodes": int(scip.getNTotalNodes()), "binaries": binaries, "build_seconds": built}
    message = f"SCIP: {scip.getStatus()}"
    bound = float(scip.getDualbound())
    bound = bound if abs(bound) < scip.infinity() else None
    trace = recorder.points
    if scip.getNSols() == 0:
        return result(np.inf, np.inf, bound, 0.0, trace, message=message, **more)
    best = scip.getBestSol()
    actions = np.array([[scip.getSolVal(best, v) for v in row] for row in u])
    actions = np.clip(actions, problem.u_low, problem.u_high)
    states = program.rollout(problem.x0, actions)
    violation = float(problem.constraints.violation(states))
    cost = float(problem.cost(states, actions))
    claimed = float(scip.getSolObjVal(best))
    return result(cost, claimed, bound, violation, trace, message=message, **more)


def _build(scip: pyscipopt.Model, instance: Instance, formulation: str) -> list[np.ndarray]:
    from pyscipopt_ml.add_predictor import add_predictor_constr

    program, problem = instance.program, instance.problem
    plain = all(term.norm == "l1" and not term.dead_zone for term in problem.cost.terms)
    more = problem.cost.action_weight or problem.cost.priced or problem.inputs
    if not plain or more or problem.constraints.keep_out:
        raise Refused("only L1 distances to fixed goals, and boxes, have a PySCIPOpt-ML model")
    net, L, fed = sequential(program, instance.hidden)
    low, high = (limit[0] for limit in problem.constraints.state_box(problem.nx, 1))
    x = [_variables(scip, problem.x0, problem.x0)]
    u, objective = [], []
    for t in range(problem.horizon):
        u.append(_variables(scip, problem.u_low, problem.u_high))
        x.append(_variables(scip, low, high))
        change = _variables(scip, [None] * len(fed), [None] * len(fed))
        v = np.concatenate([x[t], u[t]])
        add_predictor_constr(
            scip, net, v.reshape(1, -1), change.reshape(1, -1),
            unique_naming_prefix=f"step{t}_", formulation=formulation,
        )  # fmt: skip
        added = dict(zip(fed.tolist(), change, strict=True))
        for i in range(problem.nx):
            linear = quicksum(float(L[i, j]) * v[j] for j in np.flatnonzero(L[i]))
            scip.addCons(x[t + 1][i] == linear + added.get(i, 0.0))
        objective += _cost(scip, problem, x[t + 1], t)
    scip.setObjective(quicksum(objective))
    return u


def _variables(scip: pyscipopt.Model, low: Any, high: Any) -> np.ndarray:
    pairs = zip(low, high, strict=True)
    return np.array([scip.addVar(lb=a, ub=b) for a, b in pairs], dtype=object)


def _cost(scip: pyscipopt.Model, problem: Problem, x: np.ndarray, t: int) -> list[Any]:
    """Weighted L1 distances of step t."""
    parts = []
    for term in problem.cost.terms:
        weight = float(term.weights(problem.horizon)[t])
        for row, target in zip(term.E, term.target, strict=True):
            error = quicksum(float(row[j]) * x[j] for j in np.flatnonzero(row)) - float(target)
            tau = scip.addVar(lb=0.0)
            scip.addCons(tau >= error)
            scip.addCons(tau >= -error)
            parts.append(weight * tau)
    return parts
