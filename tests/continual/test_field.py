"""The field-space learner: its step to the letter, its priors, schedules and test modes."""

from __future__ import annotations

import math

import pytest
import torch

from sparsectl.continual.head import Head
from sparsectl.continual.layers import NetworkConfig
from sparsectl.continual.learners import field_pass, posterior
from sparsectl.continual.learners.field import FieldConfig, FieldLearner
from sparsectl.errors import ConfigError

NETWORK = NetworkConfig(hidden=(12,), constant=1)
HEAD = Head("classification", 3)


def data(seed=0, n=10):
    g = torch.Generator().manual_seed(seed)
    return torch.randn(n, 4, generator=g), torch.randint(3, (n,), generator=g)


def learner(network=NETWORK, head=HEAD, seed=0, **settings):
    return FieldLearner(FieldConfig(**settings), network, 4, head, seed)


def by_autograd(model, x, y, beta, generator_state):
    """Data gradient with respect to theta: the sum over the batch, and the learner's own noise."""
    theta = [t.clone().requires_grad_() for t in model.groups["theta"]]
    generator = torch.Generator()
    generator.set_state(generator_state)
    means = [(beta * t).tanh() for t in theta]
    a = x
    for i, m in enumerate(means):
        a = model.layers.extended(a, i)
        scale = model.layers.scale(m.shape[1])
        v = scale * (a.square() @ (1 - m**2).T).sqrt()
        z = scale * a @ m.T + v * torch.randn(v.shape, generator=generator)
        a = model.layers.activate(z) if i < len(means) - 1 else z
    return torch.autograd.grad(model.head.losses(z, y).sum(), theta)


def test_three_steps_of_descent_with_the_step_prior_to_the_letter():
    model = learner(prior="step", gamma=0.7, beta=1.3, optimiser="sgd", learning_rate=0.05)
    step = [torch.zeros_like(t) for t in model.groups["theta"]]
    for k in range(3):
        x, y = data(k)
        old = [t.clone() for t in model.groups["theta"]]
        found = by_autograd(model, x, y, 1.3, model.generator.get_state())
        pull = [
            0.7 * 1.3**2 * d * (1 - (1.3 * t).tanh() ** 2) for d, t in zip(step, old, strict=True)
        ]
        assert model.observe(x, y).outcome == "updated"
        step = [-0.05 * (g + p) for g, p in zip(found, pull, strict=True)]
        for now, before, s in zip(model.groups["theta"], old, step, strict=True):
            torch.testing.assert_close(now, before + s, rtol=1e-4, atol=1e-5)


def test_adam_s_steps_are_those_of_torch():
    model = learner(prior="none", learning_rate=0.02)
    theirs = [t.clone().requires_grad_() for t in model.groups["theta"]]
    adam = torch.optim.Adam(theirs, 0.02, (0.9, 0.99))
    for k in range(4):
        x, y = data(k)
        for p, g in zip(
            theirs, by_autograd(model, x, y, 1.0, model.generator.get_state()), strict=True
        ):
            p.grad = g
        model.observe(x, y)
        adam.step()
        for mine, p in zip(model.groups["theta"], theirs, strict=True):
            torch.testing.assert_close(mine, p.detach(), rtol=1e-3, atol=1e-4)
            with torch.no_grad():  # Or rounding of small gradients would pile up in Adam's.
                p.copy_(mine)


def gradient_of_first_step(model, x, y, examples):
    """theta moves by -rate * gradient under plain descent."""
    old = [t.clone() for t in model.groups["theta"]]
    model.observe(x, y, examples=examples)
    return [(o - t) / 0.01 for o, t in zip(old, model.groups["theta"], strict=True)]


def test_an_epoch_carries_gamma_divergences_to_the_task_before():
    settings = {"optimiser": "sgd", "learning_rate": 0.01, "init_std": 0.5}
    x, y = data()
    models = [learner(prior=p, gamma=0.3, **settings) for p in ("none", "task")]
    models[1].groups["reference"] = [t + 0.5 for t in models[1].groups["theta"]]
    models[1].numbers["held"] = 1.0
    free, held = (gradient_of_first_step(m, x, y, 40) for m in models)
    per_step = 0.3 * 10 / 40
    fresh = learner(**settings)
    for a, b, theta in zip(free, held, fresh.groups["theta"], strict=True):
        expected = per_step * posterior.kl_gradient(theta, theta + 0.5)
        torch.testing.assert_close(b - a, expected, rtol=1e-3, atol=2e-4)


def test_the_first_task_is_free():
    x, y = data()
    free, task = (
        gradient_of_first_step(learner(optimiser="sgd", prior=p), x, y, 10)
        for p in ("none", "task")
    )
    assert all(torch.equal(a, b) for a, b in zip(free, task, strict=True))


def test_a_leak_alone_forgets_and_slows_where_weights_are_certain():
    model = learner(prior="none", leak=0.25, optimiser="sgd", beta=1.0)
    model.groups["theta"] = [torch.full_like(t, 2.0) for t in model.groups["theta"]]
    model.groups["theta"][0][0] = 30.0
    x = torch.zeros(4, 4)
    model.observe(x, torch.zeros(4, dtype=torch.int64))
    first = model.groups["theta"][0]
    assert first[1:, :4] == pytest.approx(2 - 0.01 * 2 * (1 - math.tanh(2) ** 2), rel=1e-5)
    assert (first[0] == 30).all()


def test_a_strong_task_prior_keeps_what_was_learnt():
    moved = {}
    for gamma in (0.0, 30.0):
        model = learner(prior="task", gamma=gamma, optimiser="sgd", learning_rate=0.01)
        for task in range(2):
            for _ in range(30):
                model.observe(*data(task), examples=10)
            if task == 0:
                model.end_task()
        moved[gamma] = float(model.divergence())
    assert moved[30.0] < 0.1 * moved[0.0]


def test_schedules():
    paper = FieldConfig(beta=10, schedule="tanh", start=0.1, rate=2 / 25)
    assert paper.beta_at(1) == pytest.approx(1.78, abs=0.005)
    assert paper.beta_at(25) == pytest.approx(9.70, abs=0.005)
    power = FieldConfig(beta=2, schedule="power", rate=0.5)
    assert [power.beta_at(e) for e in (1, 4, 9)] == pytest.approx([2, 4, 6])
    model = learner(beta=10, schedule="tanh")
    seen = []
    for _ in range(3):
        for _ in range(3):
            model.observe(*data(), examples=30)
            seen.append(model.beta)
    expected = [FieldConfig(beta=10, schedule="tanh").beta_at(e) for e in (1, 2, 3)]
    assert seen == pytest.approx([b for b in expected for _ in range(3)])


@pytest.mark.parametrize("activation", ["relu", "sign"])
@pytest.mark.parametrize("modulation", ["gradient", "step"])
def test_it_learns_and_its_signs_do_too(activation, modulation):
    g = torch.Generator().manual_seed(0)
    x = torch.randn(600, 4, generator=g)
    y = (x[:, 0] + x[:, 1] > x[:, 2]).long()
    network = NetworkConfig(hidden=(128,), activation=activation, gain=2.0)
    least = 0.85 if activation == "relu" else 0.7  # Four inputs make only 16 sign neurons.
    model = learner(network, beta=3.0, init_std=0.1, learning_rate=0.03, modulation=modulation)
    for _ in range(20):
        for batch in torch.randperm(600, generator=g).split(50):
            model.observe(x[batch], y[batch])
    for mode in model.modes:
        assert (model.predict(x, mode).argmax(-1) == y).float().mean() > least, mode
    assert (model.samples(x, 20).mean(0).argmax(-1) == y).float().mean() > least


def test_it_regresses():
    g = torch.Generator().manual_seed(0)
    x = torch.randn(400, 4, generator=g)
    y = torch.stack([x[:, 0].relu(), 0.5 * x[:, 1] - x[:, 2]], 1)
    model = learner(
        NetworkConfig((64,), constant=4, gain=2**0.5), Head("regression", 2, 0.3), beta=2.0,
        init_std=0.1,
    )  # fmt: skip
    for _ in range(60):
        for batch in torch.randperm(400, generator=g).split(50):
            model.observe(x[batch], y[batch])
    assert (model.predict(x) - y).square().mean() < 0.35 * y.var()


def test_deployed_weights_are_signs_except_means():
    model = learner(beta=2.0)
    for mode in ("sign", "sample"):
        for w, shape in zip(model.weights(mode), model.layers.shapes, strict=True):
            assert w.shape == shape
            assert (w.abs() == 1).all()
    for w, theta in zip(model.weights("mean"), model.groups["theta"], strict=True):
        torch.testing.assert_close(w, (2 * theta).tanh())
    assert model.modes[0] == "mean"
    with pytest.raises(ConfigError, match="did you mean 'sign'"):
        model.weights("signs")


def test_predicting_leaves_training_as_it_is_and_repeats():
    (x, y), models = data(), (learner(), learner())
    for i, model in enumerate(models):
        model.observe(x, y)
        if i == 0:
            for mode in model.modes:
                assert torch.equal(model.predict(x, mode), model.predict(x, mode))
            assert torch.equal(model.samples(x, 3), model.samples(x, 3))
        model.observe(x, y)
    for a, b in zip(*(m.groups["theta"] for m in models), strict=True):
        assert torch.equal(a, b)


def test_more_draws_estimate_the_same_gradient_better():
    x, y = data()
    spread = {}
    for samples in (1, 16):
        found = [
            gradient_of_first_step(
                learner(samples=samples, optimiser="sgd", prior="none"), x, y, None
            )
        ]
        for seed in range(1, 20):
            model = learner(samples=samples, optimiser="sgd", prior="none")
            model.generator.manual_seed(seed)
            found.append(gradient_of_first_step(model, x, y, None))
        spread[samples] = float(torch.stack([f[0] for f in found]).std(0).mean())
    assert spread[16] < 0.5 * spread[1]


def test_a_head_s_error_is_its_loss_s_gradient():
    for head in (HEAD, Head("regression", 3, 0.2)):
        z = torch.randn(5, 3, dtype=torch.float64, requires_grad=True)
        y = torch.arange(5) % 3 if head is HEAD else torch.randn(5, 3, dtype=torch.float64)
        (expected,) = torch.autograd.grad(head.losses(z, y).sum(), z)
        torch.testing.assert_close(field_pass.output_error(head, z.detach(), y), expected)


def test_averaging_divides_a_task_s_step_and_holds_to_the_average():
    plain, model = (learner(prior="task", average=a) for a in (0.0, 1.0))
    for m in (plain, model):
        for k in range(2):
            m.observe(*data(k), examples=10)
            if k == 0:
                m.end_task()
    first = [t.clone() for t in model.groups["reference"]]
    model.end_task()
    for a, b, c in zip(model.groups["theta"], first, plain.groups["theta"], strict=True):
        torch.testing.assert_close(a, (b + c) / 2)
    for a, b in zip(model.groups["theta"], model.groups["reference"], strict=True):
        assert torch.equal(a, b)
    again = learner(prior="task", average=1.0)
    again.restore(model.state())
    assert again.numbers == model.numbers
