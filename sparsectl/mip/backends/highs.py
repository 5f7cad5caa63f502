"""HiGHS backend (highspy): the same `MIPModel`, an independent solver."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sparsectl.mip.backends import own_options
from sparsectl.mip.backends.highs_model import NAME, WARM, configure, load, run
from sparsectl.mip.backends.outer_approximation import minimise
from sparsectl.mip.model import MIPModel
from sparsectl.mip.ocp import OCP
from sparsectl.mip.solution import Limits, RawSolution

SETTINGS: dict[str, Any] = {"presolve": "off"}
"""HiGHS options for every solve, by HiGHS' names, beside tolerances and one thread. Presolve cuts
optima off: on a disc with on-off jets among 11 boxes over 24 steps HiGHS 1.16 calls 18.452, 16.593
and 16.020 optimal (tolerances of 1e-9, 1e-7, 1e-6) where 15.684 is feasible without a violation."""


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
        starts: complete assignments, each of shape (n,); the best feasible one is used.
        options: what HiGHS does beyond `SETTINGS`.

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
        return minimise(model, limits, best, started, settings)
    highs = load(model)
    configure(highs, settings)
    answer = run(highs, limits, best, started)
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
