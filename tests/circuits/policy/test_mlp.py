"""The baselines."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sparsectl.circuits import Body, MLPPolicy, MLPPolicyConfig, RandomPolicy, ZeroPolicy

BODY = Body(5, slice(0, 5), 1.0, size=23)


def seen(*shape):
    return torch.from_numpy(np.random.default_rng(0).normal(size=(*shape, 23)))


def test_counts_of_parameters():
    assert MLPPolicy(MLPPolicyConfig(), BODY).count == 6021
    assert MLPPolicy(MLPPolicyConfig(hidden=(256, 256)), BODY).count == 73221
    assert MLPPolicy(MLPPolicyConfig(clock=True), BODY).count == 6021 + 2 * 64


def test_only_a_clock_makes_actions_depend_on_the_phase():
    for clock in (False, True):
        policy = MLPPolicy(MLPPolicyConfig(clock=clock), BODY).requires_grad_(False)
        actions = [policy(seen(), torch.tensor([p]))[0].numpy() for p in (0.0, 0.3)]
        assert np.array_equal(*actions) is not clock


def test_initial_weights_follow_the_seed_and_the_gain():
    def action(**given):
        policy = MLPPolicy(MLPPolicyConfig(**given), BODY)
        return policy(seen(), policy.initial_state())[0].tolist()

    assert action(seed=1) == action(seed=1) != action(seed=2)
    assert action(gain=0.0) == [0.0] * 5


def test_normalised_observations_do_not_depend_on_their_units():
    policy, other = (MLPPolicy(MLPPolicyConfig(), BODY).requires_grad_(False) for _ in range(2))
    policy.normalise(seen(50))
    other.normalise(100 * seen(50) + 7)
    state = policy.initial_state(50)
    expected = policy(seen(50), state)[0]
    np.testing.assert_allclose(other(100 * seen(50) + 7, state)[0], expected, atol=1e-9)


def test_random_actions_are_uniform_independent_and_repeatable():
    policy = RandomPolicy(BODY, seed=3)
    state, actions = policy.initial_state(20), []
    for observation in seen(500, 20):
        action, state = policy(observation, state)
        actions.append(action.numpy())
    table = np.stack(actions).reshape(-1, 5)
    assert np.abs(table).max() <= 1
    histogram = np.histogram(table, bins=10, range=(-1, 1))[0] / table.size
    np.testing.assert_allclose(histogram, 0.1, atol=0.01)
    np.testing.assert_allclose(np.corrcoef(table.T), np.eye(5), atol=0.05)
    following = np.corrcoef(table[:-20].ravel(), table[20:].ravel())[0, 1]
    assert abs(following) < 0.02
    again, _ = policy(seen(500, 20)[0], policy.initial_state(20))
    np.testing.assert_array_equal(again, actions[0])


@pytest.mark.parametrize("batch", [(), (3,)])
def test_zero_does_nothing(batch):
    policy = ZeroPolicy(BODY)
    action, _ = policy(seen(*batch), policy.initial_state(*batch))
    assert action.shape == (*batch, 5)
    assert not action.any()
