"""Synaptic intelligence: shares in the loss's fall, and what they keep."""

import pytest
import torch

from sparsectl.continual.head import Head
from sparsectl.continual.layers import NetworkConfig
from sparsectl.continual.learners.optimiser import OptimiserConfig
from sparsectl.continual.learners.si import SIConfig, SILearner


def data(seed=0, n=20):
    g = torch.Generator().manual_seed(seed)
    return torch.randn(n, 3, generator=g), torch.randint(4, (n,), generator=g)


def learner(**settings):
    settings.setdefault("optimiser", OptimiserConfig("sgd", 0.02))
    return SILearner(SIConfig(**settings), NetworkConfig(hidden=(6,)), 3, Head("classification", 4))


def test_the_shares_add_up_to_the_fall_of_the_loss():
    si, (x, y) = learner(), data()
    losses = [si.observe(x, y).loss for _ in range(300)]
    fall = losses[0] - si.loss(si.weights(), x, y).item()
    assert fall > 0.1
    total = sum(p.sum().item() for p in si.groups["path"])
    assert total == pytest.approx(fall, rel=0.02)


def test_importance_from_path_and_distance():
    si, (x, y) = learner(xi=0.3), data()
    start = [w.clone() for w in si.weights()]
    for _ in range(5):
        si.observe(x, y)
    path, now = si.groups["path"], si.weights()
    si.end_task()
    for o, p, w, s in zip(si.groups["importance"], path, now, start, strict=True):
        torch.testing.assert_close(o, p.clamp(min=0) / ((w - s) ** 2 + 0.3))
        assert (o >= 0).all()
    assert all(torch.equal(a, w) for a, w in zip(si.groups["anchor"], now, strict=True))
    assert not any(p.any() for p in si.groups["path"])


def test_the_penalty_is_pulled_towards_the_anchor():
    si, (x, y) = learner(strength=0.7, optimiser=OptimiserConfig("sgd", 0.1)), data()
    si.observe(x, y)
    si.end_task()
    si.observe(*data(1))
    si.groups["importance"] = si.normal()
    weights = [w.clone().requires_grad_() for w in si.weights()]
    o, a = si.groups["importance"], si.groups["anchor"]
    penalty = sum((o * (w - a) ** 2).sum() for o, w, a in zip(o, weights, a, strict=True))
    expected = torch.autograd.grad(si.loss(weights, x, y) + 0.7 * penalty, weights)
    si.observe(x, y)
    for w, b, g in zip(si.weights(), weights, expected, strict=True):
        torch.testing.assert_close(w, b.detach() - 0.1 * g)


def test_a_task_without_examples_changes_nothing():
    si = learner()
    si.observe(*data())
    si.end_task()
    before = si.state()
    si.end_task()
    after = si.state()
    assert all((before[k] == after[k]).all() for k in before)
