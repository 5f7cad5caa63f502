"""Plan exactly: program + problem -> `Solution`."""

from __future__ import annotations

import importlib
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from sparsectl.errors import ConfigError, MissingExtra, NonFiniteError, nearest
from sparsectl.mip import steps
from sparsectl.mip.encode import encode, start_box
from sparsectl.mip.model import MIPModel
from sparsectl.mip.solution import Limits, RawSolution, Solution
from sparsectl.program.bounds import HorizonBounds, propagate
from sparsectl.program.relu_program import ReluProgram
from sparsectl.task import Problem
from sparsectl.types import Status

if TYPE_CHECKING:
    from sparsectl.mip.backends.highs import HiGHSOptions
    from sparsectl.mip.backends.scip import SCIPOptions

Backend = Literal["scip", "highs"]
BoundMethod = Literal["interval", "crown", "lp"]

TOLERANCE = 1e-6
"""Largest accepted difference, relative to 1 + |cost|, between claimed and exact cost, and
largest accepted violation of a constraint by the exact rollout."""


def solve(
    program: ReluProgram,
    problem: Problem,
    *,
    backend: Backend = "scip",
    bounds: BoundMethod | HorizonBounds = "crown",
    limits: Limits | None = None,
    starts: Sequence[np.ndarray] = (),
    soft_penalty: float | None = None,
    options: SCIPOptions | HiGHSOptions | None = None,
) -> Solution:
    """Globally optimal plan under the model, or the best found with a proven bound.

    Args:
        program: dynamics program, inputs [x; u], outputs x'.
        problem: start, cost, constraints, action box, horizon.
        backend: "scip" or "highs".
        bounds: how to bound the neurons, or bounds that are already known.
        limits: when to stop; default: no time limit, gap 1e-4.
        starts: action sequences to start from, each of shape (H, nu).
        soft_penalty: None for hard constraints, else the cost per unit of violation.
        options: of that backend; None: its defaults.

    Raises:
        NonFiniteError: a NaN or infinity in the problem.
        ConfigError: unknown backend or bound method, options of another backend.
    """
    started = time.perf_counter()
    model = prepare(program, problem, bounds, soft_penalty)
    if isinstance(model, Solution):
        return replace(model, seconds=time.perf_counter() - started)
    limits = limits or Limits()
    build_seconds = time.perf_counter() - started
    if limits.seconds is not None:
        limits = replace(limits, seconds=max(limits.seconds - build_seconds, 0.0))
    solution = run(program, problem, model, limits, starts, backend, soft_penalty, options)
    seconds = time.perf_counter() - started
    return replace(solution, seconds=seconds, build_seconds=build_seconds)


def prepare(
    program: ReluProgram,
    problem: Problem,
    bounds: BoundMethod | HorizonBounds = "crown",
    soft_penalty: float | None = None,
) -> MIPModel | Solution:
    """Checked inputs, bounds and the model; a `Solution` when no plan can exist."""
    check_finite(problem)
    if isinstance(bounds, str):
        bounds = bound_neurons(program, problem, bounds, soft=soft_penalty is not None)
    if bounds.empty:
        return _infeasible(_emptied(problem, bounds))
    model = encode(program, problem, bounds, soft_penalty=soft_penalty)
    return model if model.infeasible is None else _infeasible(model.infeasible)


def run(
    program: ReluProgram,
    problem: Problem,
    model: MIPModel,
    limits: Limits,
    starts: Sequence[np.ndarray] = (),
    backend: Backend = "scip",
    soft_penalty: float | None = None,
    options: SCIPOptions | HiGHSOptions | None = None,
) -> Solution:
    """Solve a prepared model from starting plans and check the answer.

    Where there are step neurons, `model` is the closure of what the program does, and a plan that
    sits on a threshold is replaced by the best one that the program reproduces (see `steps`).
    """
    if backend not in ("scip", "highs"):
        raise ConfigError(f"backend '{backend}'" + nearest(backend, ("scip", "highs")))
    rollouts = [(program.rollout(problem.x0, a), np.asarray(a, float)) for a in starts]
    values = [model.assign(states, actions) for states, actions in rollouts]
    source = (program, problem, soft_penalty is not None)
    if model.strict is None:
        raw = _call(backend, model, limits, values, options, source)
        return conclude(program, problem, model, raw, limits, soft_penalty)

    def call(model: MIPModel, limits: Limits) -> RawSolution:
        return _call(backend, model, limits, values, options, source)

    def check(raw: RawSolution) -> Solution:
        return conclude(program, problem, model, raw, limits, soft_penalty)

    return steps.search(model, limits, values, call, check)


def bound_neurons(
    program: ReluProgram, problem: Problem, method: BoundMethod, *, soft: bool = False
) -> HorizonBounds:
    """Bounds for a problem by the method of that name."""
    box = start_box(problem, soft=soft)
    if method == "lp":
        from sparsectl.mip.lp_bounds import tighten

        known = propagate(program, box, problem.horizon, "crown")
        return known if known.empty or soft else tighten(program, problem, known)
    return propagate(program, box, problem.horizon, method)


def check_finite(problem: Problem) -> None:
    """Refuse NaN and infinity before they reach a solver (SCIP accepts them silently)."""
    arrays = {
        "start state": problem.x0,
        "action box": np.concatenate([problem.u_low, problem.u_high]),
        "action weight": np.array([problem.cost.action_weight]),
        "constraint matrix": problem.constraints.G,
        "constraint side": problem.constraints.h,
    }
    for region in problem.constraints.keep_out:
        parts = (region.P.ravel(), region.A.ravel(), region.b)
        arrays[region.label or "keep-out region"] = np.concatenate(parts)
    for k, term in enumerate(problem.cost.terms):
        arrays[f"cost term {k}"] = np.concatenate([term.E.ravel(), term.target])
        arrays[f"cost weight {k}"] = np.array([term.weight, term.terminal_weight, term.dead_zone])
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise NonFiniteError(f"{name} holds a NaN or infinity: {array}")
    if (problem.u_low > problem.u_high).any():
        raise ConfigError(f"action box is empty: low {problem.u_low}, high {problem.u_high}")


def conclude(
    program: ReluProgram,
    problem: Problem,
    model: MIPModel,
    raw: RawSolution,
    limits: Limits,
    soft_penalty: float | None = None,
) -> Solution:
    """Re-roll the plan in the exact program and decide the status by what it shows."""
    common: dict[str, Any] = {
        "nodes": raw.nodes,
        "binaries": model.binaries,
        "seconds": raw.seconds,
        "trace": raw.trace,
    }
    bound = raw.bound if np.isfinite(raw.bound) else None
    if raw.values is None:
        status = Status.INFEASIBLE if raw.infeasible else Status.NO_SOLUTION
        return Solution(status, bound=bound, message=raw.message, **common)
    actions = np.clip(raw.values[model.u], problem.u_low, problem.u_high)
    states = program.rollout(problem.x0, actions)
    violation = float(problem.constraints.violation(states))
    cost = float(problem.cost(states, actions)) + (soft_penalty or 0.0) * violation
    claimed = model.objective(raw.values[: model.n])
    if soft_penalty is None and violation > TOLERANCE:
        message = (
            f"the plan violates its constraints by {violation:.2e} when rolled out exactly; "
            f"rejected ({raw.message})"
        )
        return Solution(Status.NO_SOLUTION, bound=bound, message=message, **common)
    faithful = abs(cost - claimed) <= TOLERANCE * (1 + abs(cost))
    proved = bound is not None and limits.closed(cost, bound)
    message = raw.message
    if not faithful:
        message = f"claimed cost {claimed:.9g}, exact rollout {cost:.9g}; {raw.message}"
    return Solution(
        status=Status.OPTIMAL if proved else Status.FEASIBLE,
        actions=actions,
        states=states,
        cost=cost,
        claimed_cost=claimed,
        bound=bound,
        message=message,
        **common,
    )


def _call(
    backend: Backend,
    model: MIPModel,
    limits: Limits,
    values: list[np.ndarray],
    options: SCIPOptions | HiGHSOptions | None,
    source: tuple[ReluProgram, Problem, bool],
) -> RawSolution:
    package = {"highs": "highspy", "scip": "pyscipopt"}[backend]
    try:
        importlib.import_module(package)
    except ImportError as error:
        other = {"highs": "scip", "scip": "highs"}[backend]
        raise MissingExtra(
            f"backend '{backend}' needs {package}: pip install {package}, or use backend '{other}'"
        ) from error
    if backend == "highs":
        from sparsectl.mip.backends import highs

        return highs.solve(model, limits, values, _of(options, highs.HiGHSOptions))
    from sparsectl.mip.backends import scip

    own = _of(options, scip.SCIPOptions)
    return scip.solve(model, limits, values, options=own, source=scip.Source(*source))


def _of(options: Any, kind: type[Any]) -> Any:
    if options is None or isinstance(options, kind):
        return options
    raise ConfigError(
        f"options are a {type(options).__name__}, but this backend takes {kind.__name__}"
    )


def _infeasible(label: str) -> Solution:
    return Solution(Status.INFEASIBLE, message=f"no plan can satisfy the {label}")


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
