"""Networks of +-1 weights and sign neurons on packed bits: XOR and a count instead of products.

For two vectors of n signs, packed 64 to a word, the dot product is n - 2 popcount(a XOR b). No
multiplication is left but one scale for each output. Where this is faster than a float32 matrix
product, and where not, is measured by scripts/continual/packed.py.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sparsectl.continual.layers import Layers
from sparsectl.errors import ConfigError, NonFiniteError, ShapeError

_BLOCK = 1 << 16
"""Words of 8 bytes that a block of fields takes: half a megabyte, which caches hold."""


def pack(signs: np.ndarray) -> np.ndarray:
    """Bits of +-1 values, 64 to a word; missing bits of the last word are 0.

    Shape (..., n) -> (..., ceil(n / 64)), uint64. A value of 0 or more is a 1.
    """
    return _packed(np.asarray(signs) >= 0)


def dot(a: np.ndarray, weights: np.ndarray, n: int) -> np.ndarray:
    """Dot products of packed signs with the packed rows of a matrix.

    Args:
        a: Shape (batch, words).
        weights: transposed, word by word: shape (words, rows), contiguous.
        n: signs in a row, at most 64 * words.

    Returns:
        Shape (batch, rows), int32, from -n to n.

    Raises:
        ShapeError: sizes that do not fit.
    """
    words, rows = weights.shape
    if a.ndim != 2 or a.shape[1] != words or not 64 * (words - 1) < n <= 64 * words:
        raise ShapeError(
            f"packed activations {a.shape} and weights {weights.shape} do not fit {n} signs: "
            f"expected (batch, words) and (words, rows) with {-(-n // 64)} words"
        )
    # Differences first, in the smallest type that holds n.
    different = np.zeros((len(a), rows), np.uint16 if n < 2**16 else np.uint32)
    if len(a) == 1:
        counts = np.bitwise_count(weights ^ a[0][:, None])
        np.add.reduce(counts, axis=0, dtype=different.dtype, out=different[0])
    else:
        size = max(1, _BLOCK // max(rows, 1))
        for start in range(0, len(a), size):
            block, out = a[start : start + size], different[start : start + size]
            xor = np.empty(out.shape, np.uint64)
            count = np.empty(out.shape, np.uint8)
            for k in range(words):
                np.bitwise_xor(block[:, k, None], weights[k], out=xor)
                np.bitwise_count(xor, out=count)
                np.add(out, count, out=out)
    result = different.astype(np.int32)
    result *= -2
    result += n
    return result


class PackedNetwork:
    """A network of +-1 weights with sign neurons.

    The first layer keeps a float32 matrix product, unless the inputs are +-1 too: real inputs
    have no bits to XOR.

    Args:
        layers: shape of the network, with activation `sign` and norm `none`.
        weights: arrays of `layers.shapes` with entries +-1.
        binary_inputs: all inputs are +-1.

    Raises:
        ConfigError: other neurons or a norm.
        ShapeError: shapes that do not fit, or entries that are not +-1.
    """

    def __init__(
        self, layers: Layers, weights: Sequence[np.ndarray], binary_inputs: bool = False
    ) -> None:
        config = layers.config
        if config.activation != "sign" or config.norm != "none":
            raise ConfigError(
                f"network with activation '{config.activation}' and norm '{config.norm}': packed "
                "bits need 'sign' and 'none'"
            )
        arrays = [np.asarray(W) for W in weights]
        if [W.shape for W in arrays] != layers.shapes or any((abs(W) != 1).any() for W in arrays):
            raise ShapeError(
                f"weights of shapes {[W.shape for W in arrays]}: expected entries of +-1 and "
                f"shapes {layers.shapes}"
            )
        self.layers, self.binary_inputs = layers, binary_inputs
        self.scale = layers.scale(layers.shapes[-1][1])
        real = 0 if binary_inputs else 1
        self.first = arrays[0].astype(np.float32).T.copy() if real else None
        self.packed = [np.ascontiguousarray(pack(W).T) for W in arrays[real:]]

    @property
    def nbytes(self) -> int:
        """Bytes of the weights as they are held."""
        first = 0 if self.first is None else self.first.nbytes
        return first + sum(W.nbytes for W in self.packed)

    def __call__(self, inputs: np.ndarray) -> np.ndarray:
        """Fields of the last layer, equal to those of `Layers` with the same weights.

        Args:
            inputs: Shape (batch, n_in), float32.

        Returns:
            Shape (batch, n_out), float32.

        Raises:
            ShapeError: another shape, or with `binary_inputs` an entry that is not +-1.
            NonFiniteError: a NaN or infinity.
        """
        a = np.asarray(inputs, np.float32)
        if a.ndim != 2 or a.shape[1] != self.layers.n_in:
            raise ShapeError(f"inputs have shape {a.shape}, expected (batch, {self.layers.n_in})")
        if not np.isfinite(a).all():
            raise NonFiniteError("inputs hold a NaN or infinity")
        if self.binary_inputs and (abs(a) != 1).any():
            raise ShapeError("inputs of a network with binary_inputs must be +-1")
        constant = self.layers.config.constant
        a = np.tile(a, (1, self.layers.config.copies))
        z = None
        if self.first is not None:
            n = a.shape[1]
            z = a @ self.first[:n]
            if constant:
                z += self.first[n:].sum(0)
        for W in self.packed:
            a = a if z is None else z
            bits = np.empty((len(a), a.shape[1] + constant), bool)
            np.greater_equal(a, 0, out=bits[:, : a.shape[1]])
            bits[:, a.shape[1] :] = True
            z = dot(_packed(bits), W, bits.shape[1])
        assert z is not None
        return (z * np.float32(self.scale)).astype(np.float32)


def _packed(bits: np.ndarray) -> np.ndarray:
    """As `pack`, from truth values."""
    n = bits.shape[-1]
    out = np.zeros((*bits.shape[:-1], -(-n // 64) * 8), np.uint8)
    out[..., : -(-n // 8)] = np.packbits(bits, axis=-1, bitorder="little")
    return out.view(np.uint64)
