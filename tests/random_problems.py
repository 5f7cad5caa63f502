"""Random dynamics programs and planning problems, for exactness and bound tests."""

from __future__ import annotations

import itertools

import numpy as np

from sparsectl.program import algebra
from sparsectl.task.constraints import Constraints, KeepOut
from sparsectl.task.cost import Cost, Term
from sparsectl.task.problem import Problem


def dynamics(rng, nx: int, nu: int, hidden: tuple[int, ...], scale: float = 0.5):
    """Residual random network x' = x + scale * net(x, u)."""
    sizes = [nx + nu, *hidden, nx]
    weights = [rng.normal(size=(b, a)) / np.sqrt(a) for a, b in itertools.pairwise(sizes)]
    biases = [0.3 * rng.normal(size=b) for b in sizes[1:]]
    weights[-1] = scale * weights[-1]
    return algebra.add_linear(algebra.from_layers(weights, biases), np.eye(nx, nx + nu))


def problem(rng, nx: int, nu: int, horizon: int, norm: str, constrained: bool) -> Problem:
    """Random start, target and weights; optionally a half-space, a box and a keep-out square."""
    k = int(rng.integers(1, nx + 1))
    E = np.eye(nx)[:k] if rng.random() < 0.5 else rng.normal(size=(k, nx))
    dead_zone = 0.1 if norm != "l2sq" and rng.random() < 0.3 else 0.0
    terms = [Term(E, rng.normal(size=k), norm, rng.random(), 1.0 + rng.random(), dead_zone)]
    if rng.random() < 0.3:
        terms.append(Term(np.eye(nx), np.zeros(nx), "l1", 0.1, 0.1))
    action_norm = str(rng.choice(["l1", "linf", "l2sq"]))
    cost = Cost(tuple(terms), action_norm, 0.05)
    x0 = 0.5 * rng.normal(size=nx)
    constraints = Constraints(np.zeros((0, nx)), np.zeros(0))
    if constrained:
        normal = rng.normal(size=(1, nx))
        limit = np.abs(x0).max() + 0.3
        G = np.vstack([normal, np.eye(nx), -np.eye(nx)])
        h = np.concatenate([normal @ x0 + 0.1, np.full(2 * nx, limit)])
        labels = ("half-space", *["high limit"] * nx, *["low limit"] * nx)
        faces = np.array([[1.0, 0], [-1, 0], [0, 1], [0, -1]])
        center = x0[:2] + 0.3 * rng.normal(size=2)
        sides = faces @ center + 0.1
        # Enumerating the faces of every step is the oracle's cost: short horizons only.
        few = horizon <= 2
        regions = (KeepOut(np.eye(2, nx), faces, sides, "square"),) if few else ()
        constraints = Constraints(G, h, regions, labels)
    return Problem(x0, cost, constraints, -np.ones(nu), np.ones(nu), horizon)


def case(seed=0, hidden=(5, 5), horizon=3, constrained=False):
    """A small network and a problem on it, of 4 states and 2 actions."""
    rng = np.random.default_rng(seed)
    program = dynamics(rng, 4, 2, hidden, scale=1.0)
    return program, problem(rng, 4, 2, horizon, "l1", constrained=constrained)
