"""Variational continual learning against exact Bayesian inference."""

import pytest
import torch
from digits_task import HEAD, NETWORK
from torch.distributions import Normal, kl_divergence

from sparsectl.continual.head import Head
from sparsectl.continual.layers import Layers, NetworkConfig
from sparsectl.continual.learners.gaussian import noisy_fields
from sparsectl.continual.learners.optimiser import OptimiserConfig
from sparsectl.continual.learners.vcl import VCLConfig, VCLLearner

BAYES = {"strength": 1.0, "hold": 1.0}


def one_weight(**settings):
    """y = w x with noise 0.5; the belief can be exact."""
    config = VCLConfig(OptimiserConfig(rate=0.02), **(BAYES | settings))
    return VCLLearner(config, NetworkConfig(hidden=()), 1, Head("regression", 1, noise=0.5), 0)


def test_fields_have_the_weights_mean_and_variance():
    layers = Layers(NetworkConfig(hidden=(), constant=1), 3, 2)
    m, s = torch.randn(2, 4), torch.rand(2, 4)
    x = torch.tensor([[1.0, -2.0, 0.5]]).expand(40_000, 3)
    z = noisy_fields(layers, [m], [s], x, torch.Generator().manual_seed(0))
    a = torch.tensor([1.0, -2.0, 0.5, 1.0]) / 2
    torch.testing.assert_close(z.mean(0), m @ a, atol=0.03, rtol=0)
    torch.testing.assert_close(z.var(0), s.square() @ a.square(), atol=0, rtol=0.03)


def test_no_variance_is_the_plain_network():
    layers = Layers(NetworkConfig(hidden=(5,)), 3, 2)
    weights = [torch.randn(s) for s in layers.shapes]
    x, none = torch.randn(6, 3), [torch.zeros(s) for s in layers.shapes]
    z = noisy_fields(layers, weights, none, x, torch.Generator())
    torch.testing.assert_close(z, layers(weights, x), atol=1e-6, rtol=1e-5)


def test_divergence_and_its_gradients():
    learner = VCLLearner(VCLConfig(**BAYES), NetworkConfig(hidden=(4,)), 3, HEAD, 0)
    for name in ("logs", "prior_logs", "prior_means"):
        learner.groups[name] = learner.normal(0.5)
    leaves = [t.clone().requires_grad_() for t in learner.groups["means"] + learner.groups["logs"]]
    total = sum(
        kl_divergence(Normal(m, s.exp()), Normal(p, q.exp())).sum()
        for m, s, p, q in zip(
            leaves[:2],
            leaves[2:],
            learner.groups["prior_means"],
            learner.groups["prior_logs"],
            strict=True,
        )
    )
    assert learner.divergence() == pytest.approx(total.item(), rel=1e-5)
    for a, b in zip(
        learner.divergence_gradients(), torch.autograd.grad(total, leaves), strict=True
    ):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def test_hold_weighs_what_the_tasks_added_to_the_prior():
    learner = one_weight(hold=10.0, prior=2.0)
    learner.groups["means"] = [torch.tensor([[3.0]])]
    assert learner.divergence_gradients()[0].item() == pytest.approx(3.0 / 4)
    learner.groups["prior_logs"] = [torch.full((1, 1), 0.5).log()]
    assert learner.divergence_gradients()[0].item() == pytest.approx(3.0 * (10 * 3.75 + 0.25))


def test_two_tasks_give_the_posterior_of_both():
    learner, g = one_weight(start_deviation=0.3), torch.Generator().manual_seed(0)
    precision, weighted = 1.0, 0.0
    for slope in (1.0, 2.0):
        x = torch.randn(20, 1, generator=g)
        y = slope * x + 0.5 * torch.randn(20, 1, generator=g)
        precision += float((x**2).sum()) / 0.25
        weighted += float((x * y).sum()) / 0.25
        for rate in (0.02, 0.002):
            learner.optimiser = OptimiserConfig(rate=rate, betas=(0.9, 0.99))
            for _ in range(400):
                learner.observe(x, y, examples=20)
        learner.end_task()
        mean, deviation = (t[0].item() for t in learner.belief())
        assert mean == pytest.approx(weighted / precision, abs=0.03)
        assert deviation == pytest.approx(precision**-0.5, rel=0.1)


def test_a_task_without_examples_changes_nothing():
    learner = one_weight()
    learner.end_task()
    assert torch.equal(learner.groups["prior_means"][0], torch.zeros(1, 1))
    assert torch.equal(learner.groups["prior_logs"][0], torch.zeros(1, 1))


def test_looking_changes_nothing():
    learner = VCLLearner(VCLConfig(), NETWORK, 64, HEAD, 0)
    before, x = learner.state(), torch.rand(5, 64)
    a, b = learner.samples(x, 3), learner.samples(x, 3)
    assert a.shape == (3, 5, 10)
    assert torch.equal(a, b)
    assert not torch.equal(a[0], a[1])
    assert torch.equal(learner.predict(x, "sample"), learner.predict(x, "sample"))
    assert not torch.equal(learner.predict(x, "sample"), learner.predict(x))
    assert (before["generator"] == learner.state()["generator"]).all()
