"""Small random decisions of many kinds, for the choice of the engine: no shape has been tuned on.

A kind is words joined by `+`. Sizes: `s8`, entries of the state (4); `a1`, of the action (2). Cost
of the state's distance to a goal that a random plan reaches: `l1` (as without a word), `linf`,
`l2sq`; `end`: of the last step alone. Constraints: `box` and `side`, limits on all entries and on a
sum of them that random plans break; `hard` and `priced`, regions on the way. Inputs: `levels`,
`semi`, `rate`, `blocks`. `units`: all of it in units between 1e-4 and 1e4.
"""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np

from sparsectl.program import ReluProgram, algebra
from sparsectl.task.constraints import Constraints
from sparsectl.task.cost import Cost, Term
from sparsectl.task.inputs import Inputs
from sparsectl.task.keep_out import KeepOut
from sparsectl.task.problem import Problem

_PRICE = 10.0
"""Of a unit of depth; costs and states are of order one before `units`."""
_SEMI = np.array([[-1.0, -0.4], [0.0, 0.0], [0.4, 1.0]])
_ON_OFF = np.repeat([[-1.0], [0.0], [1.0]], 2, axis=1)
_FACES = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])


def make(
    kind: str, hidden: tuple[int, ...], horizon: int, seed: int
) -> tuple[ReluProgram, Problem]:
    """Program and problem of one instance; `kind` as above."""
    words = kind.split("+")
    size = {w[0]: int(w[1:]) for w in words if w[1:].isdigit() and w[0] in "sa"}
    nx, nu = size.get("s", 4), size.get("a", 2)
    rng = np.random.default_rng([seed, horizon, *hidden, *kind.encode()])
    widths = [nx + nu, *hidden, nx]
    weights = [rng.normal(size=(b, a)) * np.sqrt(2 / a) for a, b in itertools.pairwise(widths)]
    weights[-1] *= 0.5
    biases = [0.3 * rng.normal(size=b) for b in widths[1:]]
    program = algebra.add_linear(algebra.from_layers(weights, biases), np.eye(nx, nx + nu))
    plans, inputs = rng.uniform(-1, 1, (200, horizon, nu)), _inputs(words, nu, horizon)
    plans = plans if inputs is None else inputs.admit(plans)
    x0 = 0.5 * rng.normal(size=nx)
    states = program.rollout(x0, plans)
    norm = next((w for w in words if w in ("linf", "l2sq")), "l1")
    goal = states[0, -1] + 0.1 * rng.normal(size=nx)
    term = Term(np.eye(nx), goal, norm, 0.0 if "end" in words else 1.0, 3.0)  # type: ignore[arg-type]
    hard, priced = _limits(words, rng, states), None
    if "priced" in words:
        regions = tuple(replace(r, weight=_PRICE) for r in _regions(rng, states))
        priced = Constraints(np.zeros((0, nx)), np.zeros(0), regions)
    cost = Cost((term,), "l1", 0.02, priced=priced)
    low, high = -np.ones(nu), np.ones(nu)
    problem = Problem(x0, cost, hard, low, high, horizon, inputs=inputs)
    return (program, problem) if "units" not in words else _in_units(rng, program, problem)


def _limits(words: list[str], rng: np.random.Generator, states: np.ndarray) -> Constraints:
    """Kept by the half of random plans whose goal is sought, broken by many others."""
    nx, later = states.shape[-1], states[:, 1:].reshape(-1, states.shape[-1])
    G, h = np.zeros((0, nx)), np.zeros(0)
    if "box" in words:
        near = np.concatenate([later, states[0]])
        G = np.vstack([np.eye(nx), -np.eye(nx)])
        h = np.concatenate([np.quantile(near, 0.9, axis=0), -np.quantile(near, 0.1, axis=0)])
        h = np.maximum(h, (states[0] @ G.T).max(0) + 0.02)
    if "side" in words:
        row = rng.normal(size=(1, nx))
        reach = np.quantile(later @ row[0], 0.8)
        G = np.vstack([G, row])
        h = np.append(h, max(reach, (states[0] @ row[0]).max() + 0.02))
    regions = _regions(rng, states) if "hard" in words else ()
    return Constraints(G, h, regions, tuple(f"limit {i}" for i in range(len(h))))


def _regions(rng: np.random.Generator, states: np.ndarray) -> tuple[KeepOut, ...]:
    """Squares in the plane of the first two entries, at most two, on the way to the goal."""
    start, goal = states[0, 0, :2], states[0, -1, :2]
    half = 0.2 * abs(goal - start).max()
    middles = [start + s * (goal - start) + 0.3 * half * rng.normal(size=2) for s in (0.4, 0.7)]
    P = np.eye(2, states.shape[-1])
    squares = [KeepOut(P, _FACES, _FACES @ m + half, "square", between=True) for m in middles]
    return tuple(s for s in squares if max(s.depth(np.stack([states[0, :1]] * 2, 1))[0]) <= 0)


def _inputs(words: list[str], nu: int, horizon: int) -> Inputs | None:
    if not {"levels", "semi", "rate", "blocks"} & set(words):
        return None
    pieces = _ON_OFF if "levels" in words else np.array([[-1.0, 1.0]])
    pieces = _SEMI if "semi" in words else pieces
    rate = np.full(nu, 0.5 if "rate" in words else np.inf)
    blocks = (2,) * (horizon // 2) + (1,) * (horizon % 2) if "blocks" in words else None
    return Inputs((pieces,) * nu, rate, np.zeros(nu) if "rate" in words else None, blocks)


def _in_units(
    rng: np.random.Generator, program: ReluProgram, problem: Problem
) -> tuple[ReluProgram, Problem]:
    """The same with every state, action and the cost in a unit of its own; of states without
    regions, whose faces need one unit."""
    sx, su, unit = (10.0 ** rng.uniform(-4, 4, n) for n in (problem.nx, problem.nu, 1))
    given = np.diag(1 / np.concatenate([sx, su]))
    moved = algebra.postcompose(algebra.precompose(program, given), np.diag(sx))
    terms = tuple(
        replace(t, E=t.E / sx, weight=t.weight * unit[0], terminal_weight=3 * unit[0])
        for t in problem.cost.terms
    )
    cost = replace(problem.cost, terms=terms, action_map=(np.diag(1 / su), np.zeros(len(su))),
                   action_weight=problem.cost.action_weight * unit[0])  # fmt: skip
    inputs = problem.inputs and problem.inputs.rescaled(np.zeros(len(su)), 1 / su)
    limits = replace(problem.constraints, G=problem.constraints.G / sx)
    low, high = su * problem.u_low, su * problem.u_high
    return moved, replace(problem, x0=sx * problem.x0, cost=cost, constraints=limits,
                          u_low=low, u_high=high, inputs=inputs)  # fmt: skip


CELLS: list[tuple[str, int | tuple[int, ...], int]] = [
    ("free", 8, 4), ("free", 16, 2), ("free", 16, 4), ("free", 24, 3), ("free", 48, 2),
    ("free", (6, 6, 6), 3), ("free", (2, 14), 5), ("free", (12, 2, 8), 4), ("s8", 24, 3),
    ("s2", 12, 8), ("s2+a1", 16, 8), ("s2+a1", (8, 8), 5), ("s3+a1", (12, 12), 6),
    ("s8+a6", 24, 1), ("s6+a6", 16, 2), ("s4+a8", 32, 1), ("s4+a4", (8, 8), 2),
    ("s1+a1", 24, 6), ("s12+a2", (8, 8), 3),
    ("box", 12, 4), ("box", (8, 8), 3), ("box", 32, 2), ("side", 16, 4), ("side+box", 16, 3),
    ("s2+box", 16, 6), ("s2+a1+box", (8, 8), 4),
    ("l2sq", 16, 3), ("l2sq", (8, 8), 4), ("linf", 16, 3), ("linf", (8, 8), 4), ("end", 24, 3),
    ("l2sq+box", 12, 4), ("s2+a1+end", 24, 5), ("units", 16, 3), ("units+box", 12, 4),
    ("hard", 8, 4), ("hard", 24, 3), ("hard+l2sq", 12, 3), ("hard+levels", 8, 4),
    ("priced", 8, 4), ("priced", 24, 3), ("priced+box", 12, 4), ("priced+levels", 8, 5),
    ("priced+l2sq", 8, 4), ("levels", 16, 4), ("levels", 8, 8), ("semi", 16, 3), ("rate", 16, 4),
    ("rate+box", 12, 4), ("blocks", 16, 6), ("levels+units", 12, 5),
]  # fmt: skip
"""Kind, hidden layers (an int: one), horizon."""
