"""Step neurons (z = 1 where a >= 0, else 0) in the mixed-integer model: one binary each.

With sound bounds l <= a <= h the binary z is the neuron itself:

    a >= l + (p - l) z,    a <= n + (h - n) z

so that z = 1 means a >= p and z = 0 means a <= n. Three cases:

- `p = n = 0`: the closure of every rollout. It is what is solved: its bound and its proof of
  infeasibility hold for every plan. At a = 0 it leaves z open, and optima like to sit there,
  because the cost jumps; such a plan need not be reproduced by the exact program.
- `p = MARGIN, n = -MARGIN`: plans whose neurons are clear of their thresholds, the model's
  `strict` twin. Where the first one's plan is not reproduced, `search` looks here for one that is,
  at first with the same binaries. The bound stays that of the first model.
- Neurons that read step neurons only, with integer weights (+-1 weights after a sign layer): a
  takes the values b + g k, so p and n are the two of them around zero in either model. Ties are
  exact then, and cost nothing.

A pattern that holds on thresholds only, where three or more of them meet, is in the closure and
may keep a gap open: then the plan is still the best one clear of thresholds, and the gap is shown.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from sparsectl.mip import convex
from sparsectl.mip.model import Builder, MIPModel
from sparsectl.mip.solution import Limits, RawSolution, Solution
from sparsectl.program.relu_program import ReluProgram
from sparsectl.types import Status

MARGIN = 1e-6
"""Least distance of a pre-activation from zero in the strict model, in its own units: a hundred
times the solvers' tolerances, so that the exact rollout has the same signs."""
RESERVE = 0.1
"""Share of a time limit, at most `RESERVE_SECONDS`, that is kept for the strict model."""
RESERVE_SECONDS = 0.05


def add_variables(builder: Builder, step: ReluProgram) -> np.ndarray:
    """A binary for each step neuron of a reduced step; returns their indices.

    A neuron that reads nothing is a number, and so is its binary.
    """
    A, b = step.A[step.step], step.b[step.step]
    constant = np.diff(A.indptr) == 0
    low, high = constant & (b >= 0), ~constant | (b >= 0)
    return builder.variables(low.astype(float), high.astype(float), len(b), binary=True)


def add_rows(
    builder: Builder,
    step: ReluProgram,
    columns: np.ndarray,
    z: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    margin: float,
) -> None:
    """The two rows of each step neuron.

    Args:
        step: reduced step; its neurons are those that are kept.
        columns: variables of its inputs and neurons. Shape (n_in + m,).
        z: binaries of its step neurons. Shape (k,).
        low, high: bounds on the pre-activations of all its neurons. Shape (m,).
        margin: distance from the threshold; 0: none.
    """
    rows = step.step & (np.diff(step.A.indptr) > 0)
    if not rows.any():
        return
    z = z[rows[step.step]]
    A, b, low, high = step.A[rows].toarray(), step.b[rows], low[rows], high[rows]
    p, n = np.full(len(b), margin), np.full(len(b), -margin)
    for i in range(len(b)):
        spacing = _spacing(A[i], b[i], step)
        if spacing:
            p[i] = b[i] % spacing
            n[i] = p[i] - spacing
        elif b[i] == 0.0 and not A[i, : step.n_in].any():
            # Where the ReLUs that it reads are off the field is exactly zero, and the neuron on.
            p[i] = 0.0
    builder.add([(columns, A), (z, low - p)], low - b, np.inf)
    builder.add([(columns, A), (z, n - high)], -np.inf, n - b)
    _add_pairs(builder, np.column_stack([A, b]), z)


def _add_pairs(builder: Builder, rows: np.ndarray, z: np.ndarray) -> None:
    """Rows between neurons of equal fields (z equal) and of opposite ones (one at least is on).

    One-bit weights on few inputs make such pairs. Without these rows the closure would let them
    disagree where their field is zero.
    """
    first: dict[bytes, int] = {}
    for j, row in enumerate(rows):
        lead = row[np.flatnonzero(row)[0]]
        unit = row / abs(lead) + 0.0
        i = first.setdefault(unit.tobytes(), j)
        if i != j:
            builder.add([(z[[i]], np.ones(1)), (z[[j]], -np.ones(1))], 0.0, 0.0)
            continue
        opposite = first.get((0.0 - unit).tobytes())
        if opposite is not None:
            builder.add([(z[[opposite]], np.ones(1)), (z[[j]], np.ones(1))], 1.0, np.inf)


def _spacing(a: np.ndarray, b: float, step: ReluProgram) -> float:
    """Distance of neighbouring values of a pre-activation; 0 where that is not known."""
    used = np.flatnonzero(a)
    discrete = (used >= step.n_in).all() and step.step[used - step.n_in].all()
    if not discrete or b != round(b) or (a != np.round(a)).any() or abs(a).max() > 2**31:
        return 0.0
    return float(np.gcd.reduce(abs(a[used]).astype(np.int64)))


def add_fill(
    builder: Builder, program: ReluProgram, t: int, neurons: np.ndarray, z: np.ndarray
) -> None:
    """Values of the binaries from an exact rollout."""

    def fill(values: np.ndarray, states: np.ndarray, actions: np.ndarray) -> None:
        pre = program.evaluate(np.concatenate([states[t], actions[t]]))[1][neurons]
        values[z] = pre >= 0

    builder.fills.append(fill)


def search(
    model: MIPModel,
    limits: Limits,
    starts: Sequence[np.ndarray],
    call: Callable[[MIPModel, Limits], RawSolution],
    check: Callable[[RawSolution], Solution],
) -> Solution:
    """Bound from the closure, plan from whatever the exact program reproduces.

    Args:
        model: the closure, with its `strict` twin.
        starts: assignments of known rollouts, each of shape (n,).
        check: rolls an assignment out exactly and decides the status.
    """
    started, first = time.perf_counter(), limits
    if limits.seconds is not None:
        reserve = min(RESERVE * limits.seconds, RESERVE_SECONDS)
        first = replace(limits, seconds=limits.seconds - reserve)
    raw = call(model, first)
    best, nodes = check(raw), raw.nodes
    for values in starts:
        best = _better(best, check(replace(raw, values=values)))
    left = _left(limits, started, nodes)
    if raw.values is not None and model.strict is not None and not _settled(best):
        same = _same_binaries(model.strict, raw.values, None if left is None else left.seconds)
        if same is not None:
            best = _better(best, check(replace(raw, values=same)))
        left = _left(limits, started, nodes)
        if not _settled(best) and left is not None and left.seconds != 0.0:
            again = call(model.strict, left)
            nodes += again.nodes
            if again.values is not None:
                message = f"{raw.message}; clear of thresholds: {again.message}"
                best = _better(best, check(replace(raw, values=again.values, message=message)))
    seconds = time.perf_counter() - started
    # What the closure's incumbents cost is no cost of a plan.
    trace = tuple((s, np.inf, bound) for s, _, bound in raw.trace)
    bound = -np.inf if best.bound is None else best.bound
    return replace(best, nodes=nodes, seconds=seconds, trace=(*trace, (seconds, best.cost, bound)))


def _better(one: Solution, other: Solution) -> Solution:
    return other if other.cost < one.cost else one


def _settled(solution: Solution) -> bool:
    return solution.status in (Status.OPTIMAL, Status.INFEASIBLE)


def _left(limits: Limits, started: float, nodes: int) -> Limits | None:
    """What is left of the limits after some nodes; None: no node."""
    if limits.nodes is not None:
        if nodes >= limits.nodes:
            return None
        limits = replace(limits, nodes=limits.nodes - nodes)
    if limits.seconds is None:
        return limits
    return replace(limits, seconds=max(limits.seconds - (time.perf_counter() - started), 0.0))


def _same_binaries(
    strict: MIPModel, values: np.ndarray, seconds: float | None
) -> np.ndarray | None:
    """The best assignment with the same binaries, clear of thresholds; None if there is none."""
    low, high = strict.low.copy(), strict.high.copy()
    binary = np.flatnonzero(strict.binary)
    fixed = np.clip(np.round(values[binary]), low[binary], high[binary])
    low[binary] = high[binary] = fixed
    return convex.minimise(strict, low, high, seconds)
