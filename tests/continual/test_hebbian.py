"""Orthogonal projection with Hebbian subspaces: the subspace, the projection, what it protects."""

import pytest
import torch
from learning_tasks import (
    DIGITS,
    REGRESSION,
    RELU,
    learn,
    teacher,
)

from sparsectl.continual.layers import NetworkConfig
from sparsectl.continual.learners.hebbian import (
    HebbianConfig,
    HebbianLearner,
    hebbian_steps,
    kept,
    projected,
)
from sparsectl.continual.learners.optimiser import OptimiserConfig

REAL = {"weights": "real", "init": 1.7, "optimiser": OptimiserConfig(rate=0.02)}


def made(network, head, n_in, **settings):
    return HebbianLearner(HebbianConfig(**settings), network, n_in, head)


def plane(n=256, seed=0):
    """Inputs in two of six directions, and an orthonormal basis of all six."""
    generator = torch.Generator().manual_seed(seed)
    basis = torch.linalg.qr(torch.randn(6, 6, generator=generator))[0]
    return torch.randn(n, 2, generator=generator) @ basis[:2], basis


def test_rows_learn_the_directions_of_the_inputs_and_no_others():
    x, basis = plane()
    rows = torch.randn(4, 6, generator=torch.Generator().manual_seed(1)) * 0.01
    rows, _ = hebbian_steps(rows, torch.zeros(4, 6), x, torch.zeros(0, 6), 0.1, 0.9, 300)
    found = kept(rows, torch.zeros(0, 6))
    assert len(found) == 2
    torch.testing.assert_close(found @ found.mT, torch.eye(2), atol=1e-5, rtol=0)
    assert float(projected(basis[:2], found).abs().max()) < 1e-3
    torch.testing.assert_close(projected(basis[2:], found), basis[2:], atol=1e-3, rtol=0)


def test_new_rows_learn_what_old_ones_do_not_say():
    x, basis = plane()
    old = basis[:1]
    rows = torch.randn(3, 6, generator=torch.Generator().manual_seed(1)) * 0.01
    rows, _ = hebbian_steps(rows, torch.zeros(3, 6), x, old, 0.1, 0.9, 300)
    found = kept(rows, old)
    assert len(found) == 1
    assert float((found @ basis[1]).abs()) == pytest.approx(1.0, abs=1e-3)


def test_inputs_of_zeros_teach_nothing():
    rows = torch.randn(2, 6)
    zeros = torch.zeros(5, 6)
    same, _ = hebbian_steps(rows, torch.zeros(2, 6), zeros, torch.zeros(0, 6), 0.1, 0.9, 3)
    assert torch.equal(same, rows)


def test_scale_of_inputs_does_not_matter():
    x, _ = plane()
    start = torch.randn(2, 6) * 0.01
    a, b = (
        hebbian_steps(start, torch.zeros(2, 6), k * x, torch.zeros(0, 6), 0.1, 0.9, 20)[0]
        for k in (1.0, 300.0)
    )
    torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    "optimiser", [OptimiserConfig(rate=0.02), OptimiserConfig("sgd", 0.1, momentum=0.9)]
)
def test_steps_of_a_second_task_are_orthogonal_to_the_first_ones_inputs(optimiser):
    learner = made(RELU, REGRESSION, 8, **(REAL | {"optimiser": optimiser}))
    learn(learner, *teacher(), epochs=3)
    learner.end_task()
    lateral = [H[: learner.fixed(i)].clone() for i, H in enumerate(learner.groups["lateral"])]
    before = learner.weights()
    assert all(len(H) > 0 for H in lateral)
    learn(learner, *teacher(seed=3), epochs=3)
    for a, b, H in zip(before, learner.weights(), lateral, strict=True):
        assert float((b - a).abs().max()) > 1e-3
        assert float(((b - a) @ H.mT).abs().max()) < 1e-4


def test_real_weights_keep_a_first_task_whose_inputs_the_rows_span():
    network = NetworkConfig(hidden=(32,), gain=2**0.5)
    errors = {}
    for share in (0.5, 1e-9):
        learner = made(network, REGRESSION, 8, **REAL, share=share)
        x, y = teacher()
        x = x.clone()
        x[:, 4:] = 0
        learn(learner, x, y, epochs=10)
        before = learner.predict(x)
        learner.end_task()
        x2, y2 = teacher(seed=3)
        x2 = x2.clone()
        x2[:, :4] = 0
        learn(learner, x2, -y2, epochs=10)
        errors[share] = float((learner.predict(x) - before).square().mean())
    assert errors[0.5] < 0.3 * errors[1e-9]


def test_a_layer_without_free_rows_does_not_move_any_more():
    learner = made(RELU, REGRESSION, 8, share=1.0, hebbian_rate=0.3)
    for _ in range(3):
        learn(learner, *teacher(), epochs=8)
        learner.end_task()
    assert learner.fixed(0) == 9  # 8 inputs and a constant
    assert learner.rows(0) == 0
    before = learner.groups["latent"][0]
    learn(learner, *teacher(seed=3), epochs=1)
    torch.testing.assert_close(learner.groups["latent"][0], before, atol=1e-4, rtol=0)


def test_bits_and_modes_are_those_of_the_weights():
    binary, real = made(RELU, DIGITS, 64), made(RELU, DIGITS, 64, **REAL)
    assert (binary.bits, binary.modes) == (1, ("sign",))
    assert (real.bits, real.modes) == (32, ("mean",))
    assert binary.uses_boundaries
    assert real.uses_boundaries
