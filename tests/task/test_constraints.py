"""Hard constraints."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import random_problems
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sparsectl.errors import ConfigError
from sparsectl.task import ConstraintsConfig
from sparsectl.task.binding import bind
from sparsectl.task.constraints import BoxConfig, Constraints, HalfSpaceConfig, KeepOutConfig
from sparsectl.task.reference import Decision

NAMES = {"points": slice(0, 4), "speed": slice(4, 5)}
NX = 5
SQUARE = (0.0, 0.0, 2.0, 1.0)


def bound(config: ConstraintsConfig, horizon: int = 1) -> Constraints:
    """The hard constraints of a config."""
    hard, priced = bind(config, NAMES, NX, Decision({}, 0, horizon))
    assert priced is None
    return hard


def states(*rows) -> np.ndarray:
    """Trajectory whose x_0 is far from everything and never judged."""
    return np.array([[99.0] * NX, *rows], dtype=float)


def test_nothing_given_nothing_violated():
    constraints = bound(ConstraintsConfig())
    assert constraints.empty
    assert constraints.violation(states([1e9] * NX)) == 0


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**31))
def test_the_excess_sums_to_the_violation_and_is_named(seed):
    config = ConstraintsConfig(
        boxes=[BoxConfig("points", -1.0, 0.5)],
        half_spaces=[HalfSpaceConfig("points[0:2]", [1.0, 2.0], 0.3)],
        keep_out=[KeepOutConfig("points", box=SQUARE, margin=0.2)],
    )
    constraints = bound(config)
    trajectory = np.random.default_rng(seed).normal(size=(3, 4, NX))
    excess = constraints.excess(trajectory)
    assert excess.shape == (3, 3, len(constraints.names))
    assert constraints.names[-3:] == (
        "half-space of 'points[0:2]'",
        "keep-out of 'points' point 0",
        "keep-out of 'points' point 1",
    )
    np.testing.assert_allclose(excess.sum((1, 2)), constraints.violation(trajectory))


@pytest.mark.parametrize(
    ("unit", "limit", "by", "counts"),
    [
        (1.0, 1.0, 5e-7, False),  # what solvers tolerate
        (1.0, 1.0, 2e-6, True),
        (1e-6, 1.0, 1e-3, True),  # a thousandth of a small limit
        (1e-6, 1.0, 1e-7, False),
        (1e5, 1.0, 1e-10, True),  # never more than an absolute tolerance
        (1.0, 0.0, 1e-13, False),
    ],
)
def test_a_violation_counts_in_the_units_of_the_constraint(unit, limit, by, counts):
    box = BoxConfig("speed", -9.0 * unit, limit * unit)
    constraints = bound(ConstraintsConfig(boxes=[box]))
    x = np.array([0, 0, 0, 0, (limit + by) * unit])
    np.testing.assert_array_equal(constraints.violated(np.stack([x, x]))[0], [counts, False])
    region = KeepOutConfig("points[0:2]", box=(0.0, 0.0, unit, unit))
    keep_out = bound(ConstraintsConfig(keep_out=[region]))
    inside = np.array([by * unit, 0.5 * unit, 0, 0, 0])
    counted = counts or (limit == 0.0 and by * unit > 1e-6)
    assert keep_out.violated(np.stack([inside, inside]))[0].tolist() == [counted]


def test_box_measures_the_excess_and_names_the_row():
    box = BoxConfig("points[0:2]", low=-1.0, high=[1.0, float("inf")])
    constraints = bound(ConstraintsConfig(boxes=[box]))
    assert constraints.G.shape == (3, NX)
    assert constraints.labels[0] == "high limit of 'points[0:2]'[0]"
    assert constraints.violation(states([1.5, 7, 0, 0, 0])) == pytest.approx(0.5)
    assert constraints.violation(states([0, -3, 0, 0, 0], [0, -3, 0, 0, 0])) == pytest.approx(4)
    assert constraints.violation(states([1, -1, 5, 5, 5])) == 0


def test_half_space():
    half = HalfSpaceConfig("points[0:2]", normal=[1.0, 2.0], offset=3.0)
    constraints = bound(ConstraintsConfig(half_spaces=[half]))
    assert constraints.violation(states([1, 1, 9, 9, 9])) == 0
    assert constraints.violation(states([2, 1, 9, 9, 9])) == pytest.approx(1)


def test_keep_out_judges_every_point_by_its_depth():
    region = KeepOutConfig("points", box=SQUARE, between=False)
    constraints = bound(ConstraintsConfig(keep_out=[region]))
    assert len(constraints.keep_out) == 2
    assert constraints.violation(states([1, 0.25, 3, 3, 0])) == pytest.approx(0.25)
    assert constraints.violation(states([1, 0.25, 0.1, 0.5, 0])) == pytest.approx(0.35)
    assert constraints.violation(states([-0.1, 0.5, 2.0, 0.5, 0])) == 0


def test_margin_grows_the_region():
    region = KeepOutConfig("points[0:2]", box=SQUARE, margin=0.2, between=False)
    constraints = bound(ConstraintsConfig(keep_out=[region]))
    assert constraints.violation(states([-0.1, 0.5, 0, 0, 0])) == pytest.approx(0.1)


@settings(max_examples=60)
@given(
    st.lists(st.floats(0.0, 6.28), min_size=3, max_size=7, unique=True),
    st.booleans(),
    st.floats(-2, 2),
    st.floats(-2, 2),
)
def test_polygons_of_either_orientation_keep_out_their_hull(angles, backwards, x, y):
    angles = np.sort(angles)
    assume(np.diff([*angles, angles[0] + 2 * np.pi]).min() > 0.05)
    corners = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    order = corners[::-1] if backwards else corners
    region = KeepOutConfig("points[0:2]", polygon=[tuple(c) for c in order], between=False)
    constraints = bound(ConstraintsConfig(keep_out=[region]))
    edges = np.roll(corners, -1, axis=0) - corners
    to = np.array([x, y]) - corners
    crosses = edges[:, 0] * to[:, 1] - edges[:, 1] * to[:, 0]
    assume(abs(crosses).min() > 1e-6)
    inside = bool((crosses > 0).all())
    assert (constraints.violation(states([x, y, 0, 0, 0])) > 0) == inside


@settings(max_examples=30)
@given(st.integers(0, 2**31), st.integers(1, 4))
def test_numpy_and_torch_agree(seed, horizon):
    config = ConstraintsConfig(
        boxes=[BoxConfig("speed", -0.5, 0.5)],
        half_spaces=[HalfSpaceConfig("points", [1.0, -1.0, 0.5, 2.0], 0.3)],
        keep_out=[KeepOutConfig("points", polygon=[(0, 0), (1, 0), (0, 1)], margin=0.05)],
    )
    constraints = bound(config)
    x = np.random.default_rng(seed).normal(size=(6, horizon + 1, NX))
    got = constraints.violation(torch.from_numpy(x))
    np.testing.assert_allclose(got.numpy(), constraints.violation(x), atol=1e-12)
    assert constraints.violation(torch.from_numpy(x).float()).dtype == torch.float32


def test_state_box_collects_axis_aligned_rows_only():
    config = ConstraintsConfig(
        boxes=[BoxConfig("points[0:2]", -1.0, 2.0), BoxConfig("points[0]", 0.0, 5.0)],
        half_spaces=[
            HalfSpaceConfig("speed", [-2.0], 3.0),
            HalfSpaceConfig("points[2:4]", [1.0, 1.0], 0.0),
        ],
    )
    low, high = bound(config).state_box(NX, 2)
    inf = np.inf
    np.testing.assert_array_equal(low, [[0, -1, -inf, -inf, -1.5]] * 2)
    np.testing.assert_array_equal(high, [[2, 2, inf, inf, inf]] * 2)


STAR = [(np.cos(a), np.sin(a)) for a in np.arange(5) * 4 * np.pi / 5]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: KeepOutConfig("points"), "exactly one of polygon, box and boxes"),
        (
            lambda: KeepOutConfig("points", polygon=[(0, 0)], box=SQUARE),
            "exactly one of polygon, box and boxes",
        ),
        (lambda: KeepOutConfig("points", box=(1, 0, 0, 1)), "is empty"),
        (lambda: KeepOutConfig("points", box=SQUARE, margin=-0.1), "margin is -0.1"),
        (lambda: keep_out(of="speed", box=SQUARE), "needs planar points"),
        (lambda: keep_out(polygon=[(0, 0), (1, 1)]), "at least 3 corners"),
        (lambda: keep_out(polygon=[(0, 0), (1, 0), (2, 0)]), "not strictly convex"),
        (lambda: keep_out(polygon=[(0, 0), (2, 0), (1, 0.2), (1, 2)]), "not strictly convex"),
        (lambda: keep_out(polygon=STAR), "edges of the polygon cross"),
        (lambda: box("points", 1.0, 0.0), "low 1.0 is above high 0.0"),
        (lambda: box("points", [0.0], 1.0), "expected 4 values, got 1"),
        (lambda: box("points", float("nan"), 1.0), "a limit is nan"),
        (lambda: box("pionts", 0.0, 1.0), "did you mean 'points'"),
        (lambda: half("speed", [0.0], 1.0), "normal is zero or not finite"),
        (lambda: half("speed", [1.0, 2.0], 1.0), "expected 1 values, got 2"),
        (lambda: half("speed", [1.0], float("inf")), "normal is zero or not finite"),
    ],
)
def test_errors(make, words):
    with pytest.raises(ConfigError) as caught:
        make()
    assert words in str(caught.value)


def keep_out(of="points", **kwargs):
    return bound(ConstraintsConfig(keep_out=[KeepOutConfig(of, **kwargs)]))


def box(*args):
    return bound(ConstraintsConfig(boxes=[BoxConfig(*args)]))


def half(*args):
    return bound(ConstraintsConfig(half_spaces=[HalfSpaceConfig(*args)]))


def test_limits_by_list_by_goal_part_and_at_the_end():
    goal = {"band": np.arange(6.0), "most": np.array([7.0, 8.0])}
    config = ConstraintsConfig(
        boxes=[
            BoxConfig("points[0:2]", low=-np.inf, high="band"),
            BoxConfig("points[2:4]", low=-np.inf, high="most", when="terminal"),
            BoxConfig("speed", low=-np.inf, high=[[1.0], [2.0], [3.0], [4.0], [5.0]]),
        ]
    )
    constraints, _ = bind(config, NAMES, NX, Decision(goal, 2, 3))
    inf = np.inf
    expected = [[0, 1, inf, inf, 4], [2, 3, inf, inf, 5], [4, 5, 7, 8, 5]]
    np.testing.assert_array_equal(constraints.sides(3), expected)
    low, high = constraints.state_box(NX, 3)
    np.testing.assert_array_equal(high, expected)
    assert np.isneginf(low).all()
    first = constraints.first(2)
    np.testing.assert_array_equal(first.sides(2), expected[:2])
    x = np.zeros((4, NX))
    x[1:, 4] = 4.5
    assert constraints.violation(x) == pytest.approx(0.5)
    assert first.violation(x[:3]) == pytest.approx(0.5)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**31))
def test_the_first_steps_are_judged_as_the_whole_judges_them(seed):
    rng = np.random.default_rng(seed)
    horizon = int(rng.integers(2, 5))
    steps = int(rng.integers(1, horizon))
    limits = [random_problems.limits(rng, np.zeros(2), 2) for _ in range(2)]
    whole = Constraints(
        limits[0].G,
        limits[0].h.reshape(-1, 3)[0] + rng.normal(size=(horizon, 3)),
        tuple(
            replace(k, b=k.sides(2)[0] + rng.normal(size=(horizon + 1, 1)))
            for k in limits[1].keep_out
        ),
    )
    states = rng.normal(size=(5, horizon + 1, 2))
    part = whole.first(steps).excess(states[:, : steps + 1])
    np.testing.assert_allclose(part, whole.excess(states)[:, :steps])
