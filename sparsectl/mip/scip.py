"""SCIP backend (PySCIPOpt). A fresh solver model for every call."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyscipopt
from pyscipopt.scip import Expr, Term

from sparsectl.errors import ConfigError, nearest
from sparsectl.mip import ideal_cuts
from sparsectl.mip.model import MIPModel
from sparsectl.mip.plugins import Link, NeuronBranching, PluginFailed, Rollout, Source, Sweep
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
    "emphasis/heuristics": "fast",
}
"""SCIP's own cut loops cost 2 to 8 times the whole solve on ReLU rollouts (scripts/bench_mip.py).
Its slower heuristics find little that a polished starting plan does not have
(scripts/study_solvers.py, which also holds the settings that did not help)."""

FEW_BINARIES = 16
"""Up to this size a solve is as short as the cut loop."""
CUT_SHARE = 0.2
"""Share of the time limit that the cut loop may take."""


@dataclass(frozen=True)
class SCIPOptions:
    """What SCIP does beyond `SETTINGS`."""

    settings: Mapping[str, Any] = field(default_factory=dict)
    """Further SCIP parameters, by SCIP's names, and `emphasis/heuristics`, `emphasis/presolving`:
    "off", "fast" or "aggressive"."""
    cut_rounds: int = 10
    """Rounds of ideal single-neuron cuts before SCIP starts; 0: none. See `ideal_cuts`."""
    rollout_every: int = 0
    """Roll out the relaxation's actions at depths that are multiples of this; 0: never."""
    sweep_depth: int = -1
    """Bound the neurons anew at nodes down to this depth; -1: never."""
    sweep_every: int = 1
    """Of those, at depths that are multiples of this."""
    branch_depth: int = -1
    """Branch by Jensen gap and duals down to this depth, then as SCIP does; -1: never."""
    branch_trials: int = 1
    """How many of the best by that score are strong-branched; 1: the score alone decides."""

    @property
    def plugins(self) -> bool:
        """Whether any plugin is on: they need the program behind the model."""
        return self.rollout_every > 0 or self.sweep_depth >= 0 or self.branch_depth >= 0


def solve(
    model: MIPModel,
    limits: Limits,
    starts: list[np.ndarray] | None = None,
    settings: Mapping[str, Any] | None = None,
    options: SCIPOptions | None = None,
    source: Source | None = None,
) -> RawSolution:
    """Solve a model.

    Args:
        model: the model.
        limits: when to stop.
        starts: complete assignments, each of shape (n,); infeasible ones are ignored by SCIP.
        settings: further SCIP parameters, by SCIP's names.
        options: cuts, plugins and settings.
        source: program and problem behind the model; plugins need it.

    Raises:
        ConfigError: a plugin without a source, or an unknown emphasis.
        PluginFailed: an exception inside a plugin.
    """
    started = time.perf_counter()
    options = options or SCIPOptions()
    model = _strengthen(model, options, limits, started)
    scip, variables = build(model)
    configure(scip, {**SETTINGS, **options.settings, **(settings or {})})
    scip.setParam("limits/gap", limits.gap)
    scip.setParam("limits/absgap", limits.absolute_gap)
    if limits.nodes is not None:
        scip.setParam("limits/totalnodes", limits.nodes)
    for values in starts or []:
        _add_start(scip, variables, model, values)
    link = _install(scip, model, variables, options, source)
    recorder = _Trace(started)
    scip.includeEventhdlr(recorder, "trace", "incumbent and bound over time")
    if limits.seconds is not None:
        remaining = limits.seconds - (time.perf_counter() - started)
        scip.setParam("limits/time", max(remaining, 0.0))
    scip.optimizeNogil()
    if link is not None and link.failure is not None:
        raise PluginFailed.of(link.failure) from link.failure
    return _read(scip, variables[: model.n], recorder, started)


def _strengthen(model: MIPModel, options: SCIPOptions, limits: Limits, started: float) -> MIPModel:
    if model.binaries <= FEW_BINARIES:
        return model
    deadline = None if limits.seconds is None else started + CUT_SHARE * limits.seconds
    return ideal_cuts.strengthen(model, options.cut_rounds, deadline)


def _install(
    scip: pyscipopt.Model,
    model: MIPModel,
    variables: list[pyscipopt.Variable],
    options: SCIPOptions,
    source: Source | None,
) -> Link | None:
    if not options.plugins:
        return None
    if source is None:
        raise ConfigError(
            "SCIP plugins (rollout_every, sweep_depth, branch_depth) were asked for without the "
            "program behind the model: give `source`, or plan through `sparsectl.mip.solve`"
        )
    link = Link(model, variables, source)
    if options.rollout_every > 0:
        Rollout(link).include(scip, options.rollout_every)
    if options.sweep_depth >= 0:
        Sweep(link, options.sweep_depth, options.sweep_every).include(scip)
    if options.branch_depth >= 0:
        NeuronBranching(link, options.branch_depth, options.branch_trials).include(scip)
    return link


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
        if emphasis not in _EMPHASIS:
            raise ConfigError(f"emphasis/{name} is {emphasis!r}" + nearest(emphasis, _EMPHASIS))
        apply(_EMPHASIS[emphasis])
    scip.setParams({k: v for k, v in settings.items() if not k.startswith("emphasis/")})


_EMPHASIS = {
    "off": pyscipopt.SCIP_PARAMSETTING.OFF,
    "fast": pyscipopt.SCIP_PARAMSETTING.FAST,
    "aggressive": pyscipopt.SCIP_PARAMSETTING.AGGRESSIVE,
}


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
    )
