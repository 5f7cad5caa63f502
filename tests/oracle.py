"""An independent answer to small planning problems: every activation pattern, one program each.

Shares no code with the encoder: states are composed by hand as affine functions of the actions.
"""

from __future__ import annotations

import itertools

import clarabel
import numpy as np
import scipy.sparse as sp
from scipy.optimize import linprog


def best_cost(program, problem, margin: float = 0.0) -> float:
    """Smallest cost over all patterns; inf when the problem is infeasible.

    Step neurons keep a margin from their threshold; 0: their patterns are closed, so that the
    cost is a lower bound which plans come as close to as one likes.
    """
    best = np.inf
    for states, rows, sides in _patterns(program, problem, margin):
        best = min(best, _convex(problem, states, rows, sides))
    return best


def _patterns(program, problem, margin):
    """Yield (states as [(M, c)], G, h) with x_t = M U + c and G U <= h, for feasible patterns."""
    A, C = program.A.toarray(), program.C.toarray()
    n, nx, H, nu = program.n_in, problem.nx, problem.horizon, problem.nu
    size = H * nu
    low, high = np.tile(problem.u_low, H), np.tile(problem.u_high, H)

    def feasible(rows, sides, known):
        """A point that keeps all rows, or None; `known`, one that keeps the rows before."""
        if np.any(np.minimum(rows * low, rows * high).sum(1) > sides + 1e-6):
            return None  # no point of the box keeps this row
        if np.all(rows @ known <= sides):
            return known
        bounds = np.stack([low, high], axis=1)
        answer = linprog(np.zeros(size), rows, sides, bounds=bounds, method="highs")
        return answer.x if answer.status == 0 else None

    def walk(t, i, M, c, states, rows, sides, known):
        # M, c: rows for [x_t; u_t; z_<i] as functions of U.
        if i == program.m:
            x_M, x_c = C @ M, C @ c + program.d
            later = [*states, (x_M, x_c)]
            for kept_rows, kept_sides, point in outside(x_M, x_c, rows, sides, known):
                if t + 1 == H:
                    yield later, kept_rows, kept_sides
                else:
                    step = start(t + 1, x_M, x_c)
                    yield from walk(t + 1, 0, *step, later, kept_rows, kept_sides, point)
            return
        a_M = A[i, : n + i] @ M
        a_c = A[i, : n + i] @ c + program.b[i]
        for on in (True, False):
            sign = -1.0 if on else 1.0
            new_rows = np.vstack([rows, sign * a_M])
            new_sides = np.append(sides, -sign * a_c - (margin if program.step[i] else 0.0))
            point = feasible(new_rows, new_sides, known)
            if point is not None:
                z_M, z_c = (a_M, a_c) if on else (0 * a_M, 0.0)
                if on and program.step[i]:
                    z_M, z_c = 0 * a_M, 1.0
                yield from walk(
                    t, i + 1, np.vstack([M, z_M]), np.append(c, z_c), states,
                    new_rows, new_sides, point,
                )  # fmt: skip

    def outside(x_M, x_c, rows, sides, known):
        """The half-spaces of one state, times one face per keep-out region."""
        G, h = problem.constraints.G, problem.constraints.h
        found = [(np.vstack([rows, G @ x_M]), np.concatenate([sides, h - G @ x_c]))]
        for r in problem.constraints.keep_out:
            faces = zip(r.A @ r.P @ x_M, r.A @ r.P @ x_c - r.b, strict=True)
            found = [
                (np.vstack([old, -row]), np.append(limit, side))
                for row, side in faces
                for old, limit in found
            ]
        points = (feasible(*pair, known) for pair in found)
        return [(*p, x) for p, x in zip(found, points, strict=True) if x is not None]

    def start(t, x_M, x_c):
        select = np.eye(size)[t * nu : (t + 1) * nu]
        return np.vstack([x_M, select]), np.concatenate([x_c, np.zeros(nu)])

    x0 = (np.zeros((nx, size)), problem.x0)
    yield from walk(0, 0, *start(0, *x0), [x0], np.zeros((0, size)), np.zeros(0), low)


def _convex(problem, states, G, h) -> float:
    """Minimum of the convex cost over {G U <= h, box}, with epigraph variables."""
    size, H = states[0][0].shape[1], problem.horizon
    pieces = []  # (norm, weight, dead zone, error matrix, error constant)
    for term in problem.cost.terms:
        for t, w in enumerate(term.weights(H), start=1):
            M, c = states[t]
            pieces.append((term.norm, w, term.dead_zone, term.E @ M, term.E @ c - term.target))
    for t in range(H):
        select = np.eye(size)[t * problem.nu : (t + 1) * problem.nu]
        weight = problem.cost.action_weight
        pieces.append((problem.cost.action_norm, weight, 0.0, select, np.zeros(problem.nu)))
    P = np.zeros((size, size))
    q, constant = np.zeros(size), 0.0
    cost, rows, sides = [], [], []
    extra = 0
    for norm, weight, dead, E, e in pieces:
        if norm == "l2sq":
            P += 2 * weight * E.T @ E
            q += 2 * weight * E.T @ e
            constant += weight * e @ e
            continue
        # v >= every signed combination (L-infinity: every signed entry) - dead, and v >= 0.
        k = len(E)
        signs = (
            np.array(list(itertools.product((1.0, -1.0), repeat=k)))
            if norm == "l1"
            else np.vstack([np.eye(k), -np.eye(k)])
        )
        for s in [*signs, np.zeros(k)]:
            rows.append((s @ E, extra))
            sides.append((dead if s.any() else 0.0) - s @ e)
        cost.append(weight)
        extra += 1
    total = size + extra
    big = np.zeros((len(rows), total))
    for r, (row, v) in enumerate(rows):
        big[r, :size], big[r, size + v] = row, -1.0
    eye = np.hstack([np.eye(size), np.zeros((size, extra))])
    low, high = np.tile(problem.u_low, H), np.tile(problem.u_high, H)
    A = np.vstack([np.hstack([G, np.zeros((len(G), extra))]), big, eye, -eye])
    b = np.concatenate([h, sides, high, -low])
    full = np.zeros((total, total))
    full[:size, :size] = P
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    settings.tol_gap_abs = settings.tol_gap_rel = settings.tol_feas = 1e-10
    answer = clarabel.DefaultSolver(
        sp.csc_matrix(np.triu(full)), np.concatenate([q, cost]), sp.csc_matrix(A), b,
        [clarabel.NonnegativeConeT(len(b))], settings,
    ).solve()  # fmt: skip
    solved = str(answer.status) in ("Solved", "AlmostSolved")
    return answer.obj_val + constant if solved else np.inf
