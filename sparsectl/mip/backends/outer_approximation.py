"""Convex quadratic costs in HiGHS, which has no mixed-integer quadratic solver.

A cost is approximated from below by tangents until the bound meets an exact quadratic solve with
the binaries fixed (outer approximation, Duran and Grossmann 1986).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import highspy
import numpy as np

from sparsectl.mip import convex
from sparsectl.mip.backends.highs_model import NAME, configure, load, run
from sparsectl.mip.model import MIPModel
from sparsectl.mip.solution import Limits, RawSolution

_MAX_ROUNDS = 200


def minimise(
    model: MIPModel,
    limits: Limits,
    best: np.ndarray | None,
    started: float,
    settings: Mapping[str, Any],
) -> RawSolution:
    squared = np.flatnonzero(model.q)
    k = len(squared)
    highs = load(model, squares=k)
    configure(highs, settings)
    extra = np.arange(model.n, model.n + k)
    highs.changeColsCost(k, extra, model.q[squared])
    # Tangents at both ends and the middle to begin with.
    for point in (model.low, (model.low + model.high) / 2, model.high):
        add_tangents(highs, squared, extra, point[squared])
    cost = model.objective(best) if best is not None else np.inf
    bound, nodes, trace, message, infeasible = -np.inf, 0, [], "", False
    for _ in range(_MAX_ROUNDS):
        start = None
        if best is not None:
            start = np.concatenate([best, best[squared] ** 2])
        answer = run(highs, _tighter(limits), start, started)
        nodes += answer.nodes
        bound, message = max(bound, answer.bound), answer.status
        if answer.infeasible:
            infeasible = best is None
            break
        if answer.values is not None:
            add_tangents(highs, squared, extra, answer.values[squared])
            spent = time.perf_counter() - started
            left = None if limits.seconds is None else limits.seconds - spent
            exact = _fixed_quadratic(model, answer.values, left)
            for candidate in (answer.values[: model.n], exact):
                if candidate is not None and model.objective(candidate) < cost:
                    best, cost = candidate, model.objective(candidate)
            if exact is not None:
                add_tangents(highs, squared, extra, exact[squared])
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


def add_tangents(
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
