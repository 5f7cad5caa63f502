"""Lanes change no prediction, cost no ReLU, and let late layers read the input."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsectl.dynamics import MLPConfig, MLPDynamics, StructureConfig
from sparsectl.dynamics.kinds import IDENTITY, RELU, ZERO, count_relus, set_kinds
from sparsectl.dynamics.lower import lower
from sparsectl.sparsify.channels import with_channels

NAMES = {"hand": slice(0, 2), "point": slice(2, 4)}
STRUCTURE = StructureConfig({"point": "hand"}, {"hand": 0.1})


def network(hidden, seed=0, skip=True):
    model = MLPDynamics(MLPConfig(hidden, structure=STRUCTURE, skip=skip), NAMES, 4, 2, seed=seed)
    rng = np.random.default_rng(seed)
    size = len(model.input_mean)
    model.set_normalizer(rng.normal(size=size), rng.uniform(0.5, 2, size), np.ones(2), np.ones(2))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.as_tensor(rng.normal(size=parameter.shape)))
    return model


@settings(max_examples=15, deadline=None)
@given(
    hidden=st.lists(st.integers(1, 5), max_size=3).map(tuple),
    seed=st.integers(0, 99),
    skip=st.booleans(),
)
def test_predictions_and_relus_stay(hidden, seed, skip):
    model = network(hidden, seed, skip)
    with torch.no_grad():
        kinds = [torch.randint(0, 3, k.shape, dtype=torch.int8) for k in model.kinds]
        set_kinds(model, kinds)
        wide = with_channels(model)
        x, u = torch.randn(7, 4), torch.randn(7, 3, 2)
        torch.testing.assert_close(wide.rollout(x, u), model.rollout(x, u), rtol=1e-5, atol=1e-5)
    assert count_relus(wide) == count_relus(model)
    assert lower(wide).m == lower(model).m


def test_a_late_neuron_can_read_the_input_through_lanes():
    model = network((3, 3))
    set_kinds(model, [torch.full((3,), ZERO), torch.full((3,), RELU)])
    wide = with_channels(model)
    channels = model.linears[0].in_features
    assert wide.config.hidden == (3 + channels, 3 + channels)
    assert all((kind[3:] == IDENTITY).all() for kind in wide.kinds)
    with torch.no_grad():
        wide.linears[1].weight[0, 3] = 1.0
    assert lower(wide).A[:, :6].nnz > 0


def test_the_given_model_is_left_as_it_is():
    model = network((3,))
    before = {k: v.clone() for k, v in model.state_dict().items()}
    with_channels(model)
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert model.config.hidden == (3,)


@pytest.mark.parametrize("hidden", [(), (4,)])
def test_lanes_of_lanes_are_possible(hidden):
    model = network(hidden)
    x, u = torch.randn(5, 4), torch.randn(5, 2)
    with torch.no_grad():
        torch.testing.assert_close(with_channels(with_channels(model))(x, u), model(x, u))
