"""Scores of a task and of a matrix, by hand and by what must hold."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sparsectl.continual import metrics
from sparsectl.errors import ShapeError

# Three tasks; row i is after i tasks.
R = np.array([[0.1, 0.2, 0.1], [0.9, 0.3, 0.2], [0.7, 0.8, 0.4], [0.5, 0.6, 0.9]])


def test_a_matrix_by_hand():
    assert metrics.final(R).tolist() == [0.5, 0.6, 0.9]
    assert metrics.at_training(R).tolist() == [0.9, 0.8, 0.9]
    assert metrics.backward_transfer(R, True) == pytest.approx((-0.4 - 0.2) / 2)
    assert metrics.forward_transfer(R, True) == pytest.approx((0.1 + 0.3) / 2)
    assert metrics.forgetting(R, True) == pytest.approx((0.4 + 0.2) / 2)
    assert metrics.retention(R).tolist() == [0.9, 0.6, 0.5]
    assert metrics.decay(R) == pytest.approx([2.6 / 3, 1.3 / 2, 0.5])
    assert metrics.so_far(R) == pytest.approx([0.9, 0.75, 2.0 / 3])
    assert metrics.last(R, 2) == pytest.approx(0.75)


def test_forgetting_counts_from_the_best_score_not_from_that_at_training():
    later = R.copy()
    later[2, 0] = 0.95  # learning task 2 helped task 1
    assert metrics.forgetting(later, True) == pytest.approx((0.45 + 0.2) / 2)
    assert metrics.backward_transfer(later, True) == metrics.backward_transfer(R, True)


@given(
    arrays(np.float64, st.integers(2, 6).map(lambda t: (t + 1, t)), elements=st.floats(0.0, 1.0))
)
def test_errors_are_signed_like_accuracies(scores):
    """An error of 1 - accuracy tells the same transfer and forgetting."""
    for measure in (metrics.backward_transfer, metrics.forward_transfer, metrics.forgetting):
        assert measure(1 - scores, False) == pytest.approx(measure(scores, True), abs=1e-9)
    assert metrics.forgetting(scores, True) >= -metrics.backward_transfer(scores, True) - 1e-9


def test_what_was_not_measured_is_left_out():
    sparse = R.copy()
    sparse[1, 1:] = sparse[2, 2] = np.nan
    assert metrics.forward_transfer(sparse, True) != metrics.forward_transfer(sparse, True)
    assert metrics.backward_transfer(sparse, True) == metrics.backward_transfer(R, True)
    assert metrics.forgetting(sparse, True) == metrics.forgetting(R, True)
    assert np.isnan(metrics.so_far(np.where(R == 0.7, np.nan, R))).tolist() == [False, True, False]


def test_one_task_has_no_transfer():
    one = np.array([[0.1], [0.9]])
    assert metrics.final(one).tolist() == [0.9]
    for measure in (metrics.backward_transfer, metrics.forward_transfer, metrics.forgetting):
        assert np.isnan(measure(one, True))


@pytest.mark.parametrize("shape", [(3, 3), (1, 0), (4,)])
def test_a_matrix_of_another_shape_is_refused(shape):
    with pytest.raises(ShapeError, match="untrained network"):
        metrics.final(np.zeros(shape))


def test_normalised_error_is_1_for_the_mean_and_0_for_the_truth():
    y = torch.tensor([[1.0, 2.0], [3.0, -2.0], [5.0, 0.0]])
    assert metrics.normalised_error(y.mean(0).expand_as(y), y) == pytest.approx(1.0)
    assert metrics.normalised_error(y, y) == 0.0
    # Squared errors 3 over squared deviations 8 + 8.
    assert metrics.normalised_error(y + torch.tensor([1.0, 0.0]), y) == pytest.approx(3 / 16)


@pytest.mark.parametrize("n", [0, 1, 3])
def test_error_without_variance_is_not_defined(n):
    y = torch.ones(n, 2)
    assert np.isnan(metrics.normalised_error(y + 1, y))


def test_accuracy_of_predictions_that_are_not_finite():
    p = torch.tensor([[0.9, 0.1], [0.2, 0.8], [float("nan"), 1.0], [float("nan")] * 2])
    assert metrics.accuracy(p, torch.tensor([0, 0, 1, 0])) == 0.25
    assert np.isnan(metrics.accuracy(p[:0], torch.zeros(0, dtype=torch.int64)))
    assert metrics.score("classification", p[:2], torch.tensor([0, 1])) == 1.0
