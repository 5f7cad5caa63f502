"""Plan exactly: program + problem -> `Solution`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from sparsectl.mip.claims import Known, restore
from sparsectl.mip.model import MIPModel
from sparsectl.mip.names import BoundMethod
from sparsectl.mip.ocp import OCP
from sparsectl.mip.prepare import check_finite, prepare
from sparsectl.mip.scale import scaled
from sparsectl.mip.search.solver import run
from sparsectl.mip.solution import Limits, Solution
from sparsectl.program.bounds import HorizonBounds
from sparsectl.program.relu_program import ReluProgram
from sparsectl.task import Problem
from sparsectl.threads import one_thread


@one_thread()
def solve(
    program: ReluProgram,
    problem: Problem,
    *,
    backend: str = "scip",
    bounds: BoundMethod | HorizonBounds = "crown",
    limits: Limits | None = None,
    tolerance: float | None = None,
    starts: Sequence[np.ndarray] = (),
    soft_penalty: float | None = None,
    options: object | None = None,
) -> Solution:
    """Globally optimal plan under the model, or the best found with a proven bound.

    Args:
        program: dynamics program, inputs [x; u], outputs x'.
        problem: start, cost, constraints, action box, horizon.
        backend: "scip" or "highs".
        bounds: how to bound the neurons, or bounds that are already known.
        limits: when to stop; default: no time limit, gap 1e-4.
        tolerance: instead of `limits.absolute_gap`, in the cost's unit; None: that.
        starts: action sequences to start from, each of shape (H, nu).
        soft_penalty: None for hard constraints, else the cost per unit of violation.
        options: of that backend; None: its defaults.

    Raises:
        NonFiniteError: a NaN or infinity in the problem.
        ConfigError: unknown backend or bound method, options of another backend, a tolerance
            that is negative or not a number.
    """
    started, limits = time.perf_counter(), limits or Limits()
    if tolerance is not None:
        limits = replace(limits, absolute_gap=tolerance)
    check_finite(problem)
    ocp = OCP(program, problem, soft_penalty)
    own, scaling = scaled(ocp)
    if isinstance(bounds, HorizonBounds):
        bounds = scaling.bounds(bounds)
    until = None if limits.seconds is None else started + limits.seconds / 2
    model = prepare(own, bounds, until)
    build_seconds = time.perf_counter() - started
    left = None if limits.seconds is None else max(limits.seconds - build_seconds, 0.0)
    within = replace(limits, seconds=left, absolute_gap=limits.absolute_gap / scaling.cost_unit)
    first = [scaling.actions(a) for a in starts]
    if isinstance(model, MIPModel):
        model = run(own, model, within, first, backend, options)
    found = restore(model, ocp, own, scaling, within, Known.of(own, first))
    seconds = time.perf_counter() - started
    return replace(found, seconds=seconds, build_seconds=build_seconds)
