"""Reachable modes: the same as brute force over all patterns, and as cells with vertices."""

import itertools
import time

import highspy
import numpy as np
import pytest
import random_problems
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from sparsectl.errors import ShapeError
from sparsectl.mip import bound_neurons
from sparsectl.mip.modes import paths as mode_paths
from sparsectl.mip.modes.count import count_modes, sampled_modes, step_modes
from sparsectl.mip.modes.paths import sampled_trajectory_modes, trajectory_modes
from sparsectl.mip.region import Region
from sparsectl.mip.search.hull.cells import Layer, list_modes
from sparsectl.program import algebra


def _depth(program, pattern, low, high):
    """How far into a pattern a point of the box can be: margin of its worst neuron."""
    _, _, P, p = program.affine(np.array(pattern))
    signs = np.where(pattern, 1.0, -1.0)[:, None]
    rows = np.hstack([-signs * P, np.ones((len(P), 1))])
    bounds = [*zip(low, high, strict=True), (None, 1.0)]
    answer = linprog(
        [*np.zeros(len(low)), -1.0], rows, signs[:, 0] * p, bounds=bounds, method="highs"
    )
    return -answer.fun


def _brute(program, low, high):
    """Patterns that are surely reached, and those that may be."""
    sure, maybe = set(), set()
    for pattern in itertools.product((False, True), repeat=program.m):
        depth = _depth(program, pattern, low, high)
        if depth > -1e-6:
            maybe.add(pattern)
        if depth > 1e-6:
            sure.add(pattern)
    return sure, maybe


def _listed(program, A, n):
    """Patterns of the cells with vertices, over the unit box."""
    layers = [
        Layer(A[v.start : v.stop, :n], A[v.start : v.stop, n : n + v.start], v.b)
        for v in program.levels
    ]
    cells = list_modes(layers, -np.ones(n), np.ones(n))
    owner, vertex = cells.memberships()
    middles = [cells.values[vertex[owner == c], n:].mean(axis=0) for c in range(cells.cells)]
    return {tuple(map(bool, middle > 0)) for middle in middles}


def _as_set(count):
    return {tuple(map(bool, row)) for row in count.patterns}


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 6), st.sampled_from([(3,), (6,), (3, 3), (2, 2, 2)]))
def test_equals_brute_force(seed, nx, hidden):
    rng = np.random.default_rng(seed)
    program = random_problems.dynamics(rng, nx, 1, hidden)
    center = rng.normal(size=nx + 1)
    low, high = center - rng.uniform(0.1, 1, nx + 1), center + rng.uniform(0.1, 1, nx + 1)
    count = count_modes(program, low, high)
    sure, maybe = _brute(program, low, high)
    assert count.complete
    assert count.count == len(_as_set(count))
    assert sure <= _as_set(count) <= maybe
    assert sampled_modes(program, rng.uniform(low, high, (2000, nx + 1))) <= count.count


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("hidden", [(8,), (5, 6)], ids=str)
def test_agrees_with_the_cells_that_have_vertices(seed, hidden):
    rng = np.random.default_rng(seed)
    program = random_problems.dynamics(rng, 3, 1, hidden)
    A, n = program.A.toarray(), program.n_in
    count = count_modes(program, -np.ones(n), np.ones(n))
    assert count.complete
    assert _as_set(count) == _listed(program, A, n)
    assert count.count > 20


def test_degenerate_neurons_make_no_modes_of_their_own():
    """Twice the same neuron, its negative, one that is zero, one that is parallel, one constant."""
    W = np.array([[1.0, 1.0], [2.0, 2.0], [-1.0, -1.0], [0.0, 0.0], [1.0, 1.0], [0.0, 0.0]])
    b = np.array([0.0, 0.0, 0.0, 0.0, 0.5, 1.0])
    program = algebra.from_layers([W, np.ones((1, 6))], [b, np.zeros(1)])
    count = count_modes(program, -np.ones(2), np.ones(2))
    assert count.complete
    assert sampled_modes(program, np.random.default_rng(0).uniform(-1, 1, (500, 2))) == 3
    assert _as_set(count) == {
        (True, True, False, False, True, True),
        (False, False, True, False, True, True),
        (False, False, True, False, False, True),
    }


def test_known_signs_leave_only_their_side():
    rng = np.random.default_rng(1)
    program = random_problems.dynamics(rng, 3, 1, (4, 3))
    every = _as_set(count_modes(program, -np.ones(4), np.ones(4)))
    sign = np.array([1, 0, -1, 0, 0, 1, 0])
    some = _as_set(count_modes(program, -np.ones(4), np.ones(4), sign=sign))
    assert some == {p for p in every if p[0] and not p[2] and p[5]}
    assert len(some) < len(every)


def test_inputs_without_width_are_constants():
    rng = np.random.default_rng(2)
    program = random_problems.dynamics(rng, 3, 1, (5,))
    x0 = rng.normal(size=3)
    low, high = np.append(x0, -1.0), np.append(x0, 1.0)
    step = algebra.fix_inputs(program, np.arange(3), x0)
    fixed = count_modes(program, low, high)
    assert _as_set(fixed) == _as_set(count_modes(step, -np.ones(1), np.ones(1)))
    one = count_modes(program, low, low)
    assert (one.count, one.complete) == (1, True)


def test_no_relu_is_one_mode():
    count = count_modes(algebra.affine(np.eye(2, 3), np.zeros(2)), -np.ones(3), np.ones(3))
    assert (count.count, count.complete, count.patterns.shape) == (1, True, (1, 0))
    assert sampled_modes(algebra.affine(np.eye(2, 3), np.zeros(2)), np.zeros((4, 3))) == 1


def test_along_the_trajectory_lies_between_rollouts_and_boxes():
    rng = np.random.default_rng(6)
    program = random_problems.dynamics(rng, 3, 1, (5, 4), scale=1.0)
    problem = random_problems.problem(rng, 3, 1, 3, "l1", constrained=False)
    box = (problem.x0, problem.u_low, problem.u_high, 3)
    exact = trajectory_modes(program, *box)
    boxes = step_modes(program, bound_neurons(program, problem, "crown"))
    seen = sampled_trajectory_modes(program, *box, samples=4000)
    for few, some, many in zip(seen, exact, boxes, strict=True):
        assert some.complete
        assert many.complete
        assert few <= some.count
        assert _as_set(some) <= _as_set(many)
    assert exact[2].count < boxes[2].count
    # The last step, by brute force over the sequences of all steps.
    small = random_problems.dynamics(rng, 2, 1, (3,), scale=1.0)
    unrolled = algebra.unroll(small, np.zeros(2), 2)
    sure, maybe = _brute(unrolled, -np.ones(2), np.ones(2))
    found = _as_set(trajectory_modes(small, np.zeros(2), -np.ones(1), np.ones(1), 2)[1])
    assert {p[3:] for p in sure} <= found <= {p[3:] for p in maybe}


def test_deciding_candidates_finds_what_all_sequences_find(monkeypatch):
    programs = [
        random_problems.dynamics(np.random.default_rng(seed), 3, 1, (4, 4), scale=1.0)
        for seed in range(5)
    ]
    starts = 0.3 * np.random.default_rng(9).normal(size=(5, 3))
    box, decided = (-np.ones(1), np.ones(1), 3), []
    every = [trajectory_modes(p, x0, *box) for p, x0 in zip(programs, starts, strict=True)]
    decide = mode_paths._Reach.decide
    monkeypatch.setattr(mode_paths, "_SEQUENCES", 0)
    monkeypatch.setattr(mode_paths, "_SAMPLES", 20)
    monkeypatch.setattr(
        mode_paths._Reach, "decide", lambda *args: decided.append(decide(*args)) or decided[-1]
    )
    for program, x0, by_sequences in zip(programs, starts, every, strict=True):
        for one, other in zip(by_sequences, trajectory_modes(program, x0, *box), strict=True):
            assert one.complete
            assert other.complete
            assert _as_set(one) == _as_set(other)
    assert decided.count(True) >= 3
    assert decided.count(False) >= 10


def test_along_the_trajectory_too_many_or_too_late_is_an_answer(monkeypatch):
    monkeypatch.setattr(mode_paths, "_SEQUENCES", 100)
    rng = np.random.default_rng(0)
    program = random_problems.dynamics(rng, 6, 2, (10, 10), scale=1.0)
    box = (np.zeros(6), -np.ones(2), np.ones(2), 2)
    many = trajectory_modes(program, *box, cap=10)[1]
    assert not many.complete
    assert many.count > 10
    late = trajectory_modes(program, *box, deadline=time.perf_counter())[1]
    assert not late.complete
    assert "time" in late.reason
    assert late.count >= 0.9 * sampled_trajectory_modes(program, *box)[1]


@pytest.mark.parametrize("limit", ["cap", "deadline"])
def test_too_many_modes_is_an_answer(limit):
    rng = np.random.default_rng(0)
    program = random_problems.dynamics(rng, 8, 2, (30, 30))
    limits = {"cap": {"cap": 50}, "deadline": {"deadline": time.perf_counter()}}[limit]
    count = count_modes(program, -np.ones(10), np.ones(10), **limits)
    assert not count.complete
    assert count.count > 50
    assert len(_as_set(count)) == count.count
    assert "at least" in str(count)
    assert {"cap": "50", "deadline": "time"}[limit] in str(count)


def test_every_listed_pattern_of_a_stopped_search_is_reached():
    rng = np.random.default_rng(5)
    program = random_problems.dynamics(rng, 3, 1, (6, 6))
    every = _as_set(count_modes(program, -np.ones(4), np.ones(4)))
    stopped = count_modes(program, -np.ones(4), np.ones(4), cap=len(every) - 1)
    assert not stopped.complete
    assert _as_set(stopped) <= every


def test_maxima_hold_after_cuts_come_and_go():
    rng = np.random.default_rng(4)
    region, cuts = Region(-np.ones(4), np.ones(4)), [(rng.normal(size=4), 0.2) for _ in range(5)]
    samples = rng.uniform(-1, 1, (20_000, 4))
    for chosen in (cuts, cuts[:2], [*cuts[:2], cuts[4]], [], cuts[1:]):
        region.keep(chosen)
        inside = samples[[all(r @ s + b >= 0 for r, b in chosen) for s in samples]]
        row = rng.normal(size=4)
        bound, point = region.maximum(row, 0.3)
        assert bound >= (inside @ row).max() + 0.3
        assert row @ point + 0.3 == pytest.approx(bound, abs=1e-6)
        assert all(r @ point + b > -1e-7 for r, b in chosen)


def test_a_box_of_another_size_is_refused():
    program = random_problems.dynamics(np.random.default_rng(0), 2, 1, (3,))
    with pytest.raises(ShapeError, match="3 inputs"):
        count_modes(program, -np.ones(2), np.ones(2))
    with pytest.raises(ShapeError, match="points"):
        count_modes(program, -np.ones(3), np.ones(3), points=np.zeros((4, 2)))


def test_another_user_of_the_solver_in_the_process_changes_nothing():
    """HiGHS has one pool of threads per process and refuses to run with a pool of another size."""
    highspy.Highs.resetGlobalScheduler(True)
    other = highspy.Highs()
    other.setOptionValue("output_flag", False)
    other.setOptionValue("threads", 2)
    other.addVars(1, np.zeros(1), np.ones(1))
    other.run()
    try:
        region = Region(-np.ones(3), np.ones(3))
        region.keep([(np.array([1.0, 0, 0]), -0.5)])
        assert region.maximum(np.array([-1.0, 0, 0]), 0.0)[0] == pytest.approx(-0.5)
    finally:
        highspy.Highs.resetGlobalScheduler(True)
