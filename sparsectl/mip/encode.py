"""ReLU program + bounds + cost + constraints -> `MIPModel`.

Every unstable neuron is z - s = a, 0 <= z <= u d, 0 <= s <= -l (1 - d) with one binary d, the
big-M form split into its positive and negative parts. Stable neurons are substituted away. A step
neuron is one binary (see `steps`).
"""

from __future__ import annotations

import functools
from dataclasses import replace

import numpy as np

from sparsectl.errors import ConfigError, NonFiniteError, ShapeError
from sparsectl.mip import steps
from sparsectl.mip.inputs import add_actions, reach
from sparsectl.mip.model import Builder, MIPModel
from sparsectl.mip.objective import add_constraints, add_cost
from sparsectl.program import algebra
from sparsectl.program.bounds import Box, HorizonBounds
from sparsectl.program.relu_program import ReluProgram
from sparsectl.task import Problem


def start_box(problem: Problem, *, soft: bool = False) -> Box:
    """What the problem itself says about states and actions.

    Args:
        soft: constraints may be violated, so they bound nothing.
    """
    nx = problem.nx
    low, high = np.full(nx, -np.inf), np.full(nx, np.inf)
    if not soft:
        low, high = problem.constraints.state_box(nx, problem.horizon)
    u_low, u_high = problem.u_low, problem.u_high
    if problem.inputs is not None:
        u_low, u_high = reach(problem.inputs, u_low, u_high, problem.horizon)
    return Box(problem.x0, problem.x0, u_low, u_high, low, high)


def encode(
    program: ReluProgram,
    problem: Problem,
    bounds: HorizonBounds,
    *,
    soft_penalty: float | None = None,
) -> MIPModel:
    """Mixed-integer model of one decision.

    Args:
        program: dynamics program, inputs [x; u], outputs x'.
        bounds: sound bounds over the same horizon.
        soft_penalty: None for hard constraints; else the cost per unit of violation.

    Raises:
        NonFiniteError: an infinite or NaN bound, naming its step.
        ShapeError: bounds of another horizon or program.
        ConfigError: a lower bound above its upper one.
    """
    _check(bounds, program, problem)
    model = _encode(program, problem, bounds, soft_penalty, 0.0)
    if not program.has_steps:
        return model
    return replace(model, strict=_encode(program, problem, bounds, soft_penalty, steps.MARGIN))


def _encode(
    program: ReluProgram,
    problem: Problem,
    bounds: HorizonBounds,
    soft_penalty: float | None,
    margin: float,
) -> MIPModel:
    builder, horizon, nx = Builder(), problem.horizon, problem.nx
    u = add_actions(builder, problem, bounds)
    x = builder.variables(
        bounds.x_low[1:].ravel(), bounds.x_high[1:].ravel(), horizon * nx
    ).reshape(horizon, nx)
    neurons = [np.zeros((0, 5), dtype=int)]
    unstable, active = bounds.unstable, bounds.active
    if program.has_steps:
        # A step neuron whose upper bound is zero may still be on.
        unstable = unstable | (program.step & (bounds.pre_low < 0) & (bounds.pre_high == 0))

    @functools.cache
    def reduced(*signs: bytes) -> ReluProgram:
        on, open_ = (np.frombuffer(some, dtype=bool) for some in signs)
        return algebra.reduce(program, on, ~open_ & ~on)

    for t in range(horizon):
        kept = np.flatnonzero(unstable[t])
        step = reduced(active[t].tobytes(), unstable[t].tobytes())
        inputs = np.concatenate([x[t - 1], u[t]])
        if t == 0:
            step = algebra.fix_inputs(step, np.arange(nx), problem.x0)
            inputs = u[0]
        high, low = bounds.pre_high[t, kept], bounds.pre_low[t, kept]
        relu, after = ~step.step, np.zeros(len(kept), dtype=int)
        relus = kept[relu]
        z = builder.variables(0.0, high[relu], len(relus))
        s = builder.variables(0.0, -low[relu], len(relus))
        d = builder.variables(0.0, 1.0, len(relus), binary=True)
        after[relu] = z
        known, one = np.concatenate([inputs, after]), np.ones(len(relus))
        if program.has_steps:
            after[~relu] = steps.add_variables(builder, step)
            known = np.concatenate([inputs, after])
            steps.add_rows(builder, step, known, after[~relu], low, high, margin)
            steps.add_fill(builder, program, t, kept[~relu], after[~relu])
        if len(relus):
            A, b = step.A[relu].toarray(), step.b[relu]
            builder.add([(known, -A), (z, one), (s, -one)], b, b)
            builder.add([(z, one), (d, -high[relu])], -np.inf, 0.0)
            builder.add([(s, one), (d, -low[relu])], -np.inf, -low[relu])
            builder.fills.append(_fill_neurons(program, t, relus, z, s, d))
        builder.add([(known, -step.C.toarray()), (x[t], np.ones(nx))], step.d, step.d)
        neurons.append(np.stack([np.full(len(relus), t), relus, z, s, d], axis=1))
    add_cost(builder, problem, bounds, x, u)
    infeasible = add_constraints(builder, problem.constraints, bounds, x, soft_penalty)
    return builder.freeze(u, x, np.concatenate(neurons), infeasible)


def _fill_neurons(
    program: ReluProgram, t: int, kept: np.ndarray, z: np.ndarray, s: np.ndarray, d: np.ndarray
):
    def fill(values: np.ndarray, states: np.ndarray, actions: np.ndarray) -> None:
        pre = program.evaluate(np.concatenate([states[t], actions[t]]))[1][kept]
        values[z], values[s], values[d] = np.maximum(pre, 0), np.maximum(-pre, 0), pre > 0

    return fill


def _check(bounds: HorizonBounds, program: ReluProgram, problem: Problem) -> None:
    shape = (problem.horizon, program.m)
    if bounds.pre_low.shape != shape or bounds.x_low.shape != (shape[0] + 1, problem.nx):
        raise ShapeError(
            f"bounds are of {bounds.horizon} steps and {bounds.pre_low.shape[1]} neurons, the "
            f"problem has {shape[0]} steps, the program {shape[1]} neurons"
        )
    for name in ("x_low", "x_high", "pre_low", "pre_high", "u_low", "u_high"):
        finite = np.isfinite(getattr(bounds, name))
        if not finite.all():
            step, index = np.argwhere(~finite)[0]
            raise NonFiniteError(
                f"bound {name}[{step}, {index}] is not finite: planning needs a finite start, "
                "a finite action box and finite weights"
            )
    for low, high in (("pre_low", "pre_high"), ("u_low", "u_high")):
        wrong = np.argwhere(getattr(bounds, low) > getattr(bounds, high))
        if len(wrong):
            step, index = wrong[0]
            raise ConfigError(f"bound {low}[{step}, {index}] is above {high}[{step}, {index}]")
