"""Probabilities of levels."""

import numpy as np
import pytest

from sparsectl.task import Problem
from sparsectl.task.constraints import Constraints
from sparsectl.task.cost import Cost
from sparsectl.task.inputs import Inputs
from sparsectl.task.levels import Levels

PIECES = (
    np.array([[-1.0, -1.0], [0.0, 0.0], [3.0, 3.0]]),
    np.array([[-2.0, 2.0]]),
    np.array([[0.0, 0.0], [4.0, 4.0]]),
    np.array([[-1.0, -0.5], [0.0, 0.0], [0.5, 1.0]]),
)


@pytest.fixture
def levels() -> Levels:
    low = np.array([p[0, 0] for p in PIECES])
    high = np.array([p[-1, 1] for p in PIECES])
    inputs = Inputs(PIECES, np.full(4, np.inf))
    nothing = Constraints(np.zeros((0, 1)), np.zeros(0))
    return Levels.of(Problem(np.zeros(1), Cost(()), nothing, low, high, 6, None, inputs))


def test_only_entries_with_several_pieces_have_levels(levels):
    assert levels.entries.tolist() == [0, 2, 3]
    assert levels.count.tolist() == [3, 2, 3]
    assert levels.wide.tolist() == [False, True, False, True]


def test_a_piece_is_found_and_kept_to(levels):
    z = np.array([[-0.4, 0.3, 0.1, 0.4], [-0.9, -0.3, -0.1, -0.1]])
    index = levels.index(z)
    assert index.tolist() == [[1, 1, 2], [0, 0, 1]]
    expected = [[-0.5, 0.3, 1.0, 0.5], [-1.0, -0.3, -1.0, 0.0]]
    np.testing.assert_allclose(levels.placed(index, z), expected)


@pytest.mark.parametrize("persistence", [0.0, 0.8])
def test_draws_have_the_probabilities_whatever_their_persistence(persistence, levels):
    rng = np.random.default_rng(0)
    share = levels.uniform(6) * rng.random((6, 3, 3))
    share /= share.sum(-1, keepdims=True)
    index = levels.drawn(rng, share, 40_000, np.full((1, 1, 1), persistence))
    found = np.stack([(index == j).mean(0) for j in range(3)], axis=-1)
    np.testing.assert_allclose(found, share, atol=0.02)
    fixed = levels.drawn(rng, levels.uniform(6), 10_000, np.full((1, 1, 1), persistence))
    same = (fixed[:, 1:] == fixed[:, :-1]).mean((0, 1))
    chance = 1 / levels.count
    np.testing.assert_allclose(same, persistence + (1 - persistence) * chance, atol=0.02)


def test_frequencies_are_weighted_shares(levels):
    z = np.zeros((2, 1, 4))
    z[1, 0] = [1.0, 0.0, 1.0, -1.0]
    share = levels.frequencies(z, np.array([0.25, 0.75]))
    assert share.tolist() == [[[0, 0.25, 0.75], [0.25, 0.75, 0], [0.75, 0.25, 0]]]
