"""HiGHS backend (highspy): the same `MIPModel`, an independent solver.

HiGHS has no mixed-integer quadratic solver, so a convex quadratic cost is approximated from
below by tangents until the bound meets an exact quadratic solve with the binaries fixed (outer
approximation, Duran and Grossmann 1986).
"""

from __future__ import annotations

import ctypes
import functools
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import highspy
import numpy as np

from sparsectl.errors import ConfigError
from sparsectl.mip import convex
from sparsectl.mip.backends import own_options
from sparsectl.mip.model import MIPModel
from sparsectl.mip.ocp import OCP
from sparsectl.mip.solution import NUMERICAL_GAP, Limits, RawSolution

NAME = "HiGHS"
FEASIBILITY = 1e-9
MIP_FEASIBILITY = 5e-8
"""Of a search. With 1e-8 or 1e-9 HiGHS 1.16 now and then calls a plan optimal that is not, even
without presolve: 2 of some 1,400 hybrid decisions (tests/mip/fuzz.py --hybrid), by 3 and 5 %;
with this neither."""
_MAX_ROUNDS = 200


SETTINGS: dict[str, Any] = {"presolve": "off"}
"""HiGHS options for every solve, by HiGHS' names, beside tolerances and one thread. Presolve cuts
optima off: on a disc with on-off jets among 11 boxes over 24 steps HiGHS 1.16 calls 18.452, 16.593
and 16.020 optimal (tolerances of 1e-9, 1e-7, 1e-6) where 15.684 is feasible without a violation."""
WARM: dict[str, Any] = {
    "mip_heuristic_run_rins": False,
    "mip_heuristic_run_rens": False,
    "mip_heuristic_run_feasibility_jump": False,
}
"""Where a feasible start is known: sub-MIPs find nothing better than a polished plan
(scripts/mip/solvers.py)."""


@dataclass(frozen=True)
class HiGHSOptions:
    """What HiGHS does beyond `SETTINGS`."""

    settings: Mapping[str, Any] = field(default_factory=dict)
    """Further HiGHS options, by HiGHS' names."""
    tuned: bool = True
    """Use `WARM` where a feasible start is known."""


def solve(
    model: MIPModel,
    limits: Limits,
    starts: Sequence[np.ndarray] = (),
    options: HiGHSOptions | None = None,
    ocp: OCP | None = None,
) -> RawSolution:
    """Solve a model.

    Args:
        model: the model.
        limits: when to stop.
        starts: complete assignments, each of shape (n,); the best feasible one is used.
        options: what HiGHS does beyond `SETTINGS`.
        ocp: not used here.

    Raises:
        ConfigError: options of another backend, or that HiGHS refuses.
    """
    started = time.perf_counter()
    options = own_options(options, HiGHSOptions)
    usable = [v for v in starts if model.violation(v) <= 1e-7]
    best = min(usable, key=model.objective) if usable else None
    settings = {**SETTINGS, **options.settings}
    if options.tuned and best is not None:
        settings = {**WARM, **settings}
    if model.q.any():
        return _outer_approximation(model, limits, best, started, settings)
    highs = load(model)
    _set(highs, settings)
    answer = _run(highs, limits, best, started)
    cost = model.objective(answer.values) if answer.values is not None else np.inf
    return RawSolution(
        values=answer.values,
        bound=answer.bound,
        infeasible=answer.infeasible,
        nodes=answer.nodes,
        seconds=time.perf_counter() - started,
        trace=(*answer.trace, (time.perf_counter() - started, cost, answer.bound)),
        message=f"HiGHS: {answer.status}",
        solver=NAME,
    )


def load(model: MIPModel, *, relax: bool = False, squares: int = 0) -> highspy.Highs:
    """The model inside HiGHS, without its quadratic cost.

    Args:
        model: the model.
        relax: drop integrality.
        squares: number of extra non-negative variables appended, of cost zero.
    """
    highs = _quiet()
    highs.setOptionValue("threads", 1)
    highs.setOptionValue("primal_feasibility_tolerance", FEASIBILITY)
    highs.setOptionValue("dual_feasibility_tolerance", FEASIBILITY)
    highs.setOptionValue("mip_feasibility_tolerance", MIP_FEASIBILITY)
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = model.n + squares, model.A.shape[0]
    lp.col_cost_ = np.concatenate([model.c, np.zeros(squares)])
    lp.col_lower_ = np.concatenate([model.low, np.zeros(squares)])
    lp.col_upper_ = np.concatenate([model.high, np.full(squares, highspy.kHighsInf)])
    lp.row_lower_, lp.row_upper_ = model.row_low, model.row_high
    lp.offset_ = model.offset
    lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    lp.a_matrix_.num_col_, lp.a_matrix_.num_row_ = model.n + squares, model.A.shape[0]
    lp.a_matrix_.start_ = model.A.indptr
    lp.a_matrix_.index_ = model.A.indices
    lp.a_matrix_.value_ = model.A.data
    if not relax:
        kinds = (highspy.HighsVarType.kContinuous, highspy.HighsVarType.kInteger)
        lp.integrality_ = [kinds[b] for b in (*model.binary.tolist(), *[False] * squares)]
    highs.passModel(lp)
    return highs


def _set(highs: highspy.Highs, settings: Mapping[str, Any]) -> None:
    for name, value in settings.items():
        accepted = highs.setOptionValue(name, value) == highspy.HighsStatus.kOk
        # An older HiGHS may not know our own settings.
        if not accepted and WARM.get(name) != value:
            raise ConfigError(
                f"HiGHS option {name} = {value!r} was refused: expected one of HiGHS' own options "
                "with a value in its range"
            )


@functools.cache
def _silence() -> None:
    """HiGHS greets on standard output when its first instance is made: send that nowhere."""
    sys.stdout.flush()
    kept, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 1)
        highspy.Highs()
        ctypes.CDLL(None).fflush(None)
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)


class _Highs(highspy.Highs):
    """HiGHS that runs whatever other users of it in this process have done.

    HiGHS keeps one pool of threads per process and refuses to run with one of another size.
    """

    def run(self) -> highspy.HighsStatus:
        status = super().run()
        if status == highspy.HighsStatus.kError:
            highspy.Highs.resetGlobalScheduler(True)
            status = super().run()
        return status


def _quiet() -> highspy.Highs:
    _silence()
    highs = _Highs()
    highs.setOptionValue("output_flag", False)
    return highs


@dataclass(frozen=True)
class _Answer:
    values: np.ndarray | None
    bound: float
    infeasible: bool
    nodes: int
    status: str
    trace: tuple[tuple[float, float, float], ...] = ()


def _run(highs: highspy.Highs, limits: Limits, start: np.ndarray | None, started: float) -> _Answer:
    highs.setOptionValue("mip_rel_gap", limits.gap)
    highs.setOptionValue("mip_abs_gap", limits.absolute_gap or NUMERICAL_GAP)
    if limits.nodes is not None:
        highs.setOptionValue("mip_max_nodes", limits.nodes)
    if limits.seconds is not None:
        left = limits.seconds - (time.perf_counter() - started)
        # The limit counts from the model's first run.
        highs.setOptionValue("time_limit", max(left, 0.0) + highs.getRunTime())
    if start is not None:
        solution = highspy.HighsSolution()
        solution.col_value = start.tolist()
        highs.setSolution(solution)
    trace = _watch(highs, started)
    highs.run()
    info, status = highs.getInfo(), highs.getModelStatus()
    infeasible = status == highspy.HighsModelStatus.kInfeasible
    values = None
    if info.primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible:
        values = np.array(highs.getSolution().col_value)
    has_integers = any(v == highspy.HighsVarType.kInteger for v in highs.getLp().integrality_)
    if has_integers:
        bound = float(info.mip_dual_bound)
    else:
        optimal = status == highspy.HighsModelStatus.kOptimal
        bound = float(info.objective_function_value) if optimal else -np.inf
    if not np.isfinite(bound) or abs(bound) >= 1e30:
        bound = -np.inf
    nodes = max(int(info.mip_node_count), 0)
    words = highs.modelStatusToString(status)
    return _Answer(values, bound, infeasible, nodes, words, tuple(trace))


def _watch(highs: highspy.Highs, started: float) -> list[tuple[float, float, float]]:
    """A list to which the search adds (seconds, incumbent cost, bound) when they change."""
    trace: list[tuple[float, float, float]] = []

    def note(event: highspy.highs.HighsCallbackEvent) -> None:
        cost, bound = event.data_out.mip_primal_bound, event.data_out.mip_dual_bound
        point = (cost if cost < 1e30 else np.inf, bound if bound > -1e30 else -np.inf)
        if not trace or point != trace[-1][1:]:
            trace.append((time.perf_counter() - started, *point))

    highs.cbMipInterrupt += note
    return trace


def _outer_approximation(
    model: MIPModel,
    limits: Limits,
    best: np.ndarray | None,
    started: float,
    settings: Mapping[str, Any],
) -> RawSolution:
    squared = np.flatnonzero(model.q)
    k = len(squared)
    highs = load(model, squares=k)
    _set(highs, settings)
    extra = np.arange(model.n, model.n + k)
    highs.changeColsCost(k, extra, model.q[squared])
    # Tangents at both ends and the middle to begin with.
    for point in (model.low, (model.low + model.high) / 2, model.high):
        _add_tangents(highs, squared, extra, point[squared])
    cost = model.objective(best) if best is not None else np.inf
    bound, nodes, trace, message, infeasible = -np.inf, 0, [], "", False
    for _ in range(_MAX_ROUNDS):
        start = None
        if best is not None:
            start = np.concatenate([best, best[squared] ** 2])
        answer = _run(highs, _tighter(limits), start, started)
        nodes += answer.nodes
        bound, message = max(bound, answer.bound), answer.status
        if answer.infeasible:
            infeasible = best is None
            break
        if answer.values is not None:
            _add_tangents(highs, squared, extra, answer.values[squared])
            spent = time.perf_counter() - started
            left = None if limits.seconds is None else limits.seconds - spent
            exact = _fixed_quadratic(model, answer.values, left)
            for candidate in (answer.values[: model.n], exact):
                if candidate is not None and model.objective(candidate) < cost:
                    best, cost = candidate, model.objective(candidate)
            if exact is not None:
                _add_tangents(highs, squared, extra, exact[squared])
        trace.append((time.perf_counter() - started, cost, bound))
        spent = time.perf_counter() - started
        out_of_time = limits.seconds is not None and spent >= limits.seconds
        out_of_nodes = limits.nodes is not None and nodes >= limits.nodes
        if limits.closed(cost, bound) or answer.values is None or out_of_time or out_of_nodes:
            break
    return RawSolution(
        values=best,
        bound=bound,
        infeasible=infeasible,
        nodes=nodes,
        seconds=time.perf_counter() - started,
        trace=tuple(trace),
        message=f"HiGHS outer approximation: {message}",
        solver=NAME,
    )


def _tighter(limits: Limits) -> Limits:
    """Each round's own gap must not eat the whole tolerance."""
    return Limits(limits.seconds, limits.nodes, limits.gap / 10, limits.absolute_gap / 10)


def _add_tangents(
    highs: highspy.Highs, columns: np.ndarray, squares: np.ndarray, point: np.ndarray
) -> None:
    """s >= 2 p v - p^2 for every squared variable v and its square s."""
    k = len(columns)
    index = np.stack([squares, columns], axis=1).ravel().astype(np.int32)
    value = np.stack([np.ones(k), -2.0 * point], axis=1).ravel()
    start = 2 * np.arange(k, dtype=np.int32)
    upper = np.full(k, highspy.kHighsInf)
    highs.addRows(k, -(point**2), upper, 2 * k, start, index, value)


def _fixed_quadratic(
    model: MIPModel, values: np.ndarray, seconds: float | None
) -> np.ndarray | None:
    """Exact convex QP with the binaries of `values`; None where there is no solution."""
    low, high = model.low.copy(), model.high.copy()
    binary = np.flatnonzero(model.binary)
    low[binary] = high[binary] = np.round(values[binary])
    return convex.minimise(model, low, high, seconds)
