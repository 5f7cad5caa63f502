"""The convex relaxation of a model: its binaries may be anything between 0 and 1.

Of the big-M model of a ReLU that leaves the triangle (Ehlers 2017). `cvxpy` states it and calls a
solver; the bound is computed here from the multipliers, so no solver's tolerance enters it.
"""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass
from typing import Any, Literal

import cvxpy as cp
import numpy as np

from sparsectl.errors import MissingExtra
from sparsectl.mip import dual_bound
from sparsectl.mip.backends import highs_model
from sparsectl.mip.model import MIPModel
from sparsectl.mip.recheck import prove

Solver = Literal["highs", "clarabel"]
_NAMES: dict[str, str] = {"highs": cp.HIGHS, "clarabel": cp.CLARABEL}
_SETUP = 1.5e-6
"""Until a solver's first iterate, for every nonzero of the model [s]: .17 s for the gate with 64 +
64 ReLUs and 24 steps, 3.4 s for the Flyer with 256 + 256."""
_PACKAGES = {"highs": "highspy", "clarabel": "clarabel"}


@dataclass(frozen=True)
class Relaxed:
    """Answer of one solve.

    Attributes:
        status: `optimal`, `infeasible` (the solver's word), `limit` (out of time), or `failed`.
        values: of the model's variables, shape (n,), or None. May be there without an optimum.
        bound: lower bound on the cost of every assignment; -inf when nothing is known; inf: it is
            proved here that there is none.
    """

    status: Literal["optimal", "infeasible", "limit", "failed"]
    values: np.ndarray | None
    bound: float
    message: str


def check_solver(solver: Solver) -> None:
    """Refuse a solver that is not there.

    Raises:
        MissingExtra: it is not installed.
    """
    if _NAMES[solver] not in cp.installed_solvers():
        raise MissingExtra(f"solver '{solver}' is not installed: pip install {_PACKAGES[solver]}")


def relax(model: MIPModel, solver: Solver, seconds: float | None = None) -> Relaxed:
    """Solve the relaxation of a model.

    Args:
        solver: `highs` (linear costs only) or `clarabel`.
        seconds: time limit [s], or None.

    Raises:
        MissingExtra: the solver is not installed.
    """
    check_solver(solver)
    end = None if seconds is None else time.perf_counter() + seconds
    setup = _SETUP * model.A.nnz
    if seconds is not None and seconds < setup:
        message = f"no time: stating the program alone takes about {setup:.2g} s"
        return Relaxed("limit", None, -np.inf, message)
    v, curved = cp.Variable(model.n), np.flatnonzero(model.q)
    cost = model.c @ v
    if len(curved):
        cost = cost + model.q[curved] @ cp.square(v[curved])
    equal = model.row_low == model.row_high
    sides = [
        (rows, -1.0 if side is model.row_high else 1.0, model.A[rows] @ v, side[rows])
        for rows, side in (
            (np.flatnonzero(equal), model.row_high),
            (np.flatnonzero(~equal & np.isfinite(model.row_high)), model.row_high),
            (np.flatnonzero(~equal & np.isfinite(model.row_low)), model.row_low),
        )
    ]
    (_, _, same, b), (_, _, below, most), (_, _, above, least) = sides
    rules = [same == b, below <= most, above >= least]
    problem = cp.Problem(cp.Minimize(cost), [*rules, v >= model.low, v <= model.high])
    # HiGHS keeps one pool of threads per process: all of its users here ask for the same size.
    options: dict[str, Any] = {"threads": 1} if solver == "highs" else {}
    if seconds is not None:
        options["time_limit"] = max(seconds - setup, 1e-3)
    highs_model.silence()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # the status is read below
            problem.solve(solver=_NAMES[solver], **options)
    except (cp.SolverError, ValueError, ArithmeticError) as error:
        return Relaxed("failed", None, -np.inf, f"{solver}: {error}".splitlines()[0])
    words = f"{solver}: {problem.status}"
    if problem.status == cp.INFEASIBLE:  # what is so inaccurately is no proof
        return Relaxed("infeasible", None, prove(model, np.inf, 1, end).bound, words)
    values = v.value if v.value is not None and np.isfinite(v.value).all() else None
    y = np.zeros(len(equal))
    for (rows, sign, _, _), rule in zip(sides, rules, strict=True):
        if rule.dual_value is not None and len(rows):
            y[rows] += sign * np.asarray(rule.dual_value)
    status: Any = {cp.OPTIMAL: "optimal", cp.USER_LIMIT: "limit"}.get(problem.status, "failed")
    return Relaxed(status, values, _bound(model, y), words)


def _bound(model: MIPModel, y: np.ndarray) -> float:
    fair = dual_bound.fair(y, model.row_low, model.row_high)
    bound = dual_bound.parts(
        fair, model.c, model.A.T.tocsr(), model.row_low, model.row_high, model.low, model.high,
        model.q,
    )  # fmt: skip
    return dual_bound.rounded_down(bound + model.offset)
