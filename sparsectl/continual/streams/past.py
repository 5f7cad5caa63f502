"""The last few transitions as inputs: what one observation does not tell, such as the fluid."""

from __future__ import annotations

import numpy as np


def past(x: np.ndarray, u: np.ndarray, count: int) -> np.ndarray:
    """Changes and actions of the `count` steps before each step of an episode.

    Row t is [x_t - x_(t-1), u_(t-1), x_(t-1) - x_(t-2), u_(t-2), ...]. In the first `count` rows
    what was before the episode is 0.

    Args:
        x: states. Shape (T + 1, nx).
        u: actions. Shape (T, nu).
        count: steps.

    Returns:
        Shape (T, count * (nx + nu)).
    """
    steps = np.concatenate([np.diff(x, axis=0), u], axis=1)
    out = np.zeros((len(steps), count, steps.shape[1]))
    for i in range(min(count, len(steps) - 1)):
        out[i + 1 :, i] = steps[: len(steps) - i - 1]
    return out.reshape(len(steps), -1)


def complete(kept: np.ndarray, count: int) -> np.ndarray:
    """Steps that are kept themselves, with all of the `count` before them. Shape (T,), bool."""
    out = kept.copy()
    for i in range(1, count + 1):
        out[i:] &= kept[: max(0, len(kept) - i)]
        out[:i] = False
    return out
