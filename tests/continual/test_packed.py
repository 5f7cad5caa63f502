"""Packed bits against the matrix products that they stand for."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsectl.continual import packed
from sparsectl.continual.layers import Layers, NetworkConfig
from sparsectl.errors import ConfigError, NonFiniteError, ShapeError


def coins(rng, *shape):
    return rng.choice(np.array([-1.0, 1.0], np.float32), shape)


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 300), st.integers(0, 40), st.integers(1, 50), st.integers(0, 2**31))
def test_dot_products_are_those_of_the_signs(n, batch, rows, seed):
    rng = np.random.default_rng(seed)
    a, W = coins(rng, batch, n), coins(rng, rows, n)
    found = packed.dot(packed.pack(a), np.ascontiguousarray(packed.pack(W).T), n)
    np.testing.assert_array_equal(found, a @ W.T)


def test_long_rows_and_many_blocks():
    rng = np.random.default_rng(0)
    for batch, rows, n in ((40, 5000, 70), (2, 3, 70_000)):
        a, W = coins(rng, batch, n), coins(rng, rows, n)
        found = packed.dot(packed.pack(a), np.ascontiguousarray(packed.pack(W).T), n)
        np.testing.assert_array_equal(found, a.astype(np.float64) @ W.T.astype(np.float64))
    opposite = packed.pack(np.ones((1, 70_000)))
    assert packed.dot(opposite, np.ascontiguousarray(packed.pack(-np.ones((1, 70_000))).T), 70_000)


@pytest.mark.parametrize("binary_inputs", [False, True])
@pytest.mark.parametrize("batch", [1, 9])
@pytest.mark.parametrize(("hidden", "constant"), [((), 0), ((65,), 0), ((70, 33), 3)])
def test_a_packed_network_is_the_network(hidden, constant, batch, binary_inputs):
    rng = np.random.default_rng(1)
    layers = Layers(
        NetworkConfig(hidden, "sign", constant, copies=1 + constant % 2, gain=1.5), 20, 4
    )
    weights = [coins(rng, *shape) for shape in layers.shapes]
    x = coins(rng, batch, 20)
    if not binary_inputs:
        x = x * rng.integers(1, 9, x.shape).astype(np.float32)  # sums of whole numbers are exact
    network = packed.PackedNetwork(layers, weights, binary_inputs)
    if not hidden and not binary_inputs:
        assert not network.packed
    expected = layers([torch.from_numpy(W) for W in weights], torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(network(x), expected, rtol=1e-5, atol=1e-6)


def test_packed_weights_take_a_bit_each():
    rng = np.random.default_rng(2)
    layers = Layers(NetworkConfig((256,), "sign"), 128, 64)
    weights = [coins(rng, *shape) for shape in layers.shapes]
    network = packed.PackedNetwork(layers, weights, binary_inputs=True)
    assert network.nbytes == sum(W.size for W in weights) // 8


def test_what_does_not_fit_is_refused():
    rng = np.random.default_rng(3)
    layers = Layers(NetworkConfig((8,), "sign"), 5, 2)
    weights = [coins(rng, *shape) for shape in layers.shapes]
    network = packed.PackedNetwork(layers, weights)
    with pytest.raises(ShapeError, match=r"expected \(batch, 5\)"):
        network(np.zeros((3, 4)))
    with pytest.raises(NonFiniteError):
        network(np.full((1, 5), np.nan))
    with pytest.raises(ShapeError, match="must be"):
        packed.PackedNetwork(layers, weights, binary_inputs=True)(np.zeros((1, 5)))
    with pytest.raises(ShapeError, match=r"entries of \+-1"):
        packed.PackedNetwork(layers, [0.5 * W for W in weights])
    with pytest.raises(ConfigError, match="'sign' and 'none'"):
        packed.PackedNetwork(Layers(NetworkConfig((8,)), 5, 2), weights)
    with pytest.raises(ShapeError, match="do not fit 200 signs"):
        packed.dot(packed.pack(np.ones((1, 64))), packed.pack(np.ones((7, 64))).T, 200)
