"""The networks: their formula, their known structure, their ensemble."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sparsectl.dynamics import Dynamics, EnsembleDynamics, MLPConfig, StructureConfig, build
from sparsectl.errors import ConfigError, ShapeError

NAMES = {"hand": slice(0, 2), "points": slice(2, 6), "speed": slice(6, 7)}
STRUCTURE = StructureConfig({"points": "hand"}, {"hand": 0.5})


def random_model(hidden=(5, 4), members=1, structure=STRUCTURE, seed=0) -> Dynamics:
    model = build(MLPConfig(hidden, members, structure), NAMES, 7, 2, seed=seed)
    rng = np.random.default_rng(seed)
    for network in model.networks if isinstance(model, EnsembleDynamics) else [model]:
        ns, nd = len(network.structure.S) + 2, len(network.structure.predicted)
        network.set_normalizer(
            rng.normal(size=ns), rng.uniform(0.1, 2, ns), rng.normal(size=nd), rng.uniform(1, 2, nd)
        )
        if network.skip is not None:
            torch.nn.init.normal_(network.skip.weight)
    return model.double().requires_grad_(False)


def by_hand(model, x: np.ndarray, u: np.ndarray) -> np.ndarray:
    """x' = x + G u + P (mean + std * net((v - mean) / std)), straight from the definition."""
    s = model.structure
    h = np.concatenate([s.S @ x, u])
    w = h = (h - model.input_mean.numpy()) / model.input_std.numpy()
    for i, layer in enumerate(model.linears):
        h = layer.weight.numpy() @ h + layer.bias.numpy()
        h = h if i == len(model.linears) - 1 else np.maximum(h, 0)
    if model.skip is not None:
        h = h + model.skip.weight.numpy() @ w
    after = x + s.G @ u
    after[s.predicted] += model.output_mean.numpy() + model.output_std.numpy() * h
    return after


@pytest.mark.parametrize("hidden", [(), (5,), (5, 4), (3, 4, 2)])
@pytest.mark.parametrize("structure", [StructureConfig(), STRUCTURE])
def test_a_step_is_what_the_formula_says(hidden, structure):
    model = random_model(hidden, structure=structure)
    rng = np.random.default_rng(1)
    x, u = rng.normal(size=(9, 7)), rng.normal(size=(9, 2))
    expected = np.stack([by_hand(model, a, b) for a, b in zip(x, u, strict=True)])
    found = model(torch.from_numpy(x), torch.from_numpy(u)).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-12)


@pytest.mark.parametrize("members", [1, 3])
def test_a_rollout_is_repeated_steps_for_any_leading_axes(members):
    model = random_model(members=members)
    x, u = torch.randn(3, 2, 7).double(), torch.randn(3, 2, 4, 2).double()
    torch.testing.assert_close(model.rollout(x, u), Dynamics.rollout(model, x, u))
    assert model.rollout(x[0, 0], u[0, 0]).shape == (5, 7)


def test_one_start_is_shared_by_many_action_sequences(monkeypatch):
    """torch's own rule for shapes imports sympy when first asked: .3 s of a first decision."""
    monkeypatch.delattr(torch, "broadcast_shapes")
    model = random_model()
    x, u = torch.randn(7).double(), torch.randn(6, 4, 2).double()
    shared = model.rollout(x, u)
    torch.testing.assert_close(shared, model.rollout(x.expand(6, 7), u))


def test_relative_structure_makes_the_model_translation_invariant():
    model = random_model()
    x, u = torch.randn(7).double(), torch.randn(2).double()
    shift = torch.tensor([3.0, -2.0] * 3 + [0.0]).double()
    torch.testing.assert_close(model(x + shift, u), model(x, u) + shift)


def test_an_exact_part_moves_by_gain_times_action_whatever_the_weights():
    model = random_model(seed=4)
    x, u = torch.randn(8, 7).double(), torch.randn(8, 2).double()
    torch.testing.assert_close(model(x, u)[:, :2], x[:, :2] + 0.5 * u)


def test_gradients_reach_every_weight():
    model = build(MLPConfig((5, 4), 1, STRUCTURE), NAMES, 7, 2)
    model.rollout(torch.randn(64, 7), torch.randn(64, 3, 2)).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())


def test_building_is_reproducible_and_leaves_torchs_own_generator_alone():
    torch.manual_seed(0)
    expected = torch.randn(3)
    torch.manual_seed(0)
    a, b, c = (build(MLPConfig((4,)), NAMES, 7, 2, seed=s) for s in (1, 1, 2))
    torch.testing.assert_close(torch.randn(3), expected)
    assert torch.equal(a.linears[0].weight, b.linears[0].weight)
    assert not torch.equal(a.linears[0].weight, c.linears[0].weight)


def test_an_ensemble_is_the_mean_of_different_members():
    model = random_model(members=3)
    x, u = torch.randn(5, 7).double(), torch.randn(5, 2).double()
    each = torch.stack([network(x, u) for network in model.networks])
    torch.testing.assert_close(model(x, u), each.mean(0))
    spread = each.std(0, correction=0)  # the first two entries are exact
    assert (spread[:, 2:] > 0).all()
    assert (spread[:, :2] < 1e-12).all()


def test_wrong_sizes_are_shown():
    with pytest.raises(ShapeError, match=r"7 states and 2 actions got .*\(6,\).*\(3, 2\)"):
        random_model().rollout(torch.zeros(6).double(), torch.zeros(3, 2).double())


@pytest.mark.parametrize("values", [{"hidden": (3, 0)}, {"members": 0}])
def test_a_model_without_meaning_is_refused(values):
    with pytest.raises(ConfigError, match=next(iter(values))):
        MLPConfig(**values)


def test_the_affine_path_costs_no_relu_and_can_be_left_out():
    with_path = build(MLPConfig((4,)), NAMES, 7, 2)
    without = build(MLPConfig((4,), skip=False), NAMES, 7, 2)
    assert set(with_path.state_dict()) - set(without.state_dict()) == {"skip.weight"}
    x, u = torch.randn(3, 7), torch.randn(3, 2)
    torch.testing.assert_close(with_path(x, u), without(x, u))
