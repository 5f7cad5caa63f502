"""The hand-written gradients against autograd and against finite differences."""

from __future__ import annotations

import itertools

import pytest
import torch

from sparsectl.continual.head import Head
from sparsectl.continual.layers import Layers, NetworkConfig, signs
from sparsectl.continual.learners import field_pass, posterior

NETWORKS = [
    NetworkConfig(hidden, activation, constant, norm, gain, copies)
    for (hidden, constant, copies, gain), activation, norm in itertools.product(
        [((), 0, 1, 1.0), ((9, 8), 0, 1, 1.0), ((6,), 2, 3, 2**0.5)],
        ["relu", "sign"],
        ["none", "layer"],
    )
]
HEADS = [Head("classification", 3), Head("regression", 3, noise=0.5)]


def problem(network: NetworkConfig, head: Head, seed: int = 0):
    torch.manual_seed(seed)
    layers = Layers(network, 4, head.outputs)
    u = [torch.randn(shape, dtype=torch.float64) for shape in layers.shapes]
    x = torch.randn(7, 4, dtype=torch.float64)
    y = torch.randn(7, 3, dtype=torch.float64) if head.kind == "regression" else torch.arange(7) % 3
    return layers, u, x, y


def reparameterised(layers: Layers, u, x, seed: int):
    """The same random function, written for autograd with the room's own activation."""
    generator = torch.Generator().manual_seed(seed)
    a = x
    for i, field in enumerate(u):
        a, mean = layers.extended(a, i), field.tanh()
        scale = layers.scale(mean.shape[1])
        spread = ((1 - mean**2) @ a.square().mT).mT.clamp_min(1e-300).sqrt() * scale
        noise = torch.randn(spread.shape, generator=generator, dtype=spread.dtype)
        z = a @ mean.mT * scale + noise * spread
        a = layers.activate(z) if i < len(u) - 1 else z
    return z


def loss_and_gradient(layers, head, u, x, y, seed):
    moments = [posterior.moments(field) for field in u]
    means, variances = [m for m, _ in moments], [v for _, v in moments]
    z, traces = field_pass.forward(layers, means, variances, x, torch.Generator().manual_seed(seed))
    error = field_pass.output_error(head, z, y)
    slopes = field_pass.backward(layers, means, variances, traces, error)
    return head.losses(z, y).sum(), [s * v for s, v in zip(slopes, variances, strict=True)]


@pytest.mark.parametrize("head", HEADS, ids=lambda h: h.kind)
@pytest.mark.parametrize("network", NETWORKS, ids=str)
def test_gradients_are_those_of_autograd(network, head):
    layers, u, x, y = problem(network, head)
    for field in u:
        field.requires_grad_()
    expected = head.losses(reparameterised(layers, u, x, 3), y).sum()
    with torch.no_grad():
        loss, gradients = loss_and_gradient(layers, head, u, x, y, 3)
    assert float(loss) == pytest.approx(float(expected.detach()), rel=1e-10)
    for mine, theirs in zip(gradients, torch.autograd.grad(expected, u), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("head", HEADS, ids=lambda h: h.kind)
@pytest.mark.parametrize("network", [n for n in NETWORKS if n.activation == "relu"], ids=str)
def test_gradients_are_finite_differences(network, head):
    layers, u, x, y = problem(network, head, seed=1)
    _, gradients = loss_and_gradient(layers, head, u, x, y, 5)
    eps = 1e-6
    for i, field in enumerate(u):
        for j in range(0, field.numel(), 3):
            values = []
            for sign in (1, -1):
                shifted = [f.clone() for f in u]
                shifted[i].view(-1)[j] += sign * eps
                values.append(float(loss_and_gradient(layers, head, shifted, x, y, 5)[0]))
            numeric = (values[0] - values[1]) / (2 * eps)
            assert float(gradients[i].view(-1)[j]) == pytest.approx(numeric, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("network", NETWORKS[1:], ids=str)
def test_certain_weights_have_no_noise_and_no_gradient(network):
    layers, u, x, _ = problem(network, HEADS[0])
    u = [500 * signs(field).float() for field in u]
    x = x.float()
    moments = [posterior.moments(field) for field in u]
    means, variances = [m for m, _ in moments], [v for _, v in moments]
    z, traces = field_pass.forward(layers, means, variances, x, None)
    torch.testing.assert_close(z, layers([signs(f) for f in u], x))
    slopes = field_pass.backward(layers, means, variances, traces, torch.ones_like(z))
    for slope, variance in zip(slopes, variances, strict=True):
        assert torch.isfinite(slope).all()
        assert (slope * variance == 0).all()


def test_silent_inputs_give_finite_gradients():
    layers, u, x, y = problem(NETWORKS[4], HEADS[0])
    loss, gradients = loss_and_gradient(layers, HEADS[0], u, torch.zeros_like(x), y, 0)
    assert torch.isfinite(loss)
    assert all(torch.isfinite(g).all() for g in gradients)
    assert (gradients[0] == 0).all()


def test_fields_have_the_moments_of_drawn_weights():
    layers, u, x, _ = problem(NetworkConfig(()), HEADS[1])
    moments = [posterior.moments(field) for field in u]
    means, variances = [m for m, _ in moments], [v for _, v in moments]
    generator = torch.Generator().manual_seed(0)
    passes = torch.stack(
        [field_pass.forward(layers, means, variances, x, generator)[0] for _ in range(4000)]
    )
    drawn = torch.stack(
        [layers([posterior.sample(f, generator) for f in u], x) for _ in range(4000)]
    )
    torch.testing.assert_close(passes.mean(0), drawn.mean(0), atol=0.08, rtol=0)
    torch.testing.assert_close(passes.std(0), drawn.std(0), atol=0.08, rtol=0)
