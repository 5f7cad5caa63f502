"""`predict` as others know it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sparsectl.circuits import Body, Circuit, CircuitConfig, MLPPolicy, MLPPolicyConfig
from sparsectl.circuits.policy.predict import ModulePolicy

BODY = Body(5, slice(0, 5), 1.0, size=23)
POLICY = ModulePolicy(Circuit(CircuitConfig(period=4), BODY))
SEEN = np.random.default_rng(0).normal(size=(12, 3, 23))


def test_a_batch_is_its_members_one_by_one():
    states, state = [None] * 3, None
    for observations in SEEN:
        actions, state = POLICY.predict(observations, state)
        for i in range(3):
            action, states[i] = POLICY.predict(observations[i], states[i])
            np.testing.assert_allclose(action, actions[i], atol=1e-7)
            np.testing.assert_allclose(states[i], state[i])
    assert actions.shape == (3, 5)
    assert actions.dtype == np.float32


def test_the_actions_are_the_module_s():
    state, memory = POLICY.module.initial_state(3), None
    for observations in SEEN:
        with torch.no_grad():
            expected, state = POLICY.module(torch.from_numpy(observations), state)
        actions, memory = POLICY.predict(observations, memory, episode_start=None)
        np.testing.assert_allclose(actions, expected, atol=1e-7)


def test_an_episode_that_starts_begins_at_the_initial_state():
    _, late = POLICY.predict(SEEN[0], np.full((3, 1), 0.7))
    assert late[:, 0] == pytest.approx([0.95] * 3)
    _, mixed = POLICY.predict(SEEN[0], np.full((3, 1), 0.7), np.array([False, True, False]))
    assert mixed[:, 0] == pytest.approx([0.95, 0.25, 0.95])
    _, single = POLICY.predict(SEEN[0, 0], np.array([0.7]), np.array([True]))
    assert single == pytest.approx([0.25])


def test_each_of_a_batch_begins_by_its_own_posture():
    policy = ModulePolicy(Circuit(CircuitConfig(onset="posture"), BODY))
    seen = np.zeros((2, BODY.size))
    seen[:, BODY.angles] = [[0.4], [-0.4]]
    action, state = policy.predict(seen)
    assert action[:, 0].tolist() == [-1.0, 1.0]
    half = np.array([[0.5], [0.0]]) + 1 / 60
    np.testing.assert_allclose(state, half)
    _, again = policy.predict(-seen, state, np.array([True, False]))
    np.testing.assert_allclose(again, [[1 / 60], [2 / 60]])


def test_neither_arguments_nor_the_policy_change():
    observations, state = SEEN[0].copy(), np.full((3, 1), 0.7)
    first = POLICY.predict(observations, state)
    second = POLICY.predict(observations, state)
    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_array_equal(observations, SEEN[0])
    assert (state == 0.7).all()


def test_observations_of_lists_and_of_single_precision_are_taken():
    policy = ModulePolicy(MLPPolicy(MLPPolicyConfig(), BODY))
    action, _ = policy.predict(SEEN[0, 0].tolist())
    other, _ = policy.predict(SEEN[0, 0].astype(np.float32))
    np.testing.assert_allclose(action, other, atol=1e-6)
