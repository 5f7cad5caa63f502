"""Populations equal their members one by one."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.func import functional_call, vmap

from sparsectl.circuits import (
    Body,
    Circuit,
    CircuitConfig,
    MLPPolicy,
    MLPPolicyConfig,
    RandomPolicy,
    ZeroPolicy,
)
from sparsectl.circuits.policy import vector

BODY = Body(5, slice(0, 5), 1.0, target=slice(5, 7), size=23)
PATHS = {
    "shared": Circuit(CircuitConfig(), BODY),
    "module": Circuit(CircuitConfig(sharing="module", reach=2), BODY),
    "rich": Circuit(
        CircuitConfig(
            learn_period=True,
            reach=3,
            speed=True,
            turn=True,
            steering="learned",
        ),
        BODY,
    ),
    "steered": Circuit(CircuitConfig(speed=True, turn=True, steering="hardcoded"), BODY),
    "posture": Circuit(CircuitConfig(onset="posture", reflex=1, crossed=True), BODY),
    "unsigned": Circuit(CircuitConfig(sharing="module", signed=False), BODY),
    "mlp": MLPPolicy(MLPPolicyConfig(hidden=(16, 8)), BODY),
    "clock": MLPPolicy(MLPPolicyConfig(hidden=(16,), clock=True), BODY),
    "linear": MLPPolicy(MLPPolicyConfig(hidden=()), BODY),
}
OTHERS = {"random": RandomPolicy(BODY), "zero": ZeroPolicy(BODY)}


def drawn(policy, members, *batch):
    draw = np.random.default_rng(0)
    noise = torch.from_numpy(0.3 * draw.normal(size=(members, policy.count)))
    seen = torch.from_numpy(draw.normal(size=(members, *batch, 23)))
    state = policy.initial_state(members, *batch)
    if policy.state_size == 1:
        begun = torch.from_numpy(draw.uniform(size=state.shape))
        state = torch.where((state < 0) & (begun < 0.5), state, begun)  # some wait for a posture
    return vector.flatten(policy) + noise, seen, state


@pytest.mark.parametrize("name", [*PATHS, *OTHERS])
@pytest.mark.parametrize("batch", [(), (3,), (2, 3)])
def test_a_population_is_its_members_one_by_one(name, batch):
    policy = {**PATHS, **OTHERS}[name]
    vectors, seen, state = drawn(policy, 4, *batch)
    with torch.no_grad():
        action, after = vector.Population(policy, vectors)(seen, state)
        start = vector.flatten(policy)
        for i, member in enumerate(vectors):
            vector.load(policy, member)
            expected = policy(seen[i], state[i])
            np.testing.assert_allclose(action[i], expected[0], atol=1e-12)
            np.testing.assert_allclose(after[i], expected[1], atol=1e-12)
        vector.load(policy, start)
    assert action.shape == (4, *batch, 5)


@pytest.mark.parametrize("name", PATHS)
def test_a_population_is_what_vmap_makes(name):
    shapes = {n: p.shape for n, p in PATHS[name].named_parameters()}

    def one(member, observation, state):
        parts = member.split([shape.numel() for shape in shapes.values()])
        given = {n: p.reshape(s) for (n, s), p in zip(shapes.items(), parts, strict=True)}
        return functional_call(PATHS[name], given, (observation, state))

    vectors, seen, state = drawn(PATHS[name], 6, 2)
    fast = vector.Population(PATHS[name], vectors)(seen, state)
    mapped = vmap(one)(vectors, seen, state)
    for one, other in zip(fast, mapped, strict=True):
        np.testing.assert_allclose(one.detach(), other.detach(), atol=1e-12)


@pytest.mark.parametrize("name", ["rich", "clock"])
def test_a_bound_population_takes_any_number_of_axes_in_turn(name):
    step = None
    for batch in ((), (3,), (2, 3), ()):
        vectors, seen, state = drawn(PATHS[name], 4, *batch)
        step = step or vector.Population(PATHS[name], vectors)
        expected = vector.Population(PATHS[name], vectors)(seen, state)
        for one, other in zip(step(seen, state), expected, strict=True):
            np.testing.assert_array_equal(one.detach(), other.detach())


def test_gradients_reach_every_member():
    vectors, seen, state = drawn(PATHS["shared"], 4, 50)
    vectors.requires_grad_()
    action, _ = vector.Population(PATHS["shared"], vectors)(seen, state)
    action.pow(2).sum().backward()
    assert (vectors.grad[:, :3].abs().sum(1) > 0).all()


@pytest.mark.parametrize("name", PATHS)
def test_loading_what_was_flattened_changes_nothing(name):
    policy = PATHS[name]
    before = vector.flatten(policy)
    vector.load(policy, before.clone())
    assert before.shape == (policy.count,)
    assert vector.flatten(policy).tolist() == before.tolist()
