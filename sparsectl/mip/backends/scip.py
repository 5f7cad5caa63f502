"""SCIP backend (PySCIPOpt). A fresh solver model for every call."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pyscipopt
from pyscipopt.scip import Expr, Term

from sparsectl.errors import ConfigError, one_of
from sparsectl.mip import ideal_cuts
from sparsectl.mip.backends import own_options
from sparsectl.mip.backends.rollout import PluginFailed, Rollout
from sparsectl.mip.model import MIPModel
from sparsectl.mip.ocp import OCP
from sparsectl.mip.solution import NUMERICAL_GAP, Limits, RawSolution

NAME = "SCIP"
FEASIBILITY = 1e-8
"""With SCIP's 1e-6 the claimed cost of a 10-step rollout can be off by 1e-2."""

SETTINGS: dict[str, Any] = {
    "display/verblevel": 0,
    "timing/clocktype": 2,
    "numerics/feastol": FEASIBILITY,
    "separating/maxrounds": 0,
    "separating/maxroundsroot": 0,
    "misc/allowstrongdualreds": True,
    "randomization/randomseedshift": 0,
}
"""SCIP's own cut loops cost 2 to 8 times the whole solve on ReLU rollouts (scripts/mip/bench.py).
scripts/mip/solvers.py holds the settings that were tried and did not help."""

FEW_BINARIES = 16
"""Up to this size a solve is as short as the cut loop."""
CUT_SHARE = 0.2
"""Share of the time limit that the cut loop may take."""


ROLLOUT_EVERY = 10
"""Levels of depth between rollouts where SCIP starts without a plan."""


@dataclass(frozen=True)
class SCIPOptions:
    """What SCIP does beyond `SETTINGS`."""

    settings: Mapping[str, Any] = field(default_factory=dict)
    """Further SCIP parameters, by SCIP's names, and `emphasis/heuristics`, `emphasis/presolving`:
    "off", "fast" or "aggressive"."""
    heuristics: Literal["auto", "default", "fast", "off", "aggressive"] = "auto"
    """SCIP's own primal heuristics; `auto`: fast where a feasible start is given, which saves a
    quarter of the time, else its default: without a start the fast ones take seconds to a plan."""
    cut_rounds: int = 10
    """Rounds of ideal single-neuron cuts before SCIP starts; 0: none. They save two fifths of
    the nodes and a seventh of the time; not used with a quadratic cost. See `ideal_cuts`."""
    rollout_every: int = -1
    """Roll out the relaxation's actions at depths that are multiples of this; 0: never; -1: 10
    without a feasible start, else never, because it finds nothing then."""


def solve(
    model: MIPModel,
    limits: Limits,
    starts: Sequence[np.ndarray] = (),
    options: SCIPOptions | None = None,
    ocp: OCP | None = None,
) -> RawSolution:
    """Solve a model.

    Args:
        starts: complete assignments, each of shape (n,); infeasible ones are ignored by SCIP.
        options: cuts, rollouts and settings.
        ocp: what the model states; rollouts need it.

    Raises:
        ConfigError: options of another backend, rollouts without `ocp`, an unknown emphasis.
        PluginFailed: an exception inside a rollout.
    """
    started = time.perf_counter()
    options = own_options(options, SCIPOptions)
    model = _strengthen(model, options, limits, started)
    scip, variables = build(model)
    warm = any(model.violation(values) <= 100 * FEASIBILITY for values in starts)
    emphasis = options.heuristics
    if emphasis == "auto":
        emphasis = "fast" if warm else "default"
    own = {} if emphasis == "default" else {"emphasis/heuristics": emphasis}
    configure(scip, {**SETTINGS, **own, **options.settings})
    scip.setParam("limits/gap", limits.gap)
    scip.setParam("limits/absgap", limits.absolute_gap or NUMERICAL_GAP)
    if limits.nodes is not None:
        scip.setParam("limits/totalnodes", limits.nodes)
    for values in starts:
        _add_start(scip, variables, model, values)
    every, rollout = options.rollout_every, None
    if every < 0:
        every = 0 if warm or ocp is None else ROLLOUT_EVERY
    if every > 0:
        if ocp is None:
            raise ConfigError("SCIPOptions.rollout_every needs the program behind the model: `ocp`")
        rollout = Rollout(model, variables, ocp)
        rollout.include(scip, every)
    recorder = _Trace(started)
    scip.includeEventhdlr(recorder, "trace", "incumbent and bound over time")
    if limits.seconds is not None:
        remaining = limits.seconds - (time.perf_counter() - started)
        scip.setParam("limits/time", max(remaining, 0.0))
    scip.optimizeNogil()
    if rollout is not None and rollout.failure is not None:
        raise PluginFailed.of(rollout.failure) from rollout.failure
    return _read(scip, variables[: model.n], recorder, started)


def _strengthen(model: MIPModel, options: SCIPOptions, limits: Limits, started: float) -> MIPModel:
    if model.binaries <= FEW_BINARIES:
        return model
    deadline = None if limits.seconds is None else started + CUT_SHARE * limits.seconds
    return ideal_cuts.strengthen(model, options.cut_rounds, deadline)


def configure(scip: pyscipopt.Model, settings: Mapping[str, Any]) -> None:
    """Set parameters by SCIP's names, and emphases (see `SCIPOptions.settings`).

    Raises:
        ConfigError: an unknown emphasis.
    """
    # Emphases first: they overwrite single parameters.
    for name, apply in (("heuristics", scip.setHeuristics), ("presolving", scip.setPresolve)):
        emphasis = settings.get(f"emphasis/{name}")
        if emphasis is None:
            continue
        one_of(emphasis, _EMPHASIS, f"emphasis/{name} is")
        apply(_EMPHASIS[emphasis])
    scip.setParams({k: v for k, v in settings.items() if not k.startswith("emphasis/")})


_EMPHASIS = {
    "off": pyscipopt.SCIP_PARAMSETTING.OFF,
    "fast": pyscipopt.SCIP_PARAMSETTING.FAST,
    "aggressive": pyscipopt.SCIP_PARAMSETTING.AGGRESSIVE,
}


def build(model: MIPModel) -> tuple[pyscipopt.Model, list[pyscipopt.Variable]]:
    """The same model inside SCIP; row k is the constraint `r<k>`.

    A quadratic cost becomes one convex row per square; the squares follow the model's own
    variables in the list that is returned, in the order of the entries of q.
    """
    scip = pyscipopt.Model()
    scip.hideOutput()
    variables = [
        scip.addVar(vtype=("B" if high <= 1 else "I") if b else "C", lb=low, ub=high, obj=c)
        for b, low, high, c in zip(
            model.binary.tolist(), model.low.tolist(), model.high.tolist(), model.c.tolist(),
            strict=True,
        )
    ]  # fmt: skip
    terms = [Term(v) for v in variables]
    A = model.A
    indptr, indices, data = A.indptr.tolist(), A.indices.tolist(), A.data.tolist()
    row_low, row_high = model.row_low.tolist(), model.row_high.tolist()
    names = [f"r{r}" for r in range(A.shape[0])]
    for r in range(A.shape[0]):
        span = range(indptr[r], indptr[r + 1])
        row = Expr({terms[indices[k]]: data[k] for k in span})
        low, high = row_low[r], row_high[r]
        if low == high:
            scip.addCons(row == low, names[r])
        else:
            if low > -np.inf:
                scip.addCons(row >= low, names[r])
            if high < np.inf:
                scip.addCons(row <= high, names[r])
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
        solver=NAME,
    )
