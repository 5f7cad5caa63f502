"""Which action to cut a box along: the one that most of what its bound lacks is due to."""

from __future__ import annotations

import numpy as np

from sparsectl.mip.search.boxes.dual import Bounded
from sparsectl.mip.search.boxes.keep_out import Rows
from sparsectl.program.crown import Lines


def by_action(
    lines: Lines,
    found: Bounded,
    slopes: np.ndarray,
    width: np.ndarray,
    short: np.ndarray,
    rows: Rows,
    shares: np.ndarray,
) -> np.ndarray:
    """How much of what bounds lack is due to every action. Shape (B, H nu).

    The looseness of a neuron, the largest distance between it and the line that is used times
    its coefficient, is shared among the actions as its pre-activation depends on them; that of an
    inequality of a keep-out region that may be left by several faces likewise. What these do not
    explain is due to multipliers that are not the best ones, and costs less in a smaller box: it is
    shared by width. Else, with all neurons settled to the last digits, the actions that they had
    depended on would be cut for ever.

    Args:
        slopes: how every pre-activation depends on the actions. Shape (B, H, m, H nu).
        width: of the boxes. Shape (B, H, nu).
        short: what bounds lack to the cutoff; 0 where there is none. Shape (B,).
        rows, shares: inequalities S of the regions, and how they depend on the actions. Shape
            (B, S, H nu).
    """
    low, high = np.minimum(lines.low, 0.0), np.maximum(lines.high, 0.0)
    above = -low * high / np.maximum(high - low, 1e-12)
    below = 0.5 * np.where(found.lower > 0.5, -low, high)
    loose = np.where(found.weight < 0, -found.weight * above, found.weight * below)
    loose = np.where(lines.unstable, np.maximum(loose, 0.0), 0.0)
    left = found.slopes[:, found.slopes.shape[1] - rows.side.shape[1] :] * rows.loose
    rest = np.sqrt(np.maximum(short - loose.sum((1, 2)) - left.sum(1), 1e-18))
    width = width.reshape(len(width), -1)
    score = np.einsum("btm,btmi->bi", np.sqrt(loose), _shared(slopes, width[:, None, None]))
    score += np.einsum("bs,bsi->bi", np.sqrt(left), _shared(shares, width[:, None]))
    return score + rest[:, None] * width / np.maximum(width.sum(-1, keepdims=True), 1e-12)


def _shared(slopes: np.ndarray, width: np.ndarray) -> np.ndarray:
    share = abs(slopes) * width
    return share / np.maximum(share.sum(-1, keepdims=True), 1e-12)
