"""Whether a learner's belief over its weights says how wrong its predictions are."""

from __future__ import annotations

import math

import numpy as np
import torch
from scipy.special import ndtri
from scipy.stats import rankdata
from torch import Tensor

from sparsectl.continual.head import Head
from sparsectl.errors import ShapeError

BINS = 15
"""Of confidence, all as wide."""
COVERAGE = (0.5, 0.8, 0.95)
"""Probabilities of the central intervals that are checked in regression."""

Facts = dict[str, float]


def calibration(head: Head, samples: Tensor, targets: Tensor) -> Facts:
    """Measures of calibration; a measure that is not defined is NaN.

    Args:
        samples: predictions of draws from the belief. Shape (draws, n, outputs).
        targets: labels (n,) or values (n, outputs).

    Returns:
        `examples`, and where there are any `nll`: the negative log likelihood of an example under
        the mean prediction (NaN, and nothing else, where a prediction is not finite).
        Classification: `ece`, `brier` and `auroc`. Regression: `cover_50`, `cover_80`,
        `cover_95` and `rank`. See `classification` and `regression`.

    Raises:
        ShapeError: samples and targets do not fit.
    """
    if samples.ndim != 3 or samples.shape[1] != len(targets):
        raise ShapeError(
            f"samples have shape {tuple(samples.shape)}, expected (draws, {len(targets)}, "
            f"{head.outputs})"
        )
    if not len(targets):
        return {"examples": 0.0}
    draws = samples.double()
    if not torch.isfinite(draws).all():
        return {"examples": float(len(targets)), "nll": math.nan}
    if head.kind == "classification":
        return classification(draws, targets)
    return regression(draws, targets.double(), head.noise)


def classification(draws: Tensor, labels: Tensor) -> Facts:
    """Expected calibration error (Guo et al. 2017), Brier score, and `auroc`.

    `auroc`: how often a wrong prediction has more mutual information between class and weights
    (what the belief does not know; Houlsby et al. 2011) than a right one; NaN where all
    predictions are right, all wrong, or the draws do not differ.

    Args:
        draws: class probabilities. Shape (draws, n, classes).
        labels: Shape (n,).
    """
    p = draws.mean(0)
    chosen = p.gather(1, labels[:, None]).squeeze(1)
    confidence, guess = p.max(-1)
    right = (guess == labels).numpy()
    one_hot = torch.nn.functional.one_hot(labels, p.shape[1])
    return {
        "examples": float(len(labels)),
        "nll": float(-chosen.clamp(min=1e-12).log().mean()),
        "brier": float((p - one_hot).square().sum(-1).mean()),
        "ece": expected_error(confidence.numpy(), right),
        "auroc": _auroc((_entropy(p) - _entropy(draws).mean(0)).numpy(), ~right),
    }


def regression(draws: Tensor, targets: Tensor, noise: float) -> Facts:
    """Coverage of central intervals, and `rank`.

    The predictive variance is that of the draws plus noise^2. `rank`: Spearman's correlation over
    examples between the standard deviation of the draws and the error; NaN where the draws do
    not differ.

    Args:
        draws: means. Shape (draws, n, outputs).
        targets: Shape (n, outputs).
    """
    mean = draws.mean(0)
    spread = draws.var(0, unbiased=len(draws) > 1) if len(draws) > 1 else torch.zeros_like(mean)
    variance = spread + noise**2
    z = (targets - mean) / variance.sqrt()
    facts = {
        "examples": float(len(targets)),
        "nll": float((0.5 * (z.square() + (2 * math.pi * variance).log())).sum(-1).mean()),
    }
    for level in COVERAGE:
        inside = z.abs() <= float(ndtri(0.5 + level / 2))
        facts[f"cover_{100 * level:g}"] = float(inside.double().mean())
    error = (targets - mean).square().sum(-1).sqrt()
    facts["rank"] = _spearman(spread.sum(-1).sqrt().numpy(), error.numpy())
    return facts


def reliability(confidence: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Mean confidence, share of right predictions and number of them in each bin that has any.

    Args:
        confidence: of the most probable class. Shape (n,).
        right: whether it was the true one. Shape (n,).

    Returns:
        Shape (bins, 3).
    """
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    return np.array(
        [
            (confidence[bins == b].mean(), right[bins == b].mean(), (bins == b).sum())
            for b in np.unique(bins)
        ]
    ).reshape(-1, 3)


def expected_error(confidence: np.ndarray, right: np.ndarray) -> float:
    """ECE: mean over examples of the distance between confidence and accuracy of their bin."""
    rows = reliability(confidence, right)
    return float((rows[:, 2] * np.abs(rows[:, 0] - rows[:, 1])).sum() / len(confidence))


def _entropy(p: Tensor) -> Tensor:
    """Over the last axis [nats]."""
    return torch.special.entr(p).sum(-1)


def _auroc(values: np.ndarray, positive: np.ndarray) -> float:
    """Probability that a positive has the larger value; ties count half."""
    many, few = int(positive.sum()), int((~positive).sum())
    if not many or not few or _alike(values):
        return float("nan")
    ranks = rankdata(values)
    return float((ranks[positive].sum() - many * (many + 1) / 2) / (many * few))


def _spearman(a: np.ndarray, b: np.ndarray) -> float:
    if len(a) < 2 or _alike(a) or _alike(b):
        return float("nan")
    return float(np.corrcoef(rankdata(a), rankdata(b))[0, 1])


def _alike(values: np.ndarray) -> bool:
    """Equal but for rounding."""
    return bool(np.ptp(values) <= 1e-12 * max(1.0, float(np.abs(values).max())))
