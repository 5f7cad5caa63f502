"""Lowering at any offset and unit: the program is the model computed without cancellation."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsectl.dynamics import EnsembleDynamics, GraphConfig, MLPConfig, StructureConfig, build
from sparsectl.dynamics.lower import lower

EPS = np.finfo(np.float64).eps
powers = st.floats(-6, 7).map(lambda e: 10.0**e)
signs = st.sampled_from([-1.0, 1.0])


def centred(model, x, u):
    """Change of the state by the network's definition, (v - mean) first. Shape (N, nx)."""
    structure = model.structure
    view = np.concatenate([x @ structure.S.T, u], axis=1)
    mean, std, mean_d, std_d = (
        model.get_buffer(name).numpy()
        for name in ("input_mean", "input_std", "output_mean", "output_std")
    )
    w = (view - mean) / std
    h = w
    for layer, kind in zip(model.linears[:-1], model.kinds, strict=True):
        z = h @ layer.weight.numpy().T + layer.bias.numpy()
        h = np.select([kind.numpy() == 1, kind.numpy() == 2], [np.maximum(z, 0), z], 0.0)
    last = model.linears[-1]
    y = h @ last.weight.numpy().T + last.bias.numpy()
    if model.skip is not None:
        y = y + w @ model.skip.weight.numpy().T
    change = u @ structure.G.T
    change[:, structure.predicted] += mean_d + std_d * y
    return change


@settings(max_examples=80, deadline=None)
@given(
    st.integers(0, 10_000), powers, signs, st.floats(-3, 3), st.booleans(), st.integers(1, 2),
    st.sampled_from([(), (5,), (6, 4), (3, 3, 3)]),
)  # fmt: skip
def test_an_mlp(seed, offset, sign, unit, relative, members, hidden):
    rng, unit, offset = np.random.default_rng(seed), 10.0**unit, sign * offset
    structure = StructureConfig({"b": "a"} if relative else {})
    names = {"a": slice(0, 2), "b": slice(2, 4)}
    model = build(MLPConfig(hidden, members, structure), names, 4, 2, seed=seed).double()
    networks = model.networks if isinstance(model, EnsembleDynamics) else [model]
    x = offset + unit * rng.normal(size=(20, 4))
    u = rng.normal(size=(20, 2))
    view = np.concatenate([x @ model.structure.S.T, u], axis=1)
    change = 0.1 * unit
    with torch.no_grad():
        for network in networks:
            network.set_normalizer(view.mean(0), view.std(0), np.zeros(4), np.full(4, change))
            for p in network.parameters():
                p.copy_(torch.from_numpy(rng.normal(size=p.shape)) / max(p.shape[-1], 1) ** 0.5)
            for kinds in network.kinds:
                kinds.copy_(torch.from_numpy(rng.integers(0, 3, size=kinds.shape)))
        found = lower(model)(np.concatenate([x, u], axis=1)) - x
        torch_ = model(torch.from_numpy(x), torch.from_numpy(u)).numpy() - x
        expected = np.mean([centred(network, x, u) for network in networks], axis=0)
    # What a state of that size can tell apart, through slopes of order change / unit.
    grain = 100 * EPS * abs(offset)
    np.testing.assert_allclose(found, expected, atol=1e-9 * change + grain)
    np.testing.assert_allclose(found, torch_, atol=1e-9 * change + grain)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), powers, signs, st.floats(-3, 3), st.booleans())
def test_a_graph_network(seed, offset, sign, unit, origin):
    rng, unit, offset = np.random.default_rng(seed), 10.0**unit, sign * offset
    place = {"origin": 0, "gain": unit} if origin else {}
    config = GraphConfig(radius=100 * unit, edge=(5, 3), node=(4,), message=3, **place)
    model = build(config, {"discs": slice(0, 6)}, 6, 2, seed=seed).double()
    x, u = offset + unit * rng.normal(size=(20, 6)), rng.normal(size=(20, 2))
    change = 0.1 * unit
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(torch.from_numpy(rng.normal(size=p.shape)) / max(p.shape[-1], 1) ** 0.5)
        o = x.reshape(-1, 2) if not origin else x.reshape(-1, 2) - unit * np.repeat(u, 3, axis=0)
        model.view_mean[:2].copy_(torch.from_numpy(o.mean(0)))
        model.view_std[:2].copy_(torch.from_numpy(o.std(0)))
        model.gap_std.fill_(unit)
        model.change_std.fill_(change)
        found = lower(model)(np.concatenate([x, u], axis=1)) - x
        expected = model(torch.from_numpy(x), torch.from_numpy(u)).numpy() - x
    np.testing.assert_allclose(found, expected, atol=1e-9 * change + 300 * EPS * abs(offset))
