"""Regions that points stay out of: on the way, while they move, while they are there."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sparsectl.errors import ConfigError
from sparsectl.task import ConstraintsConfig, keep_out
from sparsectl.task.binding import bind
from sparsectl.task.constraints import Constraints, KeepOutConfig
from sparsectl.task.keep_out import KeepOut, faces
from sparsectl.task.reference import Decision

NAMES = {"point": slice(0, 2), "speed": slice(2, 4)}
NX = 4
BOX = (0.0, -1.0, 0.1, 1.0)


def constraints(*regions: KeepOutConfig, horizon=3, step=0, **goal) -> Constraints:
    parts = {k: np.asarray(v, float) for k, v in goal.items()}
    now = Decision(parts, step, horizon)
    hard, _ = bind(ConstraintsConfig(keep_out=list(regions)), NAMES, NX, now)
    return hard


def states(*points) -> np.ndarray:
    return np.array([[*p, 0.0, 0.0] for p in points], dtype=float)


def inside(points: np.ndarray, box) -> np.ndarray:
    """How deep points are in boxes, or not: at most 0. Shapes (..., 2), (..., 4) -> (...)."""
    x, y = points[..., 0], points[..., 1]
    x0, y0, x1, y1 = np.moveaxis(np.asarray(box), -1, 0)
    return np.minimum(np.minimum(x - x0, x1 - x), np.minimum(y - y0, y1 - y))


def test_a_wall_thinner_than_a_step_is_not_jumped_through():
    wall = KeepOutConfig("point", box=BOX)
    across = states((-1, 0), (-0.5, 0), (0.6, 0), (1, 0))
    assert constraints(wall).violation(across) > 0.05
    only_points = KeepOutConfig("point", box=BOX, between=False)
    assert constraints(only_points).violation(across) == 0
    around = states((-1, 0), (-1, 1.5), (1, 1.5), (1, 0))
    assert constraints(wall).violation(around) == 0


@settings(deadline=None, max_examples=300)
@given(st.integers(0, 2**31))
def test_no_segment_of_a_plan_without_violation_meets_the_region(seed):
    """Sampled finely, in the frame of a region that moves, thin ones included."""
    rng = np.random.default_rng(seed)
    horizon = int(rng.integers(1, 4))
    size = np.array([10.0 ** rng.uniform(-3, 0), rng.uniform(0.1, 1.0)])
    low = rng.uniform(-1, 1, 2)
    box = (*low, *(low + size))
    path = rng.uniform(-0.5, 0.5, (horizon + 1, 2)) if rng.random() < 0.5 else None
    region = KeepOutConfig("point", box=box, path=None if path is None else path.tolist())
    points = rng.uniform(-2, 2, (40, horizon + 1, 2))
    plans = np.concatenate([points, np.zeros_like(points)], axis=-1)
    found = constraints(region, horizon=horizon)
    moved = np.zeros((horizon + 1, 2)) if path is None else path
    kept = found.violation(plans) == 0
    kept &= inside(points[:, 0] - moved[0], box) <= 0
    assume(kept.any())
    share = np.linspace(0, 1, 200)[:, None, None]
    frame = points[kept] - moved
    for t in range(horizon):
        way = (1 - share) * frame[:, t] + share * frame[:, t + 1]
        assert inside(way, box).max() <= 1e-12
    torch_depth = found.keep_out[0].depth(torch.from_numpy(plans)).numpy()
    np.testing.assert_allclose(torch_depth, found.keep_out[0].depth(plans), atol=1e-12)


def test_a_plan_that_starts_inside_leaves_by_the_nearest_face():
    wall = constraints(KeepOutConfig("point", box=BOX), horizon=1)
    assert wall.violation(states((0.02, 0), (-0.3, 0))) == 0
    assert wall.violation(states((0.02, 0), (0.3, 0))) == pytest.approx(0.06)
    assert wall.violation(states((0.02, 0), (0.01, 0))) == pytest.approx(0.01)


def test_a_region_is_there_in_its_windows_only():
    door = KeepOutConfig("point", box=BOX, when=[(0, 1), (3, 9)])
    hard = constraints(door, horizon=4)
    inside = (0.05, 0.0)
    at = [states(*[inside if k == t else (-1, 0) for k in range(5)]) for t in range(1, 5)]
    assert [hard.violation(x) > 0 for x in at] == [True, False, True, True]
    later = constraints(door, horizon=4, step=2)
    assert [later.violation(x) > 0 for x in at] == [True, True, True, True]
    assert constraints(door, horizon=2, step=10).keep_out == ()
    soon = KeepOutConfig("point", box=BOX, when="door")
    hard = constraints(soon, horizon=4, step=7, door=[2, 3, 1, 0])
    assert [hard.violation(x) > 0 for x in at] == [False, True, True, False]


def test_boxes_of_the_observation_and_absent_ones():
    many = KeepOutConfig("point", boxes="obstacles", margin=0.05)
    hard = constraints(many, obstacles=[*BOX, 5, 5, 5, 6, 2, 0, 1, 1, 0, 0, 0, 0, 2, 2, 3, 3])
    assert [k.label for k in hard.keep_out] == [f"keep-out {k} of 'point' point 0" for k in (0, 1)]
    assert hard.violation(states((-1, 0), (-0.04, 0), (-1, 0), (-1, 0))) > 0
    assert hard.violation(states((4, 4), (5, 5.5), (5, 0.5), (1.5, 0.5))) == 0


def test_a_path_by_list_and_by_goal_part():
    rows = [[0.0, 0.0], [1.0, 0.0], [2.0, 0.0], [3.0, 0.0], [4.0, 0.0]]
    by_list = KeepOutConfig("point", box=BOX, path=rows, between=False)
    hard = constraints(by_list, horizon=2, step=2)
    np.testing.assert_allclose(hard.keep_out[0].sides(2)[:, 1] - 0.1, [2, 3, 4])
    by_part = KeepOutConfig("point", box=BOX, path="motion", between=False)
    moving = constraints(by_part, horizon=2, step=9, motion=[0, 0, 1, 0, 2, 0])
    np.testing.assert_allclose(moving.keep_out[0].sides(2)[:, 1] - 0.1, [0, 1, 2])
    still = constraints(by_part, horizon=2, step=9, motion=[0.5, 0.0])
    np.testing.assert_allclose(still.keep_out[0].sides(2)[:, 1] - 0.1, [0.5, 0.5, 0.5])


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: KeepOutConfig("point"), "give exactly one of polygon, box and boxes"),
        (lambda: KeepOutConfig("point", box=BOX, boxes="x"), "give exactly one of polygon"),
        (lambda: KeepOutConfig("point", box=(1, 0, 0, 1)), r"box \[1, 0, 0, 1\] is empty"),
        (lambda: KeepOutConfig("point", box=BOX, price=0.0), "price is 0.0"),
        (lambda: KeepOutConfig("point", box=BOX, when=[(4, 2)]), "never opens"),
        (lambda: constraints(KeepOutConfig("point", boxes="o"), o=[1, 2, 3]), "boxes need four"),
        (lambda: constraints(KeepOutConfig("point", boxes="q"), o=[1, 2, 3]), "unknown goal 'q'"),
        (
            lambda: constraints(KeepOutConfig("point", box=BOX, path="p"), p=[0.0] * 6),
            "path: goal 'p' has 3 steps of 2 entries, the plan needs 4",
        ),
        (
            lambda: constraints(KeepOutConfig("point", box=BOX, path=[[0.0, 0.0, 0.0]] * 4)),
            "path: a row of the list has 3 entries, expected 2",
        ),
    ],
)
def test_regions_without_meaning_are_refused(make, words):
    with pytest.raises(ConfigError, match=words):
        make()


def random_regions(rng: np.random.Generator, horizon: int) -> tuple[KeepOut, ...]:
    """Boxes and polygons of one or two points, some that come, go or move."""
    regions = []
    for _ in range(rng.integers(1, 7)):
        corners = rng.integers(3, 5)
        angles = np.sort(rng.uniform(0, 2 * np.pi / corners, corners)) + np.arange(corners) * (
            2 * np.pi / corners
        )
        polygon = rng.normal(size=2) + np.stack([np.cos(angles), np.sin(angles)], axis=1)
        if rng.random() < 0.5:
            low, high = polygon.min(axis=0), polygon.max(axis=0)
            polygon = np.array([low, [high[0], low[1]], high, [low[0], high[1]]])
        A, b = faces(polygon, "it")
        if rng.random() < 0.4:
            b = b + 0.3 * np.arange(horizon + 1)[:, None] @ A[:, :1].T
            b = np.where(rng.random((horizon + 1, 1)) < 0.3, -np.inf, b)
        point = rng.integers(2)
        P = np.zeros((2, 5))
        P[:, 2 * point : 2 * point + 2] = np.eye(2)
        weight, between = rng.uniform(0.5, 2), bool(rng.random() < 0.7)
        regions.append(KeepOut(P, A, b, f"{len(regions)}", weight, between))
    return tuple(regions)


def one_depth(region: KeepOut, states: np.ndarray) -> np.ndarray:
    """As the definition says it, point by point. Shapes (H + 1, nx) -> (H,)."""
    sides = region.sides(len(states) - 1)
    inside = [b - region.A @ (region.P @ x) for b, x in zip(sides, states, strict=True)]
    inside[0] = inside[0] - max(inside[0].min(), 0.0)
    found = []
    for before, after in pairwise(inside):
        ends = np.maximum(before, after) if region.between else after
        found.append(max(ends.min(), 0.0))
    return np.array(found)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**31))
def test_many_regions_at_once_are_as_deep_as_one_after_the_other(seed):
    rng = np.random.default_rng(seed)
    horizon = int(rng.integers(1, 6))
    regions = random_regions(rng, horizon)
    states = rng.normal(size=(2, 3, horizon + 1, 5))
    if rng.random() < 0.5:
        states[..., 0, :] = states[0, 0, 0]  # as in plans: they all start at the present state
    each = np.stack(
        [[[one_depth(k, x) for k in regions] for x in plans] for plans in states]
    )  # (2, 3, regions, H)
    constraints = Constraints(np.zeros((0, 5)), np.zeros(0), regions, (), None)
    np.testing.assert_allclose(constraints.excess(states), np.moveaxis(each, 2, 3), atol=1e-12)
    weights = np.array([k.weight for k in regions])
    weighted = np.einsum("nmkt,k->nm", each, weights)
    np.testing.assert_allclose(constraints.violation(states), weighted, atol=1e-12)
    np.testing.assert_allclose(
        constraints.violation(states, weighted=False), each.sum((2, 3)), atol=1e-12
    )
    tensor = constraints.violation(torch.tensor(states))
    np.testing.assert_allclose(tensor.numpy(), weighted, atol=1e-12)
    for k, region in enumerate(regions):
        np.testing.assert_allclose(region.depth(states), each[:, :, k], atol=1e-12)
    assert constraints.violation(states[:, :0]).shape == (2, 0)
    assert constraints.excess(states[:0, 0]).shape == (0, horizon, len(regions))


@pytest.mark.parametrize("size", [1, 1000])
def test_parts_that_fit_the_cache_change_nothing(size, monkeypatch):
    rng = np.random.default_rng(1)
    regions = random_regions(rng, 4)
    constraints = Constraints(np.zeros((0, 5)), np.zeros(0), regions, (), None)
    states = rng.normal(size=(7, 5, 5))
    whole = constraints.violation(states), constraints.excess(states)
    monkeypatch.setattr(keep_out, "_CACHE", size)
    np.testing.assert_allclose(constraints.violation(states), whole[0], rtol=1e-14)
    np.testing.assert_allclose(constraints.excess(states), whole[1], rtol=1e-14)


def test_depths_have_gradients():
    A, b = faces(np.array([[0.0, 0], [1, 0], [1, 1], [0, 1]]), "it")
    constraints = Constraints(np.zeros((0, 2)), np.zeros(0), (KeepOut(np.eye(2), A, b),), (), None)
    states = torch.tensor([[[-1.0, 0.5], [0.2, 0.5]]], requires_grad=True)
    constraints.violation(states).sum().backward()
    np.testing.assert_array_equal(states.grad.numpy(), [[[0, 0], [1, 0]]])
