"""Random dynamics programs and planning problems, for exactness and bound tests."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import scipy.sparse as sp

from sparsectl.program import algebra
from sparsectl.task.constraints import Constraints, KeepOut
from sparsectl.task.cost import Cost, Term
from sparsectl.task.inputs import Inputs
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


def hybrid(rng, nx: int, nu: int, horizon: int, norm: str) -> Problem:
    """A random problem with some of what hybrid tasks have: see `rules`, `timed`, `limits`."""
    base = problem(rng, nx, nu, horizon, norm, constrained=False)
    terms = tuple(timed(rng, term, horizon) for term in base.cost.terms)
    inputs = rules(rng, nu, horizon) if rng.random() < 0.8 else None
    low = base.u_low if inputs is None else np.array([p[0, 0] for p in inputs.pieces])
    high = base.u_high if inputs is None else np.array([p[-1, 1] for p in inputs.pieces])
    hard = limits(rng, base.x0, horizon) if rng.random() < 0.7 else base.constraints
    priced = None
    if rng.random() < 0.5:
        priced = limits(rng, base.x0, horizon)
        prices = 10.0 ** rng.uniform(-1, 1, len(priced.G))
        regions = tuple(replace(k, weight=10.0 ** rng.uniform(-1, 1)) for k in priced.keep_out)
        priced = replace(priced, weights=prices, keep_out=regions)
    cost = replace(base.cost, terms=terms, priced=priced)
    return replace(base, cost=cost, constraints=hard, u_low=low, u_high=high, inputs=inputs)


def rules(rng, nu: int, horizon: int) -> Inputs:
    """Levels, whole numbers, semicontinuous or plain entries in [-1, 1]; rates; blocks."""
    kinds = [
        np.array([[-1.0, 1.0]]),
        np.array([[-1.0, -1.0], [0.0, 0.0], [1.0, 1.0]]),
        np.array([[0.0, 0.0], [1.0, 1.0]]),
        np.array([[-1.0, -0.4], [0.0, 0.0], [0.4, 1.0]]),
        np.array([[-0.7, -0.7], [0.1, 0.1], [0.9, 0.9]]),
        np.array([[0.25, 0.25]]),
    ]
    pieces = [kinds[int(rng.integers(len(kinds)))] for _ in range(nu)]
    blocks = None
    if horizon > 1 and rng.random() < 0.5:
        ends = np.flatnonzero(rng.random(horizon - 1) < 0.4) + 1
        blocks = tuple(int(k) for k in np.diff([0, *ends, horizon]))
    if nu == 1 and blocks == (horizon,):
        levels = np.linspace(-1, 1, int(rng.integers(9, 14)))
        pieces = [np.stack([levels, levels], axis=1)]  # counted in binary
    rate = np.where(rng.random(nu) < 0.5, rng.uniform(0.3, 1.5, nu), np.inf)
    last = None
    if rng.random() < 0.6:
        last = Inputs(tuple(pieces), np.full(nu, np.inf)).admit(rng.uniform(-1, 1, (1, nu)))[0]
    return Inputs(tuple(pieces), rate, last, blocks)


def timed(rng, term: Term, horizon: int) -> Term:
    """The term, maybe with a target that moves."""
    if rng.random() < 0.5:
        return term
    return replace(term, target=term.target + 0.3 * rng.normal(size=(horizon, len(term.E))))


def limits(rng, x0: np.ndarray, horizon: int) -> Constraints:
    """A half-space, a box of the first entry and maybe a keep-out region, with times."""
    nx = len(x0)
    normal = rng.normal(size=(1, nx))
    G = np.vstack([normal, np.eye(nx)[:1], -np.eye(nx)[:1]])
    h = np.concatenate([normal @ x0 + rng.uniform(-0.3, 0.4), [x0[0] + 0.6, 0.6 - x0[0]]])
    if rng.random() < 0.5:
        h = h + 0.2 * rng.normal(size=(horizon, 3))
        h = np.where(rng.random(h.shape) < 0.3, np.inf, h)
    regions = []
    if horizon <= 2 and rng.random() < 0.7:
        turn = rng.uniform(0, 2 * np.pi) + np.arange(3) * 2 * np.pi / 3
        A = np.stack([np.cos(turn), np.sin(turn)], axis=1)
        b = A @ (x0[:2] + 0.3 * rng.normal(size=2)) + rng.uniform(0.0, 0.15)
        if rng.random() < 0.5:
            b = b + 0.2 * rng.normal(size=(horizon + 1, 2)) @ A.T
            there = rng.random(horizon + 1) < 0.8
            b = np.where(there[:, None], b, -np.inf)
        between = bool(rng.random() < 0.6)
        regions.append(KeepOut(np.eye(2, nx), A, b, "triangle", between=between))
    return Constraints(G, h, tuple(regions), ("half-space", "high limit", "low limit"))


def in_units(program, problem: Problem, sx: np.ndarray, su: np.ndarray):
    """The same program and problem with states and actions in other units; costs stay."""
    n, nx = program.n_in, problem.nx
    columns = 1 / np.concatenate([sx, su, np.ones(program.m)])
    A, C = program.A.toarray() * columns, sx[:, None] * program.C.toarray() * columns
    moved = replace(program, A=sp.csr_array(A), C=sp.csr_array(C), d=sx * program.d)
    assert moved.n_in == n
    assert len(sx) == nx

    def scaled(found: Constraints) -> Constraints:
        regions = tuple(replace(k, b=sx[0] * k.b, weight=k.weight / sx[0]) for k in found.keep_out)
        return replace(found, G=found.G / sx, keep_out=regions)

    cost = problem.cost
    terms = tuple(replace(t, E=t.E / sx) for t in cost.terms)
    priced = None if cost.priced is None else scaled(cost.priced)
    inputs = problem.inputs
    if inputs is not None:
        inputs = inputs.rescaled(np.zeros(len(su)), 1 / su)
    cost = replace(
        cost, terms=terms, priced=priced, action_map=(np.diag(1 / su), np.zeros(len(su)))
    )
    return moved, replace(
        problem, x0=sx * problem.x0, cost=cost, constraints=scaled(problem.constraints),
        u_low=su * problem.u_low, u_high=su * problem.u_high, inputs=inputs,
    )  # fmt: skip
