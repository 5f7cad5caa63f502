"""Scores of a task, and what a matrix of scores says about learning and forgetting.

R has shape (T + 1, T): R[i, j] is the score on task j after i tasks have been learnt, R[0] that
of the untrained network; NaN where nothing was measured. Scores are accuracies (higher is
better) or normalised errors (lower is better). Transfer and forgetting are signed alike for
both: positive transfer is a gain, positive forgetting a loss.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from sparsectl.continual.head import Kind
from sparsectl.errors import ShapeError


def score(kind: Kind, predictions: Tensor, targets: Tensor) -> float:
    """Accuracy of class probabilities, or `normalised_error` of means."""
    if kind == "regression":
        return normalised_error(predictions, targets)
    return accuracy(predictions, targets)


def accuracy(probabilities: Tensor, labels: Tensor) -> float:
    """Share of examples whose most probable class is right; NaN without examples.

    Args:
        probabilities: Shape (n, classes). A row with a NaN counts as wrong.
        labels: Shape (n,).
    """
    if not len(labels):
        return float("nan")
    right = (probabilities.argmax(-1) == labels) & torch.isfinite(probabilities).all(-1)
    return float(right.double().mean())


def normalised_error(predictions: Tensor, targets: Tensor) -> float:
    """Squared error over the variance of the targets, both summed over outputs.

    1 is what predicting the mean of the test targets gives. NaN where the targets do not vary
    (fewer than two examples, or all alike): there is nothing to explain.

    Args:
        predictions, targets: Shape (n, outputs).
    """
    y = targets.double()
    if not len(y):
        return float("nan")
    variance = float((y - y.mean(0)).square().sum())
    error = float((predictions.double() - y).square().sum())
    return error / variance if variance > 0 else float("nan")


def higher_is_better(kind: Kind) -> bool:
    """Whether larger scores are better ones."""
    return kind == "classification"


def final(R: np.ndarray) -> np.ndarray:
    """Score on each task after the whole stream. Shape (T,); its mean is ACC."""
    return _checked(R)[-1]


def at_training(R: np.ndarray) -> np.ndarray:
    """Score on each task just after it was learnt. Shape (T,)."""
    return np.diagonal(_checked(R), offset=-1).copy()


def backward_transfer(R: np.ndarray, higher: bool) -> float:
    """BWT: mean over all tasks but the last of final minus at-training score.

    Lopez-Paz and Ranzato (2017). The sign is turned for errors: below 0 is forgetting.
    """
    G = _gains(R, higher)
    return _mean((G[-1] - np.diagonal(G, offset=-1))[:-1])


def forward_transfer(R: np.ndarray, higher: bool) -> float:
    """FWT: mean over all tasks but the first of the score just before a task is learnt, minus
    that of the untrained network. Lopez-Paz and Ranzato (2017); above 0 is a gain."""
    G = _gains(R, higher)
    return _mean((np.diagonal(G) - G[0])[1:])


def forgetting(R: np.ndarray, higher: bool) -> float:
    """Mean over all tasks but the last of the best score before the stream's end minus the final
    one (Chaudhry et al. 2018). Above 0 is a loss, of accuracy or in normalised error."""
    G = _gains(R, higher)[1:]
    if len(G) < 2:
        return float("nan")
    before = np.where(np.isnan(G[:-1]), -np.inf, G[:-1]).max(0)
    lost = np.where(np.isfinite(before), before, np.nan) - G[-1]
    return _mean(lost[:-1])


def last(R: np.ndarray, count: int) -> float:
    """Mean final score of the last `count` tasks. It rewards forgetting the earlier ones: look at
    `retention` too."""
    return _mean(final(R)[-count:])


def retention(R: np.ndarray) -> np.ndarray:
    """Final score by age of the task. Shape (T,): entry a is for the task learnt a tasks ago."""
    return final(R)[::-1].copy()


def decay(R: np.ndarray) -> np.ndarray:
    """Mean score of a task when a tasks have been learnt since, over all tasks that old.

    Shape (T,): entry 0 is the mean of `at_training`. Averages over more tasks than `retention`.
    """
    R = _checked(R)
    return np.array([_mean(np.diagonal(R, offset=-1 - a)) for a in range(R.shape[1])])


def so_far(R: np.ndarray) -> np.ndarray:
    """Mean score over the tasks learnt so far, after each task. Shape (T,); NaN where one of them
    was not measured."""
    R = _checked(R)
    return np.array([R[i, :i].mean() for i in range(1, len(R))])


def _gains(R: np.ndarray, higher: bool) -> np.ndarray:
    return _checked(R) if higher else -_checked(R)


def _checked(R: np.ndarray) -> np.ndarray:
    R = np.asarray(R, np.float64)
    if R.ndim != 2 or R.shape[0] != R.shape[1] + 1 or not R.shape[1]:
        raise ShapeError(
            f"matrix of scores has shape {R.shape}, expected (T + 1, T): the first row is the "
            "untrained network's"
        )
    return R


def _mean(values: np.ndarray) -> float:
    """Mean of what was measured; NaN for nothing."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")
