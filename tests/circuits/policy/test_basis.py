"""Sharing of weights, and circuits on other bodies."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsectl.circuits import Body, Circuit, CircuitConfig, lesion
from sparsectl.circuits.policy import vector


def body(joints):
    return Body(joints, slice(0, joints), 2 * np.pi / (joints + 1), size=4 * joints + 3)


def some(config, joints, seed=0):
    circuit = Circuit(config, body(joints))
    moved = 0.3 * np.random.default_rng(seed).normal(size=circuit.count)
    vector.load(circuit, vector.flatten(circuit) + torch.from_numpy(moved))
    return circuit


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 13), st.integers(1, 13))
def test_other_bodies_share_the_parameters(joints, others):
    circuit = some(CircuitConfig(reach=2, learn_period=True, speed=True), joints)
    moved = circuit.with_joints(body(others))
    assert moved.body.joints == others
    assert vector.flatten(moved).tolist() == vector.flatten(circuit).tolist()
    seen = torch.zeros(3, moved.body.size, dtype=torch.float64)
    assert moved(seen, moved.initial_state(3))[0].shape == (3, others)


def test_single_joints_weights_are_interpolated():
    circuit = Circuit(CircuitConfig(sharing="module"), body(3))
    with torch.no_grad():
        circuit.ipsilateral.copy_(torch.tensor([0, 1, 2, 3, 5, 7]))
    moved = circuit.with_joints(body(5)).weights()
    np.testing.assert_allclose(moved["ipsilateral"][0], [[0, 0.5, 1, 1.5, 2], [3, 4, 5, 6, 7]])
    back = circuit.with_joints(body(5)).with_joints(body(3))
    assert vector.flatten(back).tolist() == vector.flatten(circuit).tolist()


def test_what_acted_nowhere_starts_anew():
    circuit = Circuit(CircuitConfig(sharing="module", reach=2), body(2))
    moved = circuit.with_joints(body(4)).weights()["proprioception"]
    np.testing.assert_array_equal(moved[0], [[0, 1, 1, 1]] * 2)
    np.testing.assert_array_equal(moved[1], 0)


@pytest.mark.parametrize("sharing", ["shared", "module"])
def test_a_circuit_of_one_joint_only_oscillates(sharing):
    circuit = Circuit(CircuitConfig(sharing=sharing), body(1))
    action, _ = circuit(torch.ones(7, dtype=torch.float64), circuit.initial_state())
    assert action.tolist() == [1.0]


def test_lesions_stay_on_another_body():
    circuit = lesion(some(CircuitConfig(), 5), ["proprioceptor:1", "contralateral"])
    moved = circuit.with_joints(body(9))
    assert moved.lesions == ("proprioceptor:1", "contralateral")
