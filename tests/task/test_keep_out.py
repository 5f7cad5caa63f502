"""Depths in keep-out regions, many at once."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsectl.task import keep_out
from sparsectl.task.constraints import Constraints
from sparsectl.task.keep_out import KeepOut, faces


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
