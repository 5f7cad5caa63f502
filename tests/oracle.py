"""An independent answer to small planning problems: every activation pattern, one program each.

Shares no code with the encoder: states are composed by hand as affine functions of the decisions.
What is hybrid is enumerated with the patterns: a piece for every entry of every block, a face for
every keep-out region and step.
"""

from __future__ import annotations

import functools
import itertools

import clarabel
import highspy
import numpy as np

ROUNDING = 1e-9
"""Of rows without variables."""


def best_cost(program, problem, margin: float = 0.0, penalty: float | None = None) -> float:
    """Smallest cost over all patterns; inf when the problem is infeasible.

    Step neurons keep a margin from their threshold; 0: their patterns are closed, so that the
    cost is a lower bound which plans come as close to as one likes. With a penalty constraints are
    soft, at that price of a unit of violation.
    """
    best = np.inf
    for space in _spaces(problem):
        walk = _Walk(program, problem, margin, penalty, space)
        for states, rows, sides, hinges in walk.patterns():
            best = min(best, _convex(problem, space, states, rows, sides, hinges))
    return best


class _Space:
    """Decisions: one action for every block, every entry of it in one of its pieces.

    `select[t]` maps decisions to the action of step t; `rows @ decisions <= sides` are the rates.
    """

    def __init__(self, problem, lengths, low, high) -> None:
        nu, blocks = problem.nu, len(lengths)
        eye = np.eye(blocks * nu).reshape(blocks, nu, -1)
        self.select = [eye[k] for k, length in enumerate(lengths) for _ in range(length)]
        self.low, self.high, self.size = low, high, blocks * nu
        rows, sides = [np.zeros((0, self.size))], [np.zeros(0)]
        inputs = problem.inputs
        if inputs is not None:
            for i in np.flatnonzero(np.isfinite(inputs.rate)):
                for k in range(blocks):
                    before = eye[k - 1, i] if k else 0 * eye[0, i]
                    if k == 0 and inputs.last is None:
                        continue
                    known = float(inputs.last[i]) if k == 0 else 0.0
                    for sign in (1.0, -1.0):
                        rows.append(sign * (eye[k, i] - before)[None])
                        sides.append(np.array([inputs.rate[i] + sign * known]))
        self.rows, self.sides = np.concatenate(rows), np.concatenate(sides)


def _spaces(problem):
    """Every choice of pieces."""
    inputs, H, nu = problem.inputs, problem.horizon, problem.nu
    lengths = [1] * H
    pieces = [[(problem.u_low[i], problem.u_high[i])] for i in range(nu)]
    if inputs is not None:
        lengths = list(inputs.blocks or lengths)
        pieces = [p.tolist() for p in inputs.pieces]
    for chosen in itertools.product(*(pieces * len(lengths))):
        low, high = np.array(chosen, dtype=float).reshape(-1, 2).T
        yield _Space(problem, lengths, low, high)


class _Walk:
    """Walks over the patterns of one space."""

    def __init__(self, program, problem, margin, penalty, space) -> None:
        self.program, self.problem, self.margin, self.penalty = program, problem, margin, penalty
        self.space, self.A, self.C = space, program.A.toarray(), program.C.toarray()
        self.fixed = bool((space.low == space.high).all())
        self.slack = ROUNDING if self.fixed else 1e-6
        self.tight = self.hard_regions()
        # Points of the box, and later of other branches, spare most linear programs.
        spread = np.random.default_rng(0).uniform(size=(space.size, 64))
        self.points = space.low[:, None] + spread * (space.high - space.low)[:, None]

    def hard_regions(self):
        return () if self.penalty is not None else self.problem.constraints.keep_out

    def soft(self):
        """(constraints, price) whose violation costs."""
        found = []
        if self.penalty is not None:
            found.append((self.problem.constraints, self.penalty))
        if self.problem.cost.priced is not None:
            found.append((self.problem.cost.priced, 1.0))
        return found

    def patterns(self):
        """Yield (states as [(M, c)], G, h, hinges) with x_t = M U + c and G U <= h.

        A hinge is (price, E, e): price * max(0, all entries of E U + e).
        """
        space, problem = self.space, self.problem
        point = self.feasible(space.rows, space.sides, space.low)
        if point is not None:
            x0 = (np.zeros((problem.nx, space.size)), problem.x0)
            step = self.start(0, *x0)
            yield from self.walk(0, 0, *step, [x0], space.rows, space.sides, [], point)

    def feasible(self, rows, sides, known, before=0):
        """A point that keeps all rows, or None; `known`, one that keeps the first `before`."""
        low, high, new, limits = self.space.low, self.space.high, rows[before:], sides[before:]
        if (np.minimum(new * low, new * high).sum(1) > limits + self.slack).any():
            return None  # no point of the box keeps this row
        if self.fixed or (new @ known <= limits).all():
            return known
        kept = np.flatnonzero((rows @ self.points <= sides[:, None]).all(axis=0))
        if len(kept):
            return self.points[:, kept[0]]
        found = _point(rows, sides, low, high)
        if found is not None:
            self.points = np.column_stack([self.points, found])
        return found

    def walk(self, t, i, M, c, states, rows, sides, hinges, known):
        # M, c: rows for [x_t; u_t; z_<i] as functions of U.
        program, n = self.program, self.program.n_in
        if i == program.m:
            later = [*states, (self.C @ M, self.C @ c + program.d)]
            for kept in self.outside(t, later, rows, sides, hinges, known):
                if t + 1 == self.problem.horizon:
                    yield later, *kept[:3]
                else:
                    yield from self.walk(t + 1, 0, *self.start(t + 1, *later[-1]), later, *kept)
            return
        a_M = self.A[i, : n + i] @ M
        a_c = self.A[i, : n + i] @ c + program.b[i]
        for on in (True, False):
            sign = -1.0 if on else 1.0
            new_rows = np.vstack([rows, sign * a_M])
            new_sides = np.append(sides, -sign * a_c - (self.margin if program.step[i] else 0.0))
            point = self.feasible(new_rows, new_sides, known, len(rows))
            if point is not None:
                z_M, z_c = (a_M, a_c) if on else (0 * a_M, 0.0)
                if on and program.step[i]:
                    z_M, z_c = 0 * a_M, 1.0
                yield from self.walk(
                    t, i + 1, np.vstack([M, z_M]), np.append(c, z_c), states,
                    new_rows, new_sides, hinges, point,
                )  # fmt: skip

    def outside(self, t, states, rows, sides, hinges, known):
        """Constraints of the step from t to t + 1, with one face for every keep-out region."""
        H, (x_M, x_c), before = self.problem.horizon, states[t + 1], len(rows)
        if self.penalty is None:
            G, h = self.problem.constraints.G, self.problem.constraints.sides(H)[t]
            held = np.isfinite(h)
            rows = np.vstack([rows, G[held] @ x_M])
            sides = np.concatenate([sides, h[held] - G[held] @ x_c])
        for constraints, price in self.soft():
            h = constraints.sides(H)[t]
            weights = np.ones(len(h)) if constraints.weights is None else constraints.weights
            G = constraints.G
            hinges = hinges + [
                (price * w, (g @ x_M)[None], np.array([g @ x_c - side]))
                for g, side, w in zip(G, h, weights, strict=True)
                if np.isfinite(side)
            ]
        found = [(rows, sides, hinges)]
        for region in self.tight:
            found = [
                (np.vstack([r, E]), np.concatenate([s, -e]), hs)
                for E, e in self.faces(region, t, states)
                for r, s, hs in found
            ]
        for constraints, price in self.soft():
            for region in constraints.keep_out:
                found = [
                    (r, s, [*hs, (price * region.weight, E, e)])
                    for E, e in self.faces(region, t, states)
                    for r, s, hs in found
                ]
        for r, s, hs in found:
            point = self.feasible(r, s, known, before)
            if point is not None:
                yield r, s, hs, point

    def faces(self, region, t, states):
        """For every face (E, e): entries of E U + e are how deep both ends are behind it."""
        sides = region.sides(self.problem.horizon)
        ends = [t, t + 1] if region.between else [t + 1]
        now = sides[0] - region.A @ (region.P @ self.problem.x0)
        now = now - max(now.min(), 0.0)
        for k, normal in enumerate(region.A):
            E, e = [np.zeros((0, self.space.size))], []
            for end in ends:
                M, c = states[end]
                need = sides[end, k]
                if end == 0:
                    depth = now[k] if now[k] > ROUNDING else 0.0
                elif np.isfinite(need):
                    depth = need - normal @ region.P @ c
                else:
                    continue
                E.append(-(normal @ region.P @ M)[None])
                e.append(depth)
            yield np.concatenate(E), np.array(e)

    def start(self, t, x_M, x_c):
        return np.vstack([x_M, self.space.select[t]]), np.append(x_c, np.zeros(self.problem.nu))


@functools.cache
def _solver():
    """One for all of these programs, which are so small that making it took longer than they do."""
    solver = highspy.Highs()
    solver.setOptionValue("output_flag", False)
    solver.setOptionValue("presolve", "off")
    return solver


def _point(rows, sides, low, high):
    """A point of {rows U <= sides, box}, or None: a linear program without a cost."""
    lp = highspy.HighsLp()
    lp.num_row_, lp.num_col_ = rows.shape
    lp.col_cost_, lp.col_lower_, lp.col_upper_ = np.zeros(len(low)), low, high
    lp.row_lower_, lp.row_upper_ = np.full(len(sides), -highspy.kHighsInf), sides
    matrix = lp.a_matrix_
    matrix.format_, matrix.num_row_, matrix.num_col_ = highspy.MatrixFormat.kRowwise, *rows.shape
    matrix.start_ = np.arange(len(rows) + 1) * len(low)
    matrix.index_ = np.tile(np.arange(len(low)), len(rows))
    matrix.value_ = rows.ravel()
    solver = _solver()
    solver.clearModel()
    solver.passModel(lp)
    solver.run()
    solved = solver.getModelStatus() == highspy.HighsModelStatus.kOptimal
    return np.array(solver.getSolution().col_value) if solved else None


def _convex(problem, space, states, G, h, hinges) -> float:
    """Minimum of the convex cost over {G U <= h, box}, with epigraph variables."""
    H = problem.horizon
    pieces = []  # (norm, weight, dead zone, error matrix, error constant)
    for term in problem.cost.terms:
        for t, w in enumerate(term.weights(H), start=1):
            M, c = states[t]
            target = term.targets(H)[t - 1]
            pieces.append((term.norm, w, term.dead_zone, term.E @ M, term.E @ c - target))
    E, g = problem.cost.action_form(problem.nu)
    for select in space.select:
        weight = problem.cost.action_weight
        pieces.append((problem.cost.action_norm, weight, 0.0, E @ select, -g))
    pieces += [("hinge", price, 0.0, E, e) for price, E, e in hinges if len(e)]
    # Decisions that are levels are numbers.
    free, level = space.high > space.low, space.low * (space.low == space.high)
    if not free.all():
        pieces = [(n, w, d, E[:, free], e + E @ level) for n, w, d, E, e in pieces]
        G, h = G[:, free], h - G @ level
    moving = abs(G).sum(axis=1) > 0
    if (h[~moving] < -ROUNDING).any():
        return np.inf
    if not free.any():
        return sum(w * _value(norm, dead, e) for norm, w, dead, _, e in pieces)
    return _program(pieces, G[moving], h[moving], space.low[free], space.high[free])


def _value(norm, dead, e) -> float:
    if norm == "l2sq":
        return float(e @ e)
    if norm == "hinge":
        return max(float(e.max()), 0.0)
    size = abs(e).sum() if norm == "l1" else abs(e).max(initial=0.0)
    return max(float(size) - dead, 0.0)


@functools.cache
def _signs(norm, k):
    if norm == "l1":
        signs = np.array(list(itertools.product((1.0, -1.0), repeat=k)))
    else:
        signs = np.eye(k) if norm == "hinge" else np.vstack([np.eye(k), -np.eye(k)])
    return np.vstack([signs, np.zeros(k)])


class _Columns:
    """Sparse columns of a small matrix; scipy takes longer to make them than a solve does."""

    has_canonical_format = True

    def __init__(self, dense) -> None:
        cols, self.indices = dense.T.nonzero()
        self.data, self.shape = dense[self.indices, cols], dense.shape
        self.indptr = np.concatenate([[0], np.count_nonzero(dense, axis=0).cumsum()])


@functools.cache
def _settings():
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    settings.tol_gap_abs = settings.tol_gap_rel = settings.tol_feas = 1e-10
    return settings


def _program(pieces, G, h, low, high) -> float:
    size = len(low)
    P, q, constant = np.zeros((size, size)), np.zeros(size), 0.0
    cost, rows, sides = [], [G], [h]
    for norm, weight, dead, E, e in pieces:
        if norm == "l2sq":
            P += 2 * weight * E.T @ E
            q += 2 * weight * E.T @ e
            constant += weight * e @ e
            continue
        # v >= every signed combination (L-infinity: every signed entry) - dead, and v >= 0.
        signs = _signs(norm, len(E))
        rows.append(signs @ E)
        sides.append(dead * signs.any(axis=1) - signs @ e)
        cost.append(weight)
    ends = np.cumsum([len(r) for r in rows])
    A = np.zeros((ends[-1] + 2 * size, size + len(cost)))
    A[:, :size] = np.concatenate([*rows, np.eye(size), -np.eye(size)])
    for k in range(len(cost)):
        A[ends[k] : ends[k + 1], size + k] = -1.0
    b = np.concatenate([*sides, high, -low])
    full = np.zeros((A.shape[1], A.shape[1]))
    full[:size, :size] = np.triu(P)
    answer = clarabel.DefaultSolver(
        _Columns(full), np.concatenate([q, cost]), _Columns(A), b,
        [clarabel.NonnegativeConeT(len(b))], _settings(),
    ).solve()  # fmt: skip
    solved = str(answer.status) in ("Solved", "AlmostSolved")
    return answer.obj_val + constant if solved else np.inf
