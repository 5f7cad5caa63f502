"""The MIP reader of what the end of a plan is worth: big-M, where binaries are needed.

A ReLU of the last hidden layer that raises the cost needs none: nothing pulls it above its value.
"""

from __future__ import annotations

import numpy as np

from sparsectl.mip.model import Builder
from sparsectl.task.value import Value

_ROUNDING = 1e-9
"""By which bounds are widened, relative to them."""


def add(builder: Builder, value: Value, x: np.ndarray, low: np.ndarray, high: np.ndarray) -> None:
    """Add `value` of the last state to the cost.

    Args:
        x: variables of the last state. Shape (nx,).
        low, high: sound bounds on it. Shape (nx,).
    """
    columns = x
    for k, (W, b) in enumerate(value.layers):
        up, down = np.maximum(W, 0), np.minimum(W, 0)
        least, most = up @ low + down @ high + b, up @ high + down @ low + b
        least, most = least - _ROUNDING * (1 + abs(least)), most + _ROUNDING * (1 + abs(most))
        last = k == len(value.layers) - 1
        costly = np.ones(1, bool) if last else np.zeros(len(b), bool)
        if k == len(value.layers) - 2:
            costly = value.layers[-1][0][0] >= 0
        columns = _layer(builder, columns, W, b, least, most, costly)
        low, high = np.maximum(least, 0), np.maximum(most, 0)
    builder.cost(columns, value.weight)


def _layer(
    builder: Builder,
    columns: np.ndarray,
    W: np.ndarray,
    b: np.ndarray,
    least: np.ndarray,
    most: np.ndarray,
    costly: np.ndarray,
) -> np.ndarray:
    """Variables z = max(0, W v + b) of pre-activations between bounds; costly: z >= is enough."""
    z = builder.variables(0.0, np.maximum(most, 0), len(b))
    above = np.flatnonzero(most > 0)
    exact = np.flatnonzero((most > 0) & ~costly)
    builder.add([(z[above], np.ones(len(above))), (columns, -W[above])], b[above], np.inf)
    # Also below: z <= a where a is always positive, else z <= a - least (1 - d) and z <= most d.
    sure, open_ = exact[least[exact] >= 0], exact[least[exact] < 0]
    builder.add([(z[sure], np.ones(len(sure))), (columns, -W[sure])], -np.inf, b[sure])
    d = builder.variables(0.0, 1.0, len(open_), binary=True)
    one, lowest = np.ones(len(open_)), least[open_]
    builder.add([(z[open_], one), (columns, -W[open_]), (d, -lowest)], -np.inf, b[open_] - lowest)
    builder.add([(z[open_], one), (d, -most[open_])], -np.inf, 0.0)

    def fill(values: np.ndarray, states: np.ndarray, actions: np.ndarray) -> None:
        pre = W @ values[columns] + b
        values[z], values[d] = np.maximum(pre, 0), pre[open_] > 0

    builder.fills.append(fill)
    return z
