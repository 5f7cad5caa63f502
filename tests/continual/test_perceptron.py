"""The batched binary perceptron: gradients, teachers, two tasks, and numbers that overflow."""

from __future__ import annotations

import math

import pytest
import torch
from scipy.special import log_ndtr

from sparsectl.continual import perceptron
from sparsectl.continual.learners import posterior
from sparsectl.continual.learners.optimiser import OptimiserConfig
from sparsectl.continual.perceptron import Perceptron, PerceptronConfig
from sparsectl.errors import ConfigError, NonFiniteError, ShapeError

ADAM = OptimiserConfig("adam", 0.05)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_losses_are_those_of_the_formula():
    theta = torch.randn(3, 20, generator=generator(), dtype=torch.float64)
    x, y = perceptron.examples(perceptron.teachers(3, 20, generator()), 7, generator(1))
    mean = (1.5 * theta).tanh()
    scale = (1 - mean**2).sum(-1, keepdim=True).sqrt()
    t = -y * torch.einsum("tmn,tn->tm", x.double(), mean) / scale
    expected = -log_ndtr(-t.numpy())
    found = perceptron.losses(theta, x.double(), y.double(), 1.5)
    assert found.numpy() == pytest.approx(expected)


def test_gradients_are_those_of_autograd_and_of_finite_differences():
    theta = torch.randn(3, 20, generator=generator(), dtype=torch.float64)
    x, y = perceptron.examples(perceptron.teachers(3, 20, generator()), 7, generator(1))
    x, y = x.double(), y.double()
    leaf = theta.clone().requires_grad_()
    (expected,) = torch.autograd.grad(perceptron.losses(leaf, x, y, 0.7).sum(), leaf)
    found = perceptron.gradient(theta, x, y, 0.7)
    torch.testing.assert_close(found, expected, rtol=1e-8, atol=1e-10)
    for i in range(20):
        shift = torch.zeros_like(theta)
        shift[:, i] = 1e-6
        values = [perceptron.losses(theta + s * shift, x, y, 0.7).sum(-1) for s in (1, -1)]
        torch.testing.assert_close(
            found[:, i], (values[0] - values[1]) / 2e-6, rtol=1e-6, atol=1e-7
        )


@pytest.mark.parametrize("size", [1.0, 30.0, 45.0, 300.0, 1e6])
def test_certain_weights_that_are_all_wrong_give_finite_numbers(size):
    teacher = perceptron.teachers(2, 50, generator())
    x, y = perceptron.examples(teacher, 30, generator(1))
    theta = -size * teacher
    assert torch.isfinite(perceptron.losses(theta, x, y)).all()
    g = perceptron.gradient(theta, x, y)
    assert torch.isfinite(g).all()
    assert (perceptron.losses(-theta, x, y) < perceptron.losses(theta, x, y)).all()
    if size > 100:
        assert (g == 0).all()


def test_teachers_answers_and_overlaps():
    teacher = perceptron.teachers(4, 100, generator())
    for overlap in (-0.5, 0.0, 0.5, 1.0):
        other = perceptron.related(teacher, overlap, generator(1))
        assert (other.abs() == 1).all()
        assert (other * teacher).mean(-1).tolist() == pytest.approx([overlap] * 4)
    x, y = perceptron.examples(teacher, 500, generator(2))
    total = torch.einsum("tmn,tn->tm", x, teacher)
    assert (x.abs() == 1).all()
    assert (y == total.sign()).all()
    assert (total != 0).all()
    with pytest.raises(ConfigError, match="overlap of two teachers is 2"):
        perceptron.related(teacher, 2, generator())


def test_generalisation_error_is_the_rate_of_wrong_answers():
    teacher = perceptron.teachers(3, 301, generator())
    student = perceptron.related(teacher, 0.6, generator(1))
    x, y = perceptron.examples(teacher, 6000, generator(2))
    wrong = (torch.einsum("tmn,tn->tm", x, student).sign() != y).float().mean(-1)
    expected = perceptron.generalisation_error(student, teacher)
    assert expected.tolist() == pytest.approx([math.acos(0.6) / math.pi] * 3, abs=2e-3)
    assert wrong.tolist() == pytest.approx(expected.tolist(), abs=0.03)


def test_trials_are_independent_of_each_other():
    """A trial's result is the same alone and beside others."""
    teacher = perceptron.teachers(3, 40, generator())
    x, y = perceptron.examples(teacher, 40, generator(1))
    config = PerceptronConfig(epochs=5, batch_size=8, optimiser=ADAM, decay=0.1)
    both, alone = Perceptron(3, 40, generator(2)), Perceptron(1, 40, generator(2))
    alone.theta = both.theta[1:2].clone()
    both.generator, alone.generator = generator(3), generator(3)
    both.fit(config, x, y)
    alone.fit(config, x[1:2], y[1:2])
    torch.testing.assert_close(both.theta[1:2], alone.theta, rtol=1e-3, atol=1e-4)


def test_it_learns_forgets_and_is_held_by_the_prior():
    first = perceptron.teachers(4, 200, generator())
    second = perceptron.related(first, 0.0, generator(1))
    data = [perceptron.examples(t, 400, generator(2)) for t in (first, second)]
    config = PerceptronConfig(epochs=150, optimiser=ADAM)
    start = Perceptron(4, 200, generator(3))
    start.fit(config, *data[0])
    assert start.error(first).mean() < 0.15
    errors = {}
    for gamma in (0.0, 3.0):
        student = Perceptron(4, 200, generator(3))
        student.theta = start.theta.clone()
        student.fit(
            PerceptronConfig(epochs=150, optimiser=ADAM, gamma=gamma), *data[1], prior=start.theta
        )
        errors[gamma] = (float(student.error(first).mean()), float(student.error(second).mean()))
    assert errors[3.0][0] < errors[0.0][0] - 0.1
    assert errors[3.0][1] > errors[0.0][1] + 0.1


def test_an_epoch_in_one_batch_carries_gamma_divergences():
    teacher = perceptron.teachers(2, 30, generator())
    x, y = perceptron.examples(teacher, 12, generator(1))
    prior = torch.randn(2, 30, generator=generator(4))
    plain = OptimiserConfig("sgd", 0.01)
    student = Perceptron(2, 30, generator(2), beta=1.3)
    theta = student.theta.clone()
    student.fit(PerceptronConfig(1, None, plain, gamma=0.4), x, y, prior)
    leaf = theta.clone().requires_grad_()
    objective = perceptron.losses(leaf, x, y, 1.3).sum()
    objective = objective + 0.4 * posterior.kl(1.3 * leaf, 1.3 * prior).sum()
    (expected,) = torch.autograd.grad(objective, leaf)
    torch.testing.assert_close((theta - student.theta) / 0.01, expected, rtol=1e-3, atol=1e-3)


def test_no_examples_change_nothing_and_nan_is_refused():
    student = Perceptron(2, 10, generator())
    theta = student.theta.clone()
    student.fit(PerceptronConfig(), torch.zeros(2, 0, 10), torch.zeros(2, 0))
    assert torch.equal(student.theta, theta)
    x, y = torch.full((2, 3, 10), float("nan")), torch.ones(2, 3)
    with pytest.raises(NonFiniteError, match="check the inputs"):
        student.fit(PerceptronConfig(epochs=1), x, y)
    assert torch.equal(student.theta, theta)
    with pytest.raises(ShapeError, match=r"expected \(2, count, 10\)"):
        student.fit(PerceptronConfig(), x[:1], y)
