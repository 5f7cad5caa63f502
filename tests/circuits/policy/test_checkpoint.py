"""Policies on disk come back as they were."""

from __future__ import annotations

import pytest
import torch

from sparsectl.circuits import (
    Body,
    Circuit,
    CircuitConfig,
    MLPPolicy,
    MLPPolicyConfig,
    RandomPolicy,
    ZeroPolicy,
    lesion,
)
from sparsectl.circuits.policy.checkpoint import load, save

BODY = Body(5, slice(1, 6), 1.0, target=slice(6, 8), size=23)


def trained(policy):
    with torch.no_grad():
        for parameter in policy.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    return policy


def policies():
    normalised = MLPPolicy(MLPPolicyConfig(hidden=(8,), clock=True), BODY)
    normalised.normalise(torch.randn(50, 23, dtype=torch.float64))
    rich = CircuitConfig(turn=True, steering="learned", learn_period=True)
    module = Circuit(CircuitConfig(sharing="module"), BODY)
    return {
        "circuit": Circuit(CircuitConfig(), BODY),
        "rich": Circuit(rich, BODY),
        "cut": lesion(module, ["module:2", "contralateral"]),
        "mlp": normalised,
        "random": RandomPolicy(BODY, seed=5),
        "zero": ZeroPolicy(BODY),
    }


@pytest.mark.parametrize("name", policies())
def test_a_policy_comes_back_as_it_was(tmp_path, name):
    policy = trained(policies()[name])
    save(policy, tmp_path / "policy", {"env_id": "sparsectl/Swim-v0"})
    loaded, meta = load(tmp_path / "policy")
    assert type(loaded) is type(policy)
    assert loaded.body == policy.body
    assert meta["env_id"] == "sparsectl/Swim-v0"
    seen = torch.randn(7, 23, dtype=torch.float64)
    ours, theirs = (p(seen, p.initial_state(7)) for p in (policy, loaded))
    assert torch.equal(ours[0], theirs[0])
    assert torch.equal(ours[1], theirs[1])
    assert all(p.requires_grad for p in loaded.parameters())


def test_lesions_come_back(tmp_path):
    save(policies()["cut"], tmp_path / "policy")
    assert load(tmp_path / "policy")[0].lesions == ("module:2", "contralateral")
