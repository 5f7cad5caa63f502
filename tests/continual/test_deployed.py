"""A learner's bits as a dynamics model and as a ReLU program."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sparsectl.continual.deployed import DeployedDynamics, deploy
from sparsectl.continual.head import Head
from sparsectl.continual.layers import Layers, NetworkConfig
from sparsectl.continual.learners.build import build
from sparsectl.continual.learners.field import FieldConfig
from sparsectl.continual.stream import Layout, Scaling
from sparsectl.continual.streams.past import past
from sparsectl.dynamics.lower import lower
from sparsectl.errors import ConfigError, ShapeError

NX, NU = 4, 2


@pytest.fixture
def scaling():
    generator = torch.Generator().manual_seed(3)
    draw = lambda n: torch.rand(n, generator=generator) + 0.5  # noqa: E731
    return Scaling(draw(NX + NU) - 1, draw(NX + NU), draw(NX) - 1, draw(NX))


def bits(layers: Layers, seed: int = 0) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randint(0, 2, s, generator=generator) * 2.0 - 1 for s in layers.shapes]


@pytest.mark.parametrize("activation", ["relu", "sign"])
@pytest.mark.parametrize("hidden", [(), (7,), (9, 5)])
def test_the_model_is_the_network_in_physical_units(activation, hidden, scaling):
    layers = Layers(NetworkConfig(hidden, activation, constant=3, copies=2, gain=1.3), NX + NU, NX)
    weights = bits(layers)
    model = DeployedDynamics(layers, weights, scaling)
    v = torch.randn(50, NX + NU, generator=torch.Generator().manual_seed(1))
    z = layers(weights, (v - scaling.input_mean) / scaling.input_std)
    expected = v[:, :NX] + scaling.output_mean + scaling.output_std * z
    found = model(v[:, :NX], v[:, NX:])
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("activation", ["relu", "sign"])
def test_the_program_is_the_model(activation, scaling):
    layers = Layers(NetworkConfig((9, 5), activation, constant=2), NX + NU, NX)
    model = DeployedDynamics(layers, bits(layers), scaling)
    program = lower(model)
    assert program.m == 14
    assert program.has_steps == (activation == "sign")
    v = np.random.default_rng(0).normal(size=(200, NX + NU))
    model = model.double()
    found = model(torch.tensor(v[:, :NX]), torch.tensor(v[:, NX:])).numpy()
    np.testing.assert_allclose(program(v), found, atol=1e-9)


def test_a_body_with_fewer_numbers_is_a_part_of_the_padded_network(scaling):
    layers = Layers(NetworkConfig((6,)), NX + NU, NX)
    weights = bits(layers)
    whole = DeployedDynamics(layers, weights, scaling)
    part = DeployedDynamics(layers, weights, scaling, Layout((0, 1), (0, 2), (1,)))
    assert (part.nx, part.nu) == (2, 1)
    x, u = torch.tensor([0.3, -0.2]), torch.tensor([0.7])
    padded = whole(torch.tensor([0.3, 0.0, -0.2, 0.0]), torch.tensor([0.0, 0.7]))
    torch.testing.assert_close(part(x, u), padded[[0, 2]])
    np.testing.assert_allclose(lower(part)(np.array([0.3, -0.2, 0.7])), padded[[0, 2]], atol=1e-5)


def test_differences_that_the_network_reads_are_in_the_model(scaling):
    layers = Layers(NetworkConfig((6,), constant=1), NX + NU, NX)
    weights = bits(layers)
    plain = DeployedDynamics(layers, weights, scaling)
    layout = Layout((0, 1, 2, 3), (0, 1, 2, 3), (0, 1), ((0, 2), (1, 3)))
    model = DeployedDynamics(layers, weights, scaling, layout)
    x, u = torch.tensor([0.3, 0.1, -0.2, 0.4]), torch.tensor([0.7, -0.5])
    seen = x - torch.tensor([-0.2, 0.4, 0.0, 0.0])
    torch.testing.assert_close(model(x, u) - x, plain(seen, u) - seen)
    np.testing.assert_allclose(lower(model)(np.concatenate([x, u])), model(x, u), atol=1e-5)


def test_a_trained_learner_is_deployed_with_one_bit_a_weight(scaling):
    network = NetworkConfig((16,), constant=2)
    learner = build(FieldConfig(), network, NX + NU, Head("regression", NX), seed=0)
    x = torch.randn(64, NX + NU)
    learner.observe(x, x[:, :NX], examples=64)
    model = deploy(learner, scaling, "sign")
    assert all(set(W.unique().tolist()) <= {-1.0, 1.0} for W in model.weights)
    assert lower(model).m == 16


def test_what_cannot_be_planned_with_is_refused(scaling):
    layers = Layers(NetworkConfig((4,), norm="layer"), NX + NU, NX)
    with pytest.raises(ConfigError, match="norm is 'layer'"):
        DeployedDynamics(layers, bits(layers), scaling)
    layers = Layers(NetworkConfig((4,)), NX + NU, NX)
    with pytest.raises(ShapeError, match="do not fit"):
        DeployedDynamics(layers, bits(layers)[:1], scaling)
    layers = Layers(NetworkConfig((4,)), NX + NU + 3, NX)
    with pytest.raises(ShapeError, match="do not fit"):
        DeployedDynamics(layers, bits(layers), scaling)
    classifier = build(FieldConfig(), NetworkConfig((4,)), 3, Head("classification", 2), seed=0)
    with pytest.raises(ConfigError, match="dynamics stream"):
        deploy(classifier, None)


@pytest.mark.parametrize("activation", ["relu", "sign"])
def test_what_is_read_of_the_past_is_a_part_of_the_state(activation, scaling):
    """Step by step as the stream makes inputs of an episode."""
    history, steps = 2, 6
    layers = Layers(NetworkConfig((7,), activation, constant=2), 3 * (NX + NU), NX)
    weights = bits(layers)
    model = DeployedDynamics(layers, weights, scaling).double()
    assert (model.history, model.nx, model.nu) == (2, NX + 2 * (NX + NU), NU)
    rng = np.random.default_rng(0)
    u = rng.normal(size=(steps, NU))
    start = np.concatenate([rng.normal(size=NX), np.zeros(2 * (NX + NU))])
    found = model.rollout(torch.tensor(start), torch.tensor(u)).numpy()
    x = found[:, :NX]
    mean, std = (v.double() for v in scaling.of_inputs(history))
    inputs = torch.tensor(np.concatenate([x[:-1], u, past(x, u, history)], axis=1))
    z = layers([W.double() for W in weights], (inputs - mean) / std)
    change = scaling.output_mean + scaling.output_std * z
    np.testing.assert_allclose(np.diff(x, axis=0), change, atol=1e-5)
    np.testing.assert_allclose(found[:-1, NX:], past(x, u, history), atol=1e-9)
    program = lower(model)
    for t in range(steps):
        both = np.concatenate([found[t], u[t]])
        np.testing.assert_allclose(program(both), found[t + 1], atol=1e-9)


def test_the_past_of_a_body_with_fewer_numbers(scaling):
    layers = Layers(NetworkConfig((6,)), 2 * (NX + NU), NX)
    weights = bits(layers)
    whole = DeployedDynamics(layers, weights, scaling)
    layout = Layout((0, 1), (0, 2), (1,), ((0, 2),))
    part = DeployedDynamics(layers, weights, scaling, layout)
    assert (part.nx, part.nu) == (5, 1)
    x, d, v, u = [0.3, -0.2], [0.1, 0.5], [-0.4], [0.7]
    # the network reads the first number as a difference; the past is as it is
    seen = [0.3 + 0.2, 0.0, -0.2, 0.0, 0.1, 0.0, 0.5, 0.0, 0.0, -0.4]
    change = whole(torch.tensor(seen), torch.tensor([0.0, 0.7]))[:NX] - torch.tensor(seen[:NX])
    after = part(torch.tensor([*x, *d, *v]), torch.tensor(u))
    expected = torch.cat([torch.tensor(x) + change[[0, 2]], change[[0, 2]], torch.tensor(u)])
    torch.testing.assert_close(after, expected)
    np.testing.assert_allclose(lower(part)(np.array([*x, *d, *v, *u])), expected, atol=1e-5)
