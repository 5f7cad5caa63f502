"""Fine-tuning: learns what it is shown, and forgets the rest."""

import digits_task
import pytest
import torch
from digits_task import HEAD, NETWORK, accuracy, learn

from sparsectl.continual.head import Head
from sparsectl.continual.layers import NetworkConfig
from sparsectl.continual.learners.build import build
from sparsectl.continual.learners.finetune import FinetuneConfig, FinetuneLearner
from sparsectl.continual.learners.optimiser import OptimiserConfig


@pytest.mark.parametrize(
    "optimiser", [OptimiserConfig(rate=0.03), OptimiserConfig("sgd", 2.0, momentum=0.9)]
)
def test_digits_are_learnt_and_forgotten(optimiser):
    learner = FinetuneLearner(FinetuneConfig(optimiser=optimiser), NETWORK, 64, HEAD, 0)
    learn(learner)
    before = accuracy(learner)
    assert before > 0.9
    for k in (1, 2):
        learn(learner, k)
        assert accuracy(learner, k) > 0.85
    assert accuracy(learner) < before - 0.2


def test_a_linear_map_is_learnt():
    head = Head("regression", 2, noise=0.1)
    learner = FinetuneLearner(
        FinetuneConfig(OptimiserConfig("sgd", 0.005)), NetworkConfig(hidden=()), 3, head
    )
    x = torch.randn(64, 3, generator=torch.Generator().manual_seed(0))
    A = torch.tensor([[1.0, -2.0, 0.5], [0.0, 3.0, 1.0]])
    for _ in range(300):
        learner.observe(x, x @ A.T)
    torch.testing.assert_close(learner.weights()[0] / 3**0.5, A, atol=1e-3, rtol=0)
    torch.testing.assert_close(learner.predict(x), x @ A.T, atol=1e-2, rtol=0)


def test_one_step_of_descent_is_the_gradient():
    learner = FinetuneLearner(
        FinetuneConfig(OptimiserConfig("sgd", 0.5)), NetworkConfig(hidden=(4,)), 64, HEAD
    )
    x, y, _, _ = digits_task.task()
    before = [w.clone().requires_grad_() for w in learner.weights()]
    loss = torch.nn.functional.cross_entropy(learner.layers(before, x[:9]), y[:9])
    found = torch.autograd.grad(loss, before)
    assert learner.observe(x[:9], y[:9]).loss == pytest.approx(loss.item(), rel=1e-6)
    for w, b, g in zip(learner.weights(), before, found, strict=True):
        torch.testing.assert_close(w, b.detach() - 0.5 * g)


def test_averaging_over_tasks_needs_boundaries_and_takes_the_mean():
    model = build(FinetuneConfig(average=1.0), NetworkConfig((4,)), 3, Head("regression", 2), 0)
    assert model.uses_boundaries
    assert not build(
        FinetuneConfig(), NetworkConfig((4,)), 3, Head("regression", 2)
    ).uses_boundaries
    x = torch.randn(6, 3)
    model.observe(x, x[:, :2])
    model.end_task()
    first = [w.clone() for w in model.groups["weights"]]
    model.observe(x, -x[:, :2])
    second = [w.clone() for w in model.groups["weights"]]
    model.end_task()
    for a, b, c in zip(model.groups["weights"], first, second, strict=True):
        torch.testing.assert_close(a, (b + c) / 2)
