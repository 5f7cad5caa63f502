"""Bytes, arithmetic effort and multiplications, by hand."""

from __future__ import annotations

from sparsectl.continual.cost import deployed
from sparsectl.continual.layers import Layers, NetworkConfig


def layers(activation="relu", constant=0, norm="none", hidden=(6, 5)):
    return Layers(NetworkConfig(hidden, activation, constant, norm), 4, 3)


def test_real_weights():
    cost = deployed(layers(), 32)
    products = 4 * 6 + 6 * 5 + 5 * 3
    assert cost.parameters == cost.multiplications == products
    assert cost.bytes == 4 * products
    assert cost.ace == 1024 * products
    assert cost.additions == 6 * 3 + 5 * 5 + 3 * 4


def test_one_bit_weights_leave_one_multiplication_for_each_output():
    cost = deployed(layers(constant=2), 1)
    assert cost.bytes == 5 + 5 + 3 + 3 * 4  # 36, 40 and 21 bits, and three scales
    assert cost.multiplications == 3
    assert cost.ace == 32 * (4 * 6 + 6 * 5 + 5 * 3) + 2 * (6 + 5 + 3)
    assert cost.numbers == 3


def test_sign_neurons_have_single_bits():
    cost = deployed(layers("sign"), 1)
    assert cost.ace == 32 * 4 * 6 + 6 * 5 + 5 * 3
    assert deployed(layers("sign"), 32).multiplications == 4 * 6


def test_effort_of_pokebnn_s_examples():
    one = Layers(NetworkConfig(()), 1, 1)
    for bits, effort in ((1, 32), (8, 256), (32, 1024)):
        assert deployed(one, bits).ace == effort


def test_a_normalised_layer_has_multiplications_of_its_own():
    plain, normalised = (deployed(layers(norm=n), 1) for n in ("none", "layer"))
    assert normalised.multiplications - plain.multiplications == 2 * 11
    assert normalised.bytes == plain.bytes
