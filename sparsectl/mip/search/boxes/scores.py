"""Which action to cut a box along: the one that what is loose in it depends on most."""

from __future__ import annotations

import numpy as np

from sparsectl.mip.search.boxes.dual import Bounded
from sparsectl.mip.search.boxes.keep_out import Rows
from sparsectl.program.crown import Lines


def of_neurons(
    lines: Lines, found: Bounded, by_action: np.ndarray, width: np.ndarray, short: np.ndarray
) -> np.ndarray:
    """How much of what bounds lack is due to every action. Shape (B, H nu).

    The looseness of a neuron, the largest distance between it and the line that is used times
    its coefficient, is shared among the actions as its pre-activation depends on them. What
    neurons do not explain is due to multipliers that are not the best ones, and costs less in a
    smaller box: it is shared by width. Else, with all neurons settled to the last digits, the
    actions that they had depended on would be cut for ever.

    Args:
        width: of the boxes. Shape (B, H, nu).
        short: what bounds lack to the cutoff; 0 where there is none. Shape (B,).
    """
    low, high = np.minimum(lines.low, 0.0), np.maximum(lines.high, 0.0)
    above = -low * high / np.maximum(high - low, 1e-12)
    below = 0.5 * np.where(found.lower > 0.5, -low, high)
    loose = np.where(found.weight < 0, -found.weight * above, found.weight * below)
    loose = np.where(lines.unstable, np.maximum(loose, 0.0), 0.0)
    rest = np.sqrt(np.maximum(short - loose.sum((1, 2)), 1e-18))
    width = width.reshape(len(width), -1)
    share = abs(by_action) * width[:, None, None]
    share /= np.maximum(share.sum(-1, keepdims=True), 1e-12)
    own = width / np.maximum(width.sum(-1, keepdims=True), 1e-12)
    return np.einsum("btm,btmi->bi", np.sqrt(loose), share) + rest[:, None] * own


def of_rows(rows: Rows, found: Bounded, shares: np.ndarray, width: np.ndarray) -> np.ndarray:
    """The same for the inequalities of keep-out regions that may be left by several faces."""
    multiplier = found.slopes[:, -rows.side.shape[1] :]
    share = shares * width.reshape(len(width), 1, -1)
    share /= np.maximum(share.sum(-1, keepdims=True), 1e-12)
    return np.einsum("bs,bsi->bi", np.sqrt(multiplier * rows.loose), share)
