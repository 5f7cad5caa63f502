"""Gates over the kinds of neurons."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsectl.dynamics import MLPConfig, build
from sparsectl.dynamics.kinds import IDENTITY, RELU, ZERO, count_relus, set_kinds
from sparsectl.sparsify.gates import Gates
from sparsectl.sparsify.losses import Switching


def model(hidden=(6, 4), kinds=None):
    found = build(MLPConfig(hidden), {"x": slice(0, 3)}, 3, 1, seed=2)
    if kinds is not None:
        set_kinds(found, kinds)
    return found


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 2), min_size=10, max_size=10), st.integers(0, 10), st.data())
def test_the_choice_has_exactly_the_count_and_no_zero_comes_back(kinds, count, data):
    network = model(kinds=[torch.tensor(kinds[:6]), torch.tensor(kinds[6:])])
    alive = sum(k != ZERO for k in kinds)
    count = min(count, alive)
    gates = Gates(network, 0.9)
    seed = data.draw(st.integers(0, 1000))
    with torch.no_grad():
        for logits in gates.logits:
            logits += torch.randn(logits.shape, generator=torch.Generator().manual_seed(seed))
    chosen = gates.choose(count)
    set_kinds(network, chosen)
    assert count_relus(network) == count
    flat = torch.cat(chosen).tolist()
    assert all(after == ZERO for before, after in zip(kinds, flat, strict=True) if before == ZERO)


def test_gates_start_at_the_present_kinds():
    kinds = [torch.tensor([0, 1, 2, 1, 1, 2]), torch.tensor([1, 1, 0, 2])]
    gates = Gates(model(kinds=kinds), 0.8)
    table = torch.cat(gates.probabilities())
    flat = torch.cat(kinds)
    assert (table.argmax(1) == flat).all()
    alive = flat != ZERO
    assert table[alive].amax(1).tolist() == pytest.approx([0.8] * int(alive.sum()))
    assert gates.expected(RELU).item() == pytest.approx(0.8 * 5 + 0.1 * 3)
    assert gates.expected(IDENTITY).item() == pytest.approx(0.8 * 3 + 0.1 * 5)


def test_samples_are_hard_and_have_gradients():
    network = model()
    gates = Gates(network, 0.5)
    acts = gates.sample(0.5, torch.Generator().manual_seed(0))
    z = torch.tensor([-1.0, 2.0])[:, None].expand(2, 6)
    h = acts[0](z)
    pairs = {(0.0, 0.0), (0.0, 2.0), (-1.0, 2.0)}
    assert {(round(float(a), 5), round(float(b), 5)) for a, b in h.detach().T} <= pairs
    h.square().sum().backward()
    assert gates.logits[0].grad.abs().sum() > 0


def test_the_rate_of_switching_falls_where_neurons_keep_their_side():
    network = model()
    x, u = torch.randn(50, 3), torch.randn(50, 4, 1)
    watched = Switching(network)
    network.rollout(x, u)
    often = watched.rate()
    assert network.gates is None
    often.backward()
    assert network.linears[0].weight.grad.abs().sum() > 0
    with torch.no_grad():
        for layer in network.linears[:2]:
            layer.bias += 100.0
    watched = Switching(network)
    network.rollout(x, u)
    assert watched.rate() < 1e-3 < often
