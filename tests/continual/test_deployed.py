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
from sparsectl.errors import ConfigError, ShapeError
from sparsectl.program.lower import lower

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
    classifier = build(FieldConfig(), NetworkConfig((4,)), 3, Head("classification", 2), seed=0)
    with pytest.raises(ConfigError, match="dynamics stream"):
        deploy(classifier, None)


def test_a_network_that_reads_history_is_refused(scaling):
    layers = Layers(NetworkConfig((6,)), 2 * (NX + NU), NX)
    with pytest.raises(ConfigError, match="reads a history"):
        DeployedDynamics(layers, bits(layers), scaling)
