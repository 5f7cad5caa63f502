"""Lowering of plain feed-forward networks with ReLU, sign or step activations. Knows numpy only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, get_args

import numpy as np

from sparsectl.errors import ConfigError, ShapeError, one_of
from sparsectl.program.algebra import from_layers
from sparsectl.program.relu_program import ReluProgram

Activation = Literal["relu", "sign", "step"]
"""`sign`: 1 where a >= 0, else -1. `step`: 1 where a >= 0, else 0."""
_ROUNDING = 1e-6
"""Weights are multiples of one number when they are so up to this, as float32 leaves them."""
_LARGEST = 1000
"""Largest such multiple."""


def lower_network(
    layers: Sequence[tuple[np.ndarray, np.ndarray]],
    activation: Activation | Sequence[Activation] = "relu",
) -> ReluProgram:
    """A network a_l = act_l(W_l a_{l-1} + b_l), y = W_L a_{L-1} + b_L, as a program.

    The sign 2 z - 1 of a step neuron z is folded into the layer that reads it. A step does not
    depend on the scale of its field, so where it reads steps or signs only, with weights that are
    multiples of one number (such as +-1 / sqrt(n)), its row becomes one of whole numbers: then a
    field of zero is exactly zero, as in the network, whose sums of +-1 are exact too.

    Step and sign neurons of the first layer whose fields are equal or opposite, as one-bit weights
    on few inputs make them, become one. An opposite one is then off where both fields are exactly
    zero, a set that rounding does not let a plan stay on.

    Args:
        layers: pairs (W, b) of shapes (n_l, n_{l-1}) and (n_l,), from input to output.
        activation: of every hidden layer, or one for each hidden layer.

    Raises:
        ConfigError: no layers, an unknown activation, or another number of them.
        ShapeError: layers that do not fit each other.
    """
    if not layers:
        raise ConfigError("a network needs at least one layer, got none")
    hidden = len(layers) - 1
    kinds = [activation] * hidden if isinstance(activation, str) else list(activation)
    for given in [activation] if isinstance(activation, str) else kinds:
        one_of(given, get_args(Activation), "activation")
    if len(kinds) != hidden:
        raise ConfigError(f"{len(kinds)} activations for {hidden} hidden layers: give one for each")
    weights, biases, step = [], [], [np.zeros(0, dtype=bool)]
    before: str | None = None
    merged: np.ndarray | None = None
    width = np.shape(layers[0][0])[-1]
    for i, (W, b) in enumerate(layers):
        W, b = np.array(W, dtype=np.float64), np.array(b, dtype=np.float64)
        if W.ndim != 2 or W.shape[1] != width or b.shape != W.shape[:1]:
            raise ShapeError(
                f"layer {i} has weights of shape {W.shape} and biases of shape {b.shape}, "
                f"expected (n, {width}) and (n,)"
            )
        width, neurons = len(W), len(W)
        kind = kinds[i] if i < hidden else None
        if kind in ("sign", "step") and before in ("sign", "step"):
            W, b = _whole(W, b)
        if before == "sign":
            W, b = 2.0 * W, b - W.sum(axis=1)
        if merged is not None:
            # Opposite neurons are 1 - z of the one that is kept.
            W, b = W @ merged, b + W @ (merged < 0).any(axis=1)
        merged = None
        if kind in ("sign", "step") and i == 0:
            W, b, merged = _merge(W, b)
            neurons = len(W)
        weights.append(W)
        biases.append(b)
        if kind is not None:
            step.append(np.full(neurons, kind != "relu"))
        before = kind
    return replace(from_layers(weights, biases), step=np.concatenate(step))


def without_constants(
    W: np.ndarray, inputs: int, scale: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """(weights, biases) of a layer scale * W [a; 1 .. 1] whose last inputs are constants.

    Args:
        W: Shape (n, inputs + constants).
        inputs: entries of a.
        scale: such as 1 / sqrt(n).

    Raises:
        ShapeError: W has fewer columns than there are inputs.
    """
    W = np.asarray(W, dtype=np.float64)
    if W.ndim != 2 or W.shape[1] < inputs:
        raise ShapeError(f"weights of shape {W.shape}, expected (n, {inputs} or more)")
    return scale * W[:, :inputs], scale * W[:, inputs:].sum(axis=1)


def _merge(W: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows of different fields, and which of them each neuron is: +1, or -1 the opposite."""
    first: dict[bytes, int] = {}
    places: list[int] = []
    signs: list[float] = []
    kept: list[int] = []
    for i, row in enumerate(np.column_stack([W, b]) + 0.0):
        sign = _lead_sign(row)
        place = first.setdefault((sign * row + 0.0).tobytes(), len(kept))
        if place == len(kept):
            kept.append(i)
        places.append(place)
        signs.append(sign * _lead_sign(np.append(W[kept[place]], b[kept[place]])))
    merged = np.zeros((len(b), len(kept)))
    merged[np.arange(len(b)), places] = signs
    return W[kept], b[kept], merged


def _lead_sign(row: np.ndarray) -> float:
    """Sign of the first entry that is not zero; +1 where there is none."""
    lead = row[np.flatnonzero(row)[:1]]
    return -1.0 if len(lead) and lead[0] < 0 else 1.0


def _whole(W: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows of small multiples of one number, in units of it; other rows as they are."""
    W, b = W.copy(), b.copy()
    for i in range(len(b)):
        row = np.append(W[i], b[i])
        unit = abs(W[i])[W[i] != 0].min(initial=np.inf)
        if not np.isfinite(unit):
            continue
        multiples = row / unit
        whole = np.round(multiples)
        error = abs(multiples - whole) / np.maximum(abs(whole), 1.0)
        if error.max() <= _ROUNDING and abs(whole).max() <= _LARGEST:
            W[i], b[i] = whole[:-1], whole[-1]
    return W, b
