"""Neurons that are ReLUs, identities or gone."""

from __future__ import annotations

import pytest
import torch

from sparsectl.dynamics import MLPConfig, build
from sparsectl.dynamics.kinds import IDENTITY, RELU, ZERO, count_relus, set_kinds
from sparsectl.errors import ShapeError

NAMES = {"x": slice(0, 3)}


def model(hidden=(6, 5)):
    found = build(MLPConfig(hidden), NAMES, 3, 1, seed=2).double()
    with torch.no_grad():
        for parameter in found.parameters():
            parameter.copy_(torch.randn_like(parameter))
    return found


def reference(network, x, u):
    """The definition, neuron by neuron kind."""
    v = torch.cat([x, u], -1)
    h = v
    for layer, kinds in zip(network.linears, network.kinds, strict=False):
        z = layer(h)
        h = torch.where(kinds == RELU, z.relu(), torch.where(kinds == IDENTITY, z, 0.0))
    return x + network.linears[-1](h) + network.skip(v)


def test_kinds_do_what_they_say():
    network, x, u = model(), torch.randn(20, 3).double(), torch.randn(20, 1).double()
    torch.testing.assert_close(network(x, u), reference(network, x, u))
    set_kinds(network, [torch.tensor([0, 1, 2, 2, 1, 0]), torch.tensor([2, 1, 1, 0, 2])])
    assert count_relus(network) == 4
    torch.testing.assert_close(network(x, u), reference(network, x, u))


def test_gates_stand_in_for_kinds_and_pass_gradients():
    network, x, u = model(), torch.randn(20, 3).double(), torch.randn(20, 1).double()
    kinds = [torch.tensor([0, 1, 2, 2, 1, 0]), torch.tensor([2, 1, 1, 0, 2])]
    gates = [((k == RELU).double(), (k == IDENTITY).double()) for k in kinds]
    for pair in gates:
        for gate in pair:
            gate.requires_grad_(True)
    network.gates = [lambda z, g=g, i=i: g * z.relu() + i * z for g, i in gates]
    found = network(x, u)
    found.square().mean().backward()
    assert all(gate.grad is not None and gate.grad.abs().sum() > 0 for p in gates for gate in p)
    network.gates = None
    set_kinds(network, kinds)
    torch.testing.assert_close(found, network(x, u))


def test_a_state_dict_without_kinds_means_relus():
    old, new = model().state_dict(), model()
    set_kinds(new, [torch.full((6,), ZERO), torch.full((5,), ZERO)])
    new.load_state_dict({k: v for k, v in old.items() if not k.startswith("kinds_")})
    assert count_relus(new) == 11


@pytest.mark.parametrize("kinds", [[torch.ones(6)], [torch.ones(6), torch.full((5,), 3)]])
def test_other_layers_and_values_are_refused(kinds):
    with pytest.raises(ShapeError):
        set_kinds(model(), kinds)
