"""Boxes of actions: those that are open, those to be bounded, and where they are cut."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Bounded:
    """A box of actions with what is known in it of neurons, their lines, slopes and forms.

    Plans below the cutoff keep `linear u <= side`. `polyak`: which steps ascent begins with.
    """

    u_low: np.ndarray
    u_high: np.ndarray
    low: np.ndarray
    high: np.ndarray
    lower: np.ndarray
    slopes: np.ndarray
    form_low: np.ndarray
    form_high: np.ndarray
    linear: np.ndarray
    side: np.ndarray
    polyak: np.ndarray


@dataclass(frozen=True)
class Box(Bounded):
    """An open box, in single precision where that is sound."""

    splits: np.ndarray


@dataclass(frozen=True)
class Batch(Bounded):
    """Boxes to bound; leading axis B."""

    parent: np.ndarray


def cuts_of(score: np.ndarray, count: int) -> np.ndarray:
    """Actions to cut boxes along, one after the other; a half has half the score of the whole.

    Shape (B, count).
    """
    score, rows, cuts = score.copy(), np.arange(len(score)), []
    for _ in range(count):
        cuts.append(score.argmax(axis=1))
        score[rows, cuts[-1]] /= 2
    return np.stack(cuts, axis=1)


def down(values: np.ndarray) -> np.ndarray:
    """Single precision, rounded towards minus infinity."""
    return np.nextafter(values.astype(np.float32), np.float32(-np.inf))
