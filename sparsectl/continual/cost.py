"""What a deployed network costs: bytes, arithmetic effort and the multiplications that remain."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass

from sparsectl.continual.layers import Layers
from sparsectl.errors import ConfigError

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

    def to_dict(self) -> dict[str, int]:
        """Plain numbers by name."""
        return dataclasses.asdict(self)


def deployed(
    layers: Layers,
    bits: int,
    *,
    input_bits: int = FLOAT_BITS,
    activation_bits: int | Sequence[int] | None = None,
) -> Cost:
    """Cost of a network whose weights have `bits` bits.

    Args:
        layers: shape of the network.
        bits: 1 for weights of +-1, 32 for real ones.
        input_bits: of an input; 1 where all inputs are +-1.
        activation_bits: of the hidden activations, one number, or one for each hidden layer.
            None: 1 for sign neurons, 32 for ReLU.

    Raises:
        ConfigError: bits outside 1 to 64, or not one number for each hidden layer.
    """
    hidden, constant = len(layers.shapes) - 1, layers.config.constant
    if activation_bits is None:
        activation_bits = 1 if layers.config.activation == "sign" else FLOAT_BITS
    each = [activation_bits] * hidden if isinstance(activation_bits, int) else [*activation_bits]
    if len(each) != hidden:
        raise ConfigError(
            f"activation_bits has {len(each)} numbers, expected one for each of the {hidden} "
            "hidden layers"
        )
    of_inputs = [input_bits, *each]
    for value in (bits, *of_inputs):
        if not 1 <= value <= 64:
            raise ConfigError(f"{value} bits: expected from 1 to 64")
    ace = multiplications = additions = size = 0
    for (m, n), incoming in zip(layers.shapes, of_inputs, strict=True):
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
