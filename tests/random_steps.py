"""Random dynamics programs with step neurons."""

from __future__ import annotations

import itertools

import numpy as np

from sparsectl.program import algebra
from sparsectl.program.network import lower_network


def layers(rng, sizes: list[int], bits: bool):
    """Pairs (W, b): +-1 over the root of the inputs, or normal; biases are real."""
    pairs = []
    for a, b in itertools.pairwise(sizes):
        W = rng.choice([-1.0, 1.0], size=(b, a)) if bits else rng.normal(size=(b, a))
        pairs.append((W / np.sqrt(a), 0.3 * rng.normal(size=b)))
    return pairs


def dynamics(rng, nx: int, nu: int, hidden: tuple[int, ...], activation, bits: bool = False):
    """x' = x + net(x, u) / 2."""
    network = lower_network(layers(rng, [nx + nu, *hidden, nx], bits), activation)
    network = algebra.postcompose(network, 0.5 * np.eye(nx))
    return algebra.add_linear(network, np.eye(nx, nx + nu))
