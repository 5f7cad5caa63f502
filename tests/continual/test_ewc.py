"""Elastic weight consolidation: Fisher information, penalties, and what they keep."""

import pytest
import torch

from sparsectl.continual.head import Head
from sparsectl.continual.layers import Layers, NetworkConfig
from sparsectl.continual.learners.ewc import (
    EWCConfig,
    EWCLearner,
    drawn,
    errors,
    forward,
    mean_gradients,
    mean_squares,
)
from sparsectl.continual.learners.finetune import FinetuneConfig, FinetuneLearner, pulled
from sparsectl.continual.learners.optimiser import OptimiserConfig

SGD = OptimiserConfig("sgd", 0.1)


def data(n=7, n_in=3, classes=4, seed=0):
    g = torch.Generator().manual_seed(seed)
    return torch.randn(n, n_in, generator=g), torch.randint(classes, (n,), generator=g)


@pytest.mark.parametrize("norm", ["none", "layer"])
@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_gradients_of_every_example(norm, kind):
    layers = Layers(NetworkConfig(hidden=(5, 6), constant=1, norm=norm, gain=1.4), 3, 4)
    head = Head(kind, 4, 0.5)
    x, y = data()
    if kind == "regression":
        y = torch.randn(7, 4)
    weights = [torch.randn(s, requires_grad=True) for s in layers.shapes]
    a, z = forward(layers, weights, x)
    torch.testing.assert_close(z[-1], layers(weights, x))
    deltas = errors(head.losses(z[-1], y), z)
    each = [
        torch.autograd.grad(head.losses(layers(weights, x[i : i + 1]), y[i : i + 1]).sum(), weights)
        for i in range(len(x))
    ]
    for i, (g, g2) in enumerate(
        zip(mean_gradients(deltas, a), mean_squares(deltas, a), strict=True)
    ):
        expected = torch.stack([e[i] for e in each])
        torch.testing.assert_close(g, expected.mean(0), atol=1e-6, rtol=1e-4)
        torch.testing.assert_close(g2, expected.square().mean(0), atol=1e-6, rtol=1e-4)


def test_drawn_targets_have_the_network_s_distribution():
    g = torch.Generator().manual_seed(0)
    z = torch.tensor([[0.0, 1.0, -1.0]]).expand(20_000, 3)
    labels = drawn(Head("classification", 3), z, g)
    found = torch.bincount(labels, minlength=3) / 20_000
    torch.testing.assert_close(found, z[0].softmax(-1), atol=0.02, rtol=0)
    values = drawn(Head("regression", 3, noise=0.3), z, g)
    torch.testing.assert_close(values.mean(0), z[0], atol=0.02, rtol=0)
    torch.testing.assert_close(values.std(0), torch.full((3,), 0.3), atol=0.02, rtol=0)


def test_penalties_of_all_tasks_from_two_sums():
    w = torch.randn(3, 2, dtype=torch.float64, requires_grad=True)
    F = [torch.rand(3, 2, dtype=torch.float64) for _ in range(4)]
    at = [torch.randn(3, 2, dtype=torch.float64) for _ in range(4)]
    penalty = 1.5 * sum((f * (w - a).square()).sum() for f, a in zip(F, at, strict=True))
    (expected,) = torch.autograd.grad(penalty, w)
    A, B = sum(F), sum(f * a for f, a in zip(F, at, strict=True))
    (found,) = pulled([torch.zeros_like(w)], [w.detach()], [A], [B], 3.0)
    torch.testing.assert_close(found, expected)


def linear(**settings):
    return EWCLearner(
        EWCConfig(optimiser=SGD, **settings), NetworkConfig(hidden=()), 3, Head("classification", 4)
    )


def test_the_running_mean_of_one_batch_is_its_fisher_information():
    learner, (x, y) = linear(labels="given", window=10), data()
    a, z = forward(learner.layers, [w.clone().requires_grad_() for w in learner.weights()], x)
    expected = mean_squares(errors(learner.head.losses(z[-1], y), z), a)
    learner.observe(x, y)
    torch.testing.assert_close(learner.fisher()[0], expected[0])


def test_the_first_task_is_fine_tuning():
    plain = FinetuneLearner(
        FinetuneConfig(optimiser=SGD), NetworkConfig(hidden=()), 3, Head("classification", 4)
    )
    learner = linear(strength=1000.0)
    for i in range(5):
        plain.observe(*data(seed=i))
        learner.observe(*data(seed=i))
    torch.testing.assert_close(plain.weights(), learner.weights())


def test_a_task_without_examples_changes_nothing():
    learner = linear()
    learner.observe(*data())
    learner.end_task()
    before = learner.state()
    learner.end_task()
    after = learner.state()
    assert all((before[k] == after[k]).all() for k in before)
