"""What every planner needs before it can search: checked inputs, bounds, the model."""

from __future__ import annotations

import time

import numpy as np

from sparsectl.errors import ConfigError, NonFiniteError
from sparsectl.mip.encode import encode, start_box
from sparsectl.mip.model import MIPModel
from sparsectl.mip.names import BoundMethod
from sparsectl.mip.ocp import OCP
from sparsectl.mip.solution import Solution
from sparsectl.program.bounds import HorizonBounds, propagate
from sparsectl.program.relu_program import ReluProgram
from sparsectl.task import Problem
from sparsectl.types import Status

BY_BOUNDS = "bounds"
"""Certificate of what bounds on neurons and states prove alone."""


def prepare(
    ocp: OCP, bounds: BoundMethod | HorizonBounds = "crown", until: float | None = None
) -> MIPModel | Solution:
    """Checked inputs, bounds (see `bound_neurons`) and the model; a `Solution` when no plan can
    exist."""
    program, problem = ocp.program, ocp.problem
    check_finite(problem)
    if isinstance(bounds, str):
        bounds = bound_neurons(program, problem, bounds, soft=ocp.soft, until=until)
    if bounds.empty:
        return _infeasible(_emptied(problem, bounds))
    model = encode(program, problem, bounds, soft_penalty=ocp.penalty)
    return model if model.infeasible is None else _infeasible(model.infeasible)


def bound_neurons(
    program: ReluProgram,
    problem: Problem,
    method: BoundMethod,
    *,
    soft: bool = False,
    until: float | None = None,
) -> HorizonBounds:
    """Bounds for a problem by the method of that name; from `until`, a `time.perf_counter()` value,
    on by intervals only, and no linear program any more."""
    box = start_box(problem, soft=soft)
    if method == "lp":
        from sparsectl.mip.lp_bounds import tighten

        known = propagate(program, box, problem.horizon, "crown", until=until)
        late = until is not None and time.perf_counter() > until
        return known if known.empty or soft or late else tighten(program, problem, known, until)
    return propagate(program, box, problem.horizon, method, until=until)


def check_finite(problem: Problem) -> None:
    """Refuse NaN and infinity before they reach a solver (SCIP accepts them silently)."""
    zero = np.zeros(1)
    arrays = {
        "start state": problem.x0,
        "action box": np.concatenate([problem.u_low, problem.u_high]),
        "action weight": np.array([problem.cost.action_weight]),
    }
    for kind, found in (("", problem.constraints), ("priced ", problem.cost.priced)):
        if found is None:
            continue
        arrays[f"{kind}constraint matrix"] = found.G
        arrays[f"{kind}constraint side"] = _there(found.h, np.inf)
        arrays[f"{kind}constraint weights"] = found.weights if found.weights is not None else zero
        for region in found.keep_out:
            parts = (region.P.ravel(), region.A.ravel(), _there(region.b, -np.inf).ravel())
            name = f"{kind}{region.label or 'keep-out region'}"
            arrays[name] = np.concatenate([*parts, [region.weight]])
    if problem.inputs is not None:
        last = zero if problem.inputs.last is None else problem.inputs.last
        arrays["rules for actions"] = np.concatenate([*map(np.ravel, problem.inputs.pieces), last])
    for k, term in enumerate(problem.cost.terms):
        arrays[f"cost term {k}"] = np.concatenate([term.E.ravel(), term.target.ravel()])
        arrays[f"cost weight {k}"] = np.array([term.weight, term.terminal_weight, term.dead_zone])
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise NonFiniteError(f"{name} holds a NaN or infinity: {array}")
    if (problem.u_low > problem.u_high).any():
        raise ConfigError(f"action box is empty: low {problem.u_low}, high {problem.u_high}")


def _there(sides: np.ndarray, never: float) -> np.ndarray:
    """Right-hand sides, 0 at steps at which there is none."""
    return np.where(sides == never, 0.0, sides) if sides.ndim > 1 else sides


def _infeasible(label: str) -> Solution:
    message = f"no plan can satisfy the {label}"
    return Solution(Status.INFEASIBLE, certificate=BY_BOUNDS, message=message)


def _emptied(problem: Problem, bounds: HorizonBounds) -> str:
    """Name of the state limit that the reachable states miss."""
    where = np.argwhere(bounds.x_low > bounds.x_high)
    if not len(where):
        return "constraints: even the relaxed problem has no solution"
    step, index = where[0]
    for row, label in zip(problem.constraints.G, problem.constraints.labels, strict=True):
        if row[index] and np.count_nonzero(row) == 1:
            return f"limits on state entry {index} at step {step} (such as the {label})"
    return f"limits on state entry {index} at step {step}"
