"""Actors, critics and statistics around a policy."""

import numpy as np
import pytest
import torch

from sparsectl.circuits import Body, Circuit, CircuitConfig, MLPPolicy, MLPPolicyConfig
from sparsectl.circuits.rl.networks import (
    MotorActor,
    clocked,
    learnable,
)
from sparsectl.errors import ConfigError
from sparsectl.policies.rl.networks import CriticInput, RunningNormaliser

BODY = Body(5, slice(0, 5), 1.0, size=23)


def test_running_statistics_are_those_of_all_samples():
    draw = np.random.default_rng(0)
    parts = [draw.normal(3.0, [1.0, 20.0, 0.1], (n, 3)) for n in (1, 50, 7, 400)]
    normaliser = RunningNormaliser(3)
    for part in parts:
        normaliser.update(torch.from_numpy(part))
    everything = np.concatenate(parts)
    np.testing.assert_allclose(normaliser.mean, everything.mean(0), rtol=1e-12)
    np.testing.assert_allclose(normaliser.scale, everything.std(0), rtol=1e-12)
    normal = normaliser(torch.from_numpy(everything)).numpy()
    np.testing.assert_allclose(normal.std(0), 1.0, rtol=1e-9)


def test_a_constant_number_is_not_blown_up():
    normaliser = RunningNormaliser(1)
    normaliser.update(torch.full((10, 1), 2.0))
    assert abs(float(normaliser(torch.tensor([2.0005], dtype=torch.float64)))) < 1.0


@pytest.mark.parametrize(
    "module",
    [
        Circuit(CircuitConfig(), BODY),
        MLPPolicy(MLPPolicyConfig(hidden=(8,)), BODY),
        MLPPolicy(MLPPolicyConfig(hidden=(8,), clock=True), BODY),
    ],
    ids=["circuit", "mlp", "mlp with clock"],
)
def test_actor_acts_as_its_policy(module):
    draw = torch.Generator().manual_seed(0)
    seen = torch.randn(7, 23, generator=draw, dtype=torch.float64)
    phase = torch.rand(7, 1, generator=draw, dtype=torch.float64)
    actor = MotorActor(module, 23)
    normaliser = RunningNormaliser(23)
    normaliser.update(3 * seen + 1)
    actor.normalise(normaliser)
    given = torch.cat([seen, phase], -1) if clocked(module) else seen
    trained = actor.policy()
    expected = trained(seen, phase)[0]
    torch.testing.assert_close(actor(given).double(), expected, atol=1e-5, rtol=1e-5)
    assert all(p.dtype == torch.float64 for p in trained.parameters())
    same_as_raw = torch.allclose(expected, module(seen, phase)[0])
    assert same_as_raw == isinstance(module, Circuit)  # circuits see raw angles


def test_critic_sees_the_phase_as_a_circle():
    critic = CriticInput(2, 1, None)
    before, after = critic(torch.tensor([[1.0, 2.0, 0.9999], [1.0, 2.0, 0.0001]]))
    assert critic.width == 4
    torch.testing.assert_close(before, after, atol=2e-3, rtol=0)


def test_only_the_period_does_not_learn():
    module = Circuit(CircuitConfig(learn_period=True), BODY)
    fixed = [n for n, p in learnable(module).named_parameters() if not p.requires_grad]
    assert fixed == ["period"]
    assert all(p.requires_grad for p in module.parameters())


def test_an_onset_by_posture_is_not_learned_with():
    with pytest.raises(ConfigError, match=r"onset 'posture'.*or use evolution"):
        learnable(Circuit(CircuitConfig(onset="posture"), BODY))


def test_weights_of_a_wrong_sign_can_still_be_learned_from():
    actor = MotorActor(Circuit(CircuitConfig(), BODY), 23)
    circuit = actor.module
    with torch.no_grad():
        circuit.oscillator.fill_(-0.3)
        circuit.contralateral.fill_(0.2)
    given = torch.rand(6, 24, generator=torch.Generator().manual_seed(0), dtype=torch.float64) - 0.2
    before = actor(given)
    actor.project()
    assert torch.equal(actor(given), before)
    assert (circuit.oscillator.item(), circuit.contralateral.item()) == (0.0, 0.0)
    assert (circuit.proprioception.item(), circuit.ipsilateral.item()) == (1.0, 1.0)
    actor(given)[0].sum().backward()
    assert float(circuit.oscillator.grad.abs()) > 0


def test_unsigned_weights_are_free():
    actor = MotorActor(Circuit(CircuitConfig(signed=False), BODY), 23)
    with torch.no_grad():
        actor.module.oscillator.fill_(-0.3)
    actor.project()
    assert actor.module.oscillator.item() == -0.3
