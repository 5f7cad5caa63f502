"""Random closed loops, small enough to enumerate, and their worst cases by all patterns."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np

from sparsectl.config import from_dict
from sparsectl.policies.lower import admissible
from sparsectl.program import ReluProgram
from sparsectl.program.algebra import add_linear, compose, from_layers, postcompose, precompose
from sparsectl.task import Task, TaskConfig
from sparsectl.verify.loop import Loop, close

COST = {"terms": [{"of": "x", "target": 0.3, "terminal_weight": 2.0}],
        "action": {"norm": "l1", "weight": 0.1}}  # fmt: skip
LIMITS = {"boxes": [{"of": "x", "low": -0.8, "high": 0.9}]}


@dataclass(frozen=True)
class Pair:
    loop: Loop
    dynamics: ReluProgram
    policy: ReluProgram
    task: Task


def task(unit: float = 1.0, **parts: Any) -> Task:
    """Of a state x of two entries and one action in [-1, 1] units."""
    config = {"observation": {"state": {"x": "0:2"}}, "cost": COST, "constraints": LIMITS} | parts
    return Task(from_dict(TaskConfig, config, "task"), 2, np.array([-unit]), np.array([unit]))


def pair(
    seed: int, horizon: int = 2, hidden: tuple[int, int] = (3, 3), unit: float = 1.0, **parts: Any
) -> Pair:
    """Dynamics x' = A x + B u + W relu(V [x; u] + v), and a policy of one hidden layer."""
    rng, here = np.random.default_rng(seed), task(unit, **parts)
    V, v = rng.normal(size=(hidden[0], 3)), rng.normal(size=hidden[0]) * 0.5
    net = from_layers([V, 0.5 * rng.normal(size=(2, hidden[0]))], [v, 0.1 * rng.normal(size=2)])
    dynamics = add_linear(net, np.array([[0.9, 0.1, 0.2], [-0.1, 0.8, 0.5]]))
    P, p = rng.normal(size=(hidden[1], 2)), rng.normal(size=hidden[1]) * 0.5
    wish = from_layers([P, rng.normal(size=(1, hidden[1]))], [p, 0.3 * rng.normal(size=1)])
    dynamics = postcompose(precompose(dynamics, np.eye(3) / unit), unit * np.eye(2))
    wish = postcompose(precompose(wish, np.eye(2) / unit), np.array([[unit]]))
    policy = compose(admissible(here), wish)
    problem = here.problem(np.zeros(2), horizon, loose=True)
    return Pair(close(dynamics, policy, problem), dynamics, policy, here)


def worst_of_patterns(made: Pair, low: np.ndarray, high: np.ndarray) -> tuple[float, float]:
    """Largest cost and largest excess of a limit over a box of starts in the plane.

    Both are convex on the polygon of every pattern of policy and dynamics, on which states are
    affine in the start, so that they are largest at one of its corners.
    """
    rows = np.concatenate([np.eye(2), -np.eye(2)])
    found = list(_walk(made, 0, [(np.eye(2), np.zeros(2))], [], rows, np.append(high, -low)))
    return max(f[0] for f in found), max(f[1] for f in found)


def _walk(made, t, states, actions, rows, sides):
    problem = made.loop.problem
    if t == problem.horizon:
        corners = _corners(rows, sides)
        x = np.stack([corners @ M.T + c for M, c in states], axis=1)
        u = np.stack([corners @ M.T + c for M, c in actions], axis=1)
        cost = problem.cost(x, u).max()
        G, h = problem.constraints.G, problem.constraints.sides(problem.horizon)
        yield float(cost), float(np.max(x[:, 1:] @ G.T - h))
        return
    M, c = states[-1]
    for U, d, r, s in _pieces(made.policy, M, c, rows, sides):
        both = np.concatenate([M, U]), np.concatenate([c, d])
        for X, e, r2, s2 in _pieces(made.dynamics, *both, r, s):
            yield from _walk(made, t + 1, [*states, (X, e)], [*actions, (U, d)], r2, s2)


def _pieces(program, M, c, rows, sides):
    """(outputs as affine functions of the start, rows, sides) of every pattern that is there."""
    A, C = program.A.toarray(), program.C.toarray()

    def go(i, M, c, rows, sides):
        if i == program.m:
            yield C @ M, C @ c + program.d, rows, sides
            return
        a, b = A[i, : len(M)] @ M, A[i, : len(M)] @ c + program.b[i]
        for on, sign in itertools.product((True, False), (1.0,)):
            turn = -sign if on else sign
            more, ends = np.vstack([rows, turn * a]), np.append(sides, -turn * b)
            if not len(_corners(more, ends)):
                continue
            z, k = (a, b) if on else (0 * a, 0.0)
            if on and program.step[i]:
                z, k = 0 * a, 1.0
            yield from go(i + 1, np.vstack([M, z]), np.append(c, k), more, ends)

    yield from go(0, M, c, rows, sides)


def _corners(rows: np.ndarray, sides: np.ndarray) -> np.ndarray:
    """Corners of a polygon rows @ x <= sides. Shape (n, 2)."""
    i, j = np.triu_indices(len(rows), 1)
    det = rows[i, 0] * rows[j, 1] - rows[i, 1] * rows[j, 0]
    size = abs(rows).max(axis=1)
    keep = abs(det) > 1e-12 * size[i] * size[j] + 1e-300
    i, j, det = i[keep], j[keep], det[keep]
    x = (sides[i] * rows[j, 1] - sides[j] * rows[i, 1]) / det
    y = (rows[i, 0] * sides[j] - rows[j, 0] * sides[i]) / det
    points = np.stack([x, y], axis=1)
    slack = 1e-10 * (abs(sides) + abs(points) @ abs(rows).T + 1e-300)
    return points[(points @ rows.T <= sides + slack).all(axis=1)]
