"""Calibration, on beliefs whose calibration is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from sparsectl.continual.calibration import calibration, expected_error, reliability
from sparsectl.continual.head import Head
from sparsectl.errors import ShapeError

CLASSES, VALUES = Head("classification", 3), Head("regression", 2, noise=0.5)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_labels_drawn_from_the_predictions_are_calibrated_and_sharper_ones_are_not():
    p = torch.rand(40_000, 3, generator=generator()).softmax(-1)
    labels = torch.multinomial(p, 1, generator=generator(1)).squeeze(1)
    assert calibration(CLASSES, p[None], labels)["ece"] < 0.02
    sharp = p.pow(8) / p.pow(8).sum(-1, keepdim=True)
    assert calibration(CLASSES, sharp[None], labels)["ece"] > 0.3


def test_scores_of_two_predictions_by_hand():
    p = torch.tensor([[[0.8, 0.1, 0.1], [0.3, 0.4, 0.3]]])
    facts = calibration(CLASSES, p, torch.tensor([0, 2]))
    assert facts["nll"] == pytest.approx(-(math.log(0.8) + math.log(0.3)) / 2, rel=1e-5)
    brier = (0.2**2 + 2 * 0.1**2 + 0.3**2 + 0.4**2 + 0.7**2) / 2
    assert facts["brier"] == pytest.approx(brier, rel=1e-5)
    assert facts["ece"] == pytest.approx((0.2 + 0.4) / 2, rel=1e-5)
    assert facts["examples"] == 2


def test_disagreement_of_draws_that_sits_on_the_errors_ranks_them():
    sure = torch.tensor([0.9, 0.05, 0.05])
    draws = torch.stack([sure.repeat(4, 1), sure.repeat(4, 1)])
    draws[1, 2:] = torch.tensor([0.05, 0.9, 0.05])  # the draws disagree on the last two
    assert calibration(CLASSES, draws, torch.tensor([0, 0, 2, 2]))["auroc"] == 1.0
    assert calibration(CLASSES, draws, torch.tensor([2, 2, 0, 0]))["auroc"] == 0.0
    assert math.isnan(calibration(CLASSES, draws, torch.tensor([0, 0, 0, 0]))["auroc"])


def test_targets_drawn_from_the_belief_are_covered():
    n, draws = 4000, 200
    spread = 0.2 + torch.rand(n, 1, generator=generator())
    samples = spread * torch.randn(draws, n, 2, generator=generator(1))
    noise = VALUES.noise * torch.randn(n, 2, generator=generator(2))
    facts = calibration(VALUES, samples, spread * torch.randn(n, 2, generator=generator(3)) + noise)
    for level in (50, 80, 95):
        assert facts[f"cover_{level}"] == pytest.approx(level / 100, abs=0.02)
    assert facts["rank"] > 0.3
    # Without the draws' spread the intervals are too narrow.
    narrow = calibration(VALUES, samples[:1] * 0, spread * 2 + noise)
    assert narrow["cover_95"] < 0.5


def test_likelihood_of_a_gaussian():
    y = torch.tensor([[0.5, 0.0]])
    facts = calibration(VALUES, torch.zeros(3, 1, 2), y)
    expected = 0.5 * 1.0 + math.log(2 * math.pi * 0.25)
    assert facts["nll"] == pytest.approx(expected)


@pytest.mark.parametrize(("head", "key"), [(CLASSES, "auroc"), (VALUES, "rank")])
def test_a_learner_without_belief_has_no_ranking(head, key):
    p = torch.rand(1, 6, head.outputs, generator=generator())
    y = torch.tensor([0, 1, 2, 0, 1, 2]) if head is CLASSES else torch.randn(6, 2)
    assert math.isnan(calibration(head, p, y)[key])
    assert math.isfinite(calibration(head, p, y)["nll"])


def test_no_examples_and_wrong_shapes():
    assert calibration(VALUES, torch.zeros(2, 0, 2), torch.zeros(0, 2)) == {"examples": 0.0}
    with pytest.raises(ShapeError, match=r"expected \(draws, 4, 3\)"):
        calibration(CLASSES, torch.zeros(4, 3), torch.zeros(4, dtype=torch.int64))


def test_bins_hold_every_example_also_at_certainty():
    confidence = np.array([0.34, 0.9, 1.0, 1.0])
    rows = reliability(confidence, np.array([True, False, True, True]))
    assert rows[:, 2].sum() == 4
    assert rows[-1].tolist() == [1.0, 1.0, 2.0]
    assert expected_error(np.ones(3), np.ones(3, bool)) == 0.0
