"""The optimiser of sparsification."""

from __future__ import annotations

import sys

import pytest
import torch

from sparsectl.dynamics.soap import Soap


def quadratic(optimizer, steps: int = 300) -> float:
    """Least squares through a matrix whose columns and rows are badly scaled and turned."""
    g = torch.Generator().manual_seed(0)
    A = torch.linalg.qr(torch.randn(8, 8, generator=g))[0] * torch.logspace(-2, 0, 8)
    B = torch.linalg.qr(torch.randn(5, 5, generator=g))[0] * torch.logspace(-1, 0, 5)
    truth, W = torch.randn(8, 5, generator=g), torch.zeros(8, 5, requires_grad=True)
    step = optimizer([W])
    for _ in range(steps):
        loss = (A.T @ (W - truth) @ B).square().sum()
        step.zero_grad()
        loss.backward()
        step.step()
    return float(loss.detach())


def test_turned_scales_are_no_obstacle():
    soap, adam = (quadratic(lambda p, o=o: o(p, lr=2e-2)) for o in (Soap, torch.optim.Adam))
    assert soap < 0.5 * adam


@pytest.mark.parametrize("shape", [(3,), (1,), (4, 1), (1, 4), (0, 3), (1, 1)])
def test_any_vector_or_matrix_moves_towards_its_target(shape):
    p = torch.ones(shape, requires_grad=True)
    optimizer = Soap([p], lr=0.05)
    for _ in range(100):
        optimizer.zero_grad()
        p.square().sum().backward()
        optimizer.step()
    assert p.detach().abs().max().item() < 0.5 if p.numel() else True


@pytest.mark.parametrize("silent", [False, True])
@pytest.mark.parametrize("failures", [1, 2])
def test_a_basis_that_lapack_does_not_find_costs_nothing(monkeypatch, failures, silent):
    """It happens in single precision on gradients of low rank; forced here."""
    real, calls = torch.linalg.eigh, []

    def moody(X):
        calls.append(X.dtype)
        if len(calls) <= failures and silent:
            return X[0] * torch.nan, X * torch.nan
        if len(calls) <= failures:
            raise torch.linalg.LinAlgError("linalg.eigh: The algorithm failed to converge")
        return real(X)

    monkeypatch.setattr(torch.linalg, "eigh", moody)
    assert quadratic(lambda p: Soap(p, lr=2e-2)) < 1e-5  # Adam: 1e-3
    assert calls[:2] == [torch.float32, torch.float64]


def test_it_never_loads_the_compiler_of_torch(monkeypatch):
    """Loading it takes longer than many a training, and would be for nothing."""
    monkeypatch.setitem(sys.modules, "torch._dynamo", None)
    for name in ("add_param_group", "zero_grad", "state_dict", "load_state_dict"):
        plain = getattr(torch.optim.Optimizer, name).__wrapped__
        monkeypatch.delattr(plain, "__dynamo_disable", raising=False)
    weights = torch.nn.Parameter(torch.ones(3, 2))
    optimizer = Soap([weights], lr=0.1)
    for _ in range(2):
        optimizer.zero_grad()
        (weights**2).sum().backward()
        optimizer.step()
    Soap([weights]).load_state_dict(optimizer.state_dict())
    assert not torch.equal(weights, torch.ones(3, 2))
