"""Affine stand-ins of neurons."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sparsectl.dynamics import MLPConfig, build
from sparsectl.dynamics.kinds import IDENTITY, RELU, ZERO, count_relus
from sparsectl.sparsify.rounds import stages
from sparsectl.sparsify.sensitivity import affine_fits, replace, replacements

NAMES = {"x": slice(0, 3)}


@pytest.fixture
def problem():
    generator = torch.Generator().manual_seed(0)
    model = build(MLPConfig((7, 6)), NAMES, 3, 1, seed=2).double().requires_grad_(False)
    for parameter in model.parameters():
        parameter.copy_(torch.randn(parameter.shape, generator=generator))
    x, u = (torch.randn(400, n, generator=generator).double() for n in (3, 1))
    target = model(x, u)
    return model, x, u, lambda: (model(x, u) - target).square().mean()


def test_fits_are_least_squares(problem):
    model, x, u, loss = problem
    fits, base = affine_fits(model, loss)
    z = model.linears[0](torch.cat([x, u], 1)).numpy()
    for j in range(7):
        a, c = np.polyfit(z[:, j], np.maximum(z[:, j], 0), 1)
        assert (float(fits[0][0][j]), float(fits[0][1][j])) == pytest.approx((a, c))
    assert base == 0
    assert model.gates is None


def test_the_cost_is_what_the_replacement_does_to_the_loss(problem):
    model, _, _, loss = problem
    order = replacements(model, loss)
    assert len(order) == 13
    assert [r.cost for r in order] == sorted(r.cost for r in order)
    replace(model, order[:1])
    assert float(loss()) == pytest.approx(order[0].cost)
    assert count_relus(model) == 12


def test_neurons_that_never_switch_cost_nothing(problem):
    model = problem[0]
    model.linears[0].bias[0], model.linears[0].bias[1] = 1e3, -1e3
    target = model(*problem[1:3])
    order = replacements(model, lambda: (model(*problem[1:3]) - target).square().mean())
    assert {(r.layer, r.neuron) for r in order[:2]} == {(0, 0), (0, 1)}
    replace(model, order[:2])
    assert model.kinds[0][:2].tolist() == [IDENTITY, ZERO]
    torch.testing.assert_close(model(*problem[1:3]), target, rtol=1e-6, atol=1e-6)


def test_zeros_and_identities_are_left_alone(problem):
    model, _, _, loss = problem
    model.kinds[0][:4] = ZERO
    model.kinds[1][:4] = IDENTITY
    assert {(r.layer, r.neuron) for r in replacements(model, loss)} == {
        (i, j) for i, kind in enumerate(model.kinds) for j in range(len(kind)) if kind[j] == RELU
    }


def test_stages_are_no_larger_than_the_stride():
    assert stages(64, 48, 0.1) == [58, 53, 48]
    assert stages(3, 0, 0.1) == [2, 1, 0]
    assert stages(8, 8, 0.5) == []
