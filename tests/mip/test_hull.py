"""Hull of modes: complete enumeration, valid bounds, the same optima as enumeration and SCIP."""

import time
from dataclasses import replace

import numpy as np
import oracle
import pytest
import random_problems
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsectl.errors import ConfigError
from sparsectl.mip import Limits, anytime, bound_neurons, solve
from sparsectl.mip.model import MIPModel
from sparsectl.mip.ocp import OCP
from sparsectl.mip.prepare import prepare
from sparsectl.mip.search.hull import ENGINE, HullSearch, TooManyModes, unsupported
from sparsectl.mip.search.hull.cells import Layer, clip, list_modes
from sparsectl.mip.search.hull.complex import box
from sparsectl.mip.search.hull.master import Master
from sparsectl.mip.search.hull.stage import Stage, effective_inputs
from sparsectl.mip.search.pool import Pool
from sparsectl.program import algebra
from sparsectl.task.constraints import Constraints
from sparsectl.task.cost import Cost, Term
from sparsectl.task.problem import Problem
from sparsectl.types import Status


def _layers(rng, dimension, widths):
    layers, before = [], 0
    for k in widths:
        W = rng.normal(size=(k, dimension)) if before == 0 else np.zeros((k, dimension))
        Z = rng.normal(size=(k, before))
        layers.append(Layer(W, Z, 0.3 * rng.normal(size=k)))
        before += k
    return layers


def _evaluate(layers, s):
    z, pre = np.zeros((len(s), 0)), []
    for layer in layers:
        pre.append(s @ layer.W.T + z @ layer.Z.T + layer.b)
        z = np.concatenate([z, np.maximum(pre[-1], 0)], axis=1)
    return np.concatenate(pre, axis=1)


def _patterns(cells, dimension):
    """Pattern of every cell, from the sum of its vertices' pre-activations."""
    cell, vertex = cells.memberships()
    total = np.zeros((cells.cells, cells.values.shape[1] - dimension))
    np.add.at(total, cell, cells.values[vertex, dimension:])
    return total > 0


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 4), st.sampled_from([(3,), (6,), (4, 4), (3, 3, 2)]))
def test_every_sampled_pattern_is_listed_once_with_its_sample_inside(seed, dimension, widths):
    rng = np.random.default_rng(seed)
    layers = _layers(rng, dimension, widths)
    low, high = -np.ones(dimension), np.ones(dimension)
    cells = list_modes(layers, low, high)
    listed = _patterns(cells, dimension)
    assert len(np.unique(listed, axis=0)) == cells.cells
    samples = rng.uniform(low, high, size=(3000, dimension))
    pre = _evaluate(layers, samples)
    clear = abs(pre).min(axis=1) > 1e-6
    assert {bytes(p > 0) for p in pre[clear]} <= {bytes(p) for p in listed}
    points = cells.values[:, :dimension]
    np.testing.assert_allclose(_evaluate(layers, points), cells.values[:, dimension:], atol=1e-8)
    cell, vertex = cells.memberships()
    # Every vertex agrees, up to its boundary, with the pattern of its cells.
    at = cells.values[vertex, dimension:]
    assert (np.where(listed[cell], at, -at) > -1e-7).all()


def _area(cells):
    total, (cell, vertex) = 0.0, cells.memberships()
    for c in range(cells.cells):
        v = cells.values[vertex[cell == c], :2]
        v = v - v.mean(axis=0)
        v = v[np.argsort(np.arctan2(v[:, 1], v[:, 0]))]
        w = np.roll(v, -1, axis=0)
        total += 0.5 * abs((v[:, 0] * w[:, 1] - v[:, 1] * w[:, 0]).sum())
    return total


def test_areas_add_up_also_after_clipping():
    """The cells cover the box: areas of the pieces of a square sum to the area of the square."""
    rng = np.random.default_rng(3)
    cells = list_modes(_layers(rng, 2, (5, 4)), np.zeros(2), np.ones(2))
    assert _area(cells) == pytest.approx(1.0, abs=1e-9)
    part = clip(cells, np.array([0.2, 0.1]), np.array([0.7, 0.9]))
    assert _area(part) == pytest.approx(0.4, abs=1e-9)


def test_clipping_equals_listing_anew():
    rng = np.random.default_rng(5)
    layers = _layers(rng, 3, (5, 5))
    wide = list_modes(layers, -np.ones(3), np.ones(3))
    low, high = np.array([-0.5, -1.0, 0.1]), np.array([0.4, 0.3, 0.6])
    cut, anew = clip(wide, low, high), list_modes(layers, low, high)
    assert cut.faces == anew.faces
    for a, b in ((cut, anew), (anew, cut)):
        gaps = abs(a.values[:, None, :3] - b.values[None, :, :3]).max(axis=2).min(axis=1)
        assert gaps.max() < 1e-9


def test_cutting_a_cube_through_its_corners():
    """A degenerate cut: the plane x + y = z goes through vertices of the cube."""
    cube = box(np.zeros(3), np.ones(3))
    level = cube.values @ [1.0, 1.0, -1.0]
    assert cube.faces == (8, 12, 6, 1)
    above, below = cube.cut(level, 1), cube.cut(level, -1)
    assert len(above.values) == above.faces[0] == 7
    assert below.faces == (4, 6, 4, 1)
    both = cube.cut(level)
    assert both.faces[0] == 8
    assert both.cells == 2


def test_faces_of_a_box_satisfy_euler():
    cells = list_modes(_layers(np.random.default_rng(2), 4, (6, 4)), -np.ones(4), np.ones(4))
    assert sum((-1) ** k * n for k, n in enumerate(cells.faces)) == 1


def test_known_signs_leave_only_their_side():
    rng = np.random.default_rng(1)
    free = _layers(rng, 2, (4,))
    cells = _patterns(list_modes(free, -np.ones(2), np.ones(2)), 2)
    sign = np.array([1, 0, 0, 0])
    fewer = list_modes(free, -np.ones(2), np.ones(2), sign=sign)
    wanted = {bytes(p) for p in cells if p[0]}
    assert {bytes(p) for p in _patterns(fewer, 2)} == wanted
    later = clip(list_modes(free, -np.ones(2), np.ones(2)), -np.ones(2), np.ones(2), sign)
    assert {bytes(p) for p in _patterns(later, 2)} == wanted


def test_too_many_modes_says_what_to_do():
    layers = _layers(np.random.default_rng(0), 3, (12,))
    with pytest.raises(TooManyModes, match="fewer ReLUs"):
        list_modes(layers, -np.ones(3), np.ones(3), cap=10)
    with pytest.raises(TooManyModes, match="too long"):
        list_modes(layers, -np.ones(3), np.ones(3), deadline=time.perf_counter())


@pytest.mark.parametrize("norm", ["l1", "linf"])
@pytest.mark.parametrize("hidden", [(3,), (2, 2), (4,)], ids=str)
def test_equals_enumeration(norm, hidden):
    compared = 0
    for index in range(12):
        rng = np.random.default_rng([index, len(hidden), hidden[0]])
        program = random_problems.dynamics(rng, 2, 1, hidden)
        problem = random_problems.problem(rng, 2, 1, 2, norm, constrained=False)
        if unsupported(OCP(program, problem)) is not None:
            continue
        expected = oracle.best_cost(program, problem)
        options = anytime.Options(backend="hull", gap=1e-6)
        start = np.zeros((2, 1))
        solution = anytime.plan(program, problem, lambda end, start=start: [start], options)
        assert solution.status == Status.OPTIMAL, solution.message
        assert solution.cost == pytest.approx(expected, rel=2e-6, abs=2e-6)
        assert solution.bound <= expected + 1e-6
        compared += 1
    assert compared >= 4


@pytest.mark.parametrize("norm", ["l1", "linf"])
def test_times_and_prices_equal_enumeration(norm):
    compared = 0
    for index in range(40):
        rng = np.random.default_rng([6, index])
        program = random_problems.dynamics(rng, 2, 1, (4,))
        problem = random_problems.hybrid(rng, 2, 1, 2, norm)
        limits = [random_problems.limits(rng, problem.x0, 3) for _ in range(2)]
        hard, priced = (replace(k, h=k.h[..., :2, :] if k.h.ndim > 1 else k.h) for k in limits)
        priced = replace(priced, weights=np.array([0.3, 2.0, 20.0]))
        problem = replace(
            problem, inputs=None, u_low=-np.ones(1), u_high=np.ones(1), constraints=hard,
            cost=replace(problem.cost, priced=priced),
        )  # fmt: skip
        if unsupported(OCP(program, problem)) is not None:
            continue
        expected = oracle.best_cost(program, problem)
        options = anytime.Options(backend="hull", gap=1e-6)
        start = np.zeros((2, 1))
        solution = anytime.plan(program, problem, lambda end, start=start: [start], options)
        compared += 1
        if np.isinf(expected):
            assert solution.status == Status.INFEASIBLE
            continue
        assert solution.status == Status.OPTIMAL, solution.message
        assert solution.cost == pytest.approx(expected, rel=2e-6, abs=2e-6)
        assert solution.bound <= expected + 1e-6
    assert compared >= 15


@pytest.mark.parametrize("seed", range(6))
def test_agrees_with_scip_and_bounds_are_valid(seed):
    rng = np.random.default_rng(seed)
    program = random_problems.dynamics(rng, 3, 1, (4, 6), scale=1.0)
    problem = random_problems.problem(rng, 3, 1, 4, "l1", constrained=False)
    problem = type(problem)(
        problem.x0, type(problem.cost)(problem.cost.terms, "l1", 0.05), problem.constraints,
        problem.u_low, problem.u_high, problem.horizon,
    )  # fmt: skip
    assert unsupported(OCP(program, problem)) is None
    exact = solve(program, problem, limits=Limits(gap=1e-6))
    assert exact.status == Status.OPTIMAL
    options = anytime.Options(backend="hull", gap=1e-3)
    hull = anytime.plan(program, problem, lambda end: [np.zeros((4, 1))], options)
    assert hull.status == Status.OPTIMAL
    assert hull.cost <= exact.cost * (1 + 1.01e-3) + 1e-6
    assert hull.bound <= exact.cost + 1e-6
    # Stopped early, the bound is still one.
    early = anytime.plan(
        program, problem, lambda end: [np.zeros((4, 1))],
        anytime.Options(backend="hull", gap=1e-3, nodes=1),
    )  # fmt: skip
    assert early.bound <= exact.cost + 1e-6
    assert early.cost >= exact.cost - 1e-6


def _pool(program, problem, deadline=None):
    ocp = OCP(program, problem)
    return Pool(ocp, prepare(ocp), time.perf_counter(), deadline)


def test_cutoff_tightening_keeps_every_better_plan():
    rng = np.random.default_rng(4)
    program = random_problems.dynamics(rng, 3, 1, (4, 6), scale=1.0)
    problem = random_problems.problem(rng, 3, 1, 4, "linf", constrained=False)
    problem = type(problem)(
        problem.x0, type(problem.cost)(problem.cost.terms, "l1", 0.05), problem.constraints,
        problem.u_low, problem.u_high, problem.horizon,
    )  # fmt: skip
    bounds = bound_neurons(program, problem, "crown")
    search = HullSearch(_pool(program, problem), bounds)
    actions = rng.uniform(-1, 1, size=(6000, 4, 1))
    states = program.rollout(problem.x0, actions)
    costs = problem.cost(states, actions)
    limit = float(np.quantile(costs, 0.05))
    root = search._root
    before = root.box()
    node, share = search._tighten(root, Master(problem, bounds, root.seeded()), limit)
    assert share < 1.0
    low, high = node.box()
    assert (high - low).sum() < (before[1] - before[0]).sum()
    good = costs <= limit
    S = effective_inputs(program)
    for t in range(1, 4):
        s = np.concatenate([states[good, t], actions[good, t]], axis=1) @ S.T
        assert (s >= low[t - 1] - 1e-9).all()
        assert (s <= high[t - 1] + 1e-9).all()


def test_what_it_cannot_plan_with_is_said():
    rng = np.random.default_rng(0)
    problem = random_problems.problem(rng, 3, 1, 2, "l2sq", constrained=False)
    narrow = random_problems.dynamics(rng, 3, 1, (3,))
    assert "quadratic" in unsupported(OCP(narrow, problem))
    wide = random_problems.dynamics(rng, 8, 2, (9,))
    wide_problem = random_problems.problem(rng, 8, 2, 2, "l1", constrained=False)
    assert "directions" in unsupported(OCP(wide, wide_problem))
    affine = algebra.affine(np.eye(3, 4), np.zeros(3))
    assert "affine" in unsupported(OCP(affine, problem))
    with pytest.raises(ConfigError, match="use auto or scip"):
        anytime.plan(wide, wide_problem, lambda end: [], anytime.Options(backend="hull"))


def test_effective_inputs_span_what_the_neurons_see():
    rng = np.random.default_rng(2)
    low_rank = algebra.from_layers(
        [rng.normal(size=(9, 2)) @ rng.normal(size=(2, 6)), rng.normal(size=(4, 9))],
        [rng.normal(size=9), np.zeros(4)],
    )
    S = effective_inputs(low_rank)
    assert S.shape == (2, 6)
    A = low_rank.A[:, :6].toarray()
    rebuilt = np.linalg.lstsq(S.T, A.T, rcond=None)[0].T @ S
    np.testing.assert_allclose(rebuilt, A, atol=1e-9)


def test_after_its_deadline_a_search_still_has_a_valid_bound():
    rng = np.random.default_rng(1)
    program = random_problems.dynamics(rng, 3, 1, (4, 6), scale=1.0)
    problem = random_problems.problem(rng, 3, 1, 4, "l1", constrained=False)
    exact = solve(program, problem, limits=Limits(gap=1e-6))
    bounds = bound_neurons(program, problem, "crown")
    late = time.perf_counter() - 1.0
    pool = _pool(program, problem, late)
    pool.offer(exact.actions)
    search = HullSearch(pool, bounds)
    search.run(Limits(gap=1e-6), late)
    assert not search.closed
    assert search.bound <= exact.cost + 1e-6


def test_a_look_ahead_bounds_its_side():
    """The bound of a neuron's side holds for every plan that is on that side."""
    rng = np.random.default_rng(6)
    program = random_problems.dynamics(rng, 3, 1, (4, 6), scale=1.0)
    problem = random_problems.problem(rng, 3, 1, 3, "l1", constrained=False)
    bounds = bound_neurons(program, problem, "crown")
    search = HullSearch(_pool(program, problem), bounds)
    master = Master(problem, bounds, search._root.seeded())
    whole = master.solve(np.inf, 1e-6)
    actions = rng.uniform(-1, 1, size=(4000, 3, 1))
    states = program.rollout(problem.x0, actions)
    costs = problem.cost(states, actions)
    inputs = np.concatenate([states[:, :-1], actions], axis=2)
    pre = program.evaluate(inputs)[1]
    compared = 0
    for t, neuron in whole.candidates():
        for on in (True, False):
            side = costs[pre[:, t, neuron] > 0 if on else pre[:, t, neuron] < 0]
            if len(side):
                assert master.side(t, neuron, on, 20, np.inf) <= side.min() + 1e-6
                compared += 1
    assert compared >= 4
    # The program is what it was before.
    again = master.solve(np.inf, 1e-6)
    assert again.bound == pytest.approx(whole.bound, rel=1e-5)


@pytest.mark.parametrize("seed", range(4))
def test_without_a_start_it_finds_plans_and_proves_that_there_are_none(seed):
    """Limits that half of the random plans keep, and their infeasible twin."""
    rng = np.random.default_rng(seed)
    program = random_problems.dynamics(rng, 2, 1, (6, 6), scale=1.0)
    problem = random_problems.problem(rng, 2, 1, 3, "l1", constrained=False)
    actions = rng.uniform(problem.u_low, problem.u_high, (4000, 3, 1))
    last = program.rollout(problem.x0, actions)[:, 1:, 0].max(axis=1)
    median = Constraints(np.eye(1, 2), np.quantile(last, [0.5]), (), ("x",))
    never = replace(median, h=np.array([last.min() - 0.05 * np.ptp(last)]))
    for constraints in (median, never):
        limited = replace(problem, constraints=constraints)
        pool = _pool(program, limited)
        if not isinstance(pool.model, MIPModel):
            continue
        bounds = bound_neurons(program, limited, "crown")
        outcome = HullSearch(pool, bounds).run(Limits(gap=1e-3), None)
        exact = solve(program, limited, limits=Limits(gap=1e-6))
        if exact.status == Status.INFEASIBLE:
            assert (outcome.bound, pool.actions) == (np.inf, None)
        else:
            assert pool.cost == pytest.approx(exact.cost, rel=2e-3)
            assert outcome.bound <= exact.cost + 1e-6


def test_a_mode_in_which_a_neuron_is_zero_is_on_both_of_its_sides(monkeypatch):
    """As where all that it reads is off and it has no bias."""
    first = Layer(np.ones((2, 1)), np.zeros((2, 0)), np.array([0.0, -0.5]))
    then = Layer(np.zeros((1, 1)), np.array([[1.0, -4.0]]), np.zeros(1))
    cells = list_modes([first, then], -np.ones(1), np.ones(1))
    for keep in (1, -1):
        assert cells.cut(cells.values[:, 3], keep).values[:, 0].min() == -1.0
    # x1' is such a neuron, x2' is the action: staying at -.6 is best, where the neuron is zero.
    weights = [np.array([[0.0, 0.0, 1.0]] * 2), 10.0 * then.Z, np.array([[1.0], [0.0]])]
    net = algebra.from_layers(weights, [first.b, then.b, np.zeros(2)])
    program = algebra.add_linear(net, np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 1.0]]))
    terms = tuple(
        Term(row[None], np.array([goal]), "l1", weight, weight)
        for row, goal, weight in zip(np.eye(2), (0.3, -0.6), (1.0, 0.5), strict=True)
    )
    none = Constraints(np.zeros((0, 2)), np.zeros(0))
    problem = Problem(np.zeros(2), Cost(terms), none, -np.ones(1), np.ones(1), 1)
    ocp, bounds = OCP(program, problem), bound_neurons(program, problem, "crown")
    pool = Pool(ocp, prepare(ocp, bounds), time.perf_counter())
    monkeypatch.setattr(Pool, "polish", lambda pool, actions, **_: pool.offer(actions))
    found = HullSearch(pool, bounds).run(Limits(gap=1e-6), None)
    assert 0.29 < found.bound <= 0.3
    assert pool.cost < 0.3001


def test_modes_that_rounding_leaves_too_thin_to_cut_end_the_search_and_keep_its_bound(monkeypatch):
    rng = np.random.default_rng(1)
    program = random_problems.dynamics(rng, 3, 1, (4, 6), scale=1.0)
    problem = random_problems.problem(rng, 3, 1, 3, "l1", constrained=False)
    pool, bounds = _pool(program, problem), bound_neurons(program, problem, "crown")

    def thin(*_):
        raise TooManyModes("too thin")

    monkeypatch.setattr(Stage, "side", thin)
    monkeypatch.setattr(Stage, "clipped", thin)
    found = ENGINE.search(pool, bounds, Limits(gap=1e-6), None)
    assert "too thin" in found.message
    assert np.isfinite(found.bound)
    assert found.bound <= pool.cost
