"""What a deployed network costs: bytes, arithmetic effort and the multiplications that remain."""

from __future__ import annotations

import math
from dataclasses import dataclass

from sparsectl.continual.layers import Layers

FLOAT_BITS = 32


@dataclass(frozen=True)
class Cost:
    """Of one network and one example.

    Attributes:
        bits: of a weight.
        parameters: weights, those of the constant inputs too.
        numbers: real numbers beside the weights: a scale for each layer of one-bit weights.
        bytes: of the weights, packed layer by layer, and of the numbers.
        ace: arithmetic computation effort of PokeBNN (Zhang et al., CVPR 2022): the sum over
            all multiply-accumulates of the bits of the one operand times those of the other.
            1 for two single bits, 64 for two bytes, 1024 for two float32 numbers.
        multiplications: of numbers with more than one bit each. A product with +-1 is a change
            of sign, and scales of hidden layers pass through ReLU and sign to the output.
        additions: of products, signs changed or not.
    """

    bits: int
    parameters: int
    numbers: int
    bytes: int
    ace: int
    multiplications: int
    additions: int


def deployed(layers: Layers, bits: int) -> Cost:
    """Cost of a network whose weights have `bits` bits, and what layers read 32, or 1 from signs.

    Args:
        bits: 1 for weights of +-1, 32 for real ones.
    """
    constant = layers.config.constant
    ace = multiplications = additions = size = 0
    for i, (m, n) in enumerate(layers.shapes):
        incoming = 1 if i and layers.config.activation == "sign" else FLOAT_BITS
        # A constant input of 1 is a single bit, whatever the other inputs are.
        ace += bits * m * ((n - constant) * incoming + constant)
        multiplications += m * (n - constant) * (bits > 1 and incoming > 1)
        additions += m * (n - 1)
        size += math.ceil(m * n * bits / 8)
    one_bit_scales = bits == 1
    if one_bit_scales:
        multiplications += layers.n_out
    if layers.config.norm == "layer":
        # A square for the variance and a division by the deviation, for each neuron.
        multiplications += 2 * sum(layers.config.hidden)
    numbers = len(layers.shapes) if one_bit_scales else 0
    return Cost(
        bits,
        sum(m * n for m, n in layers.shapes),
        numbers,
        size + numbers * FLOAT_BITS // 8,
        ace,
        multiplications,
        additions,
    )
