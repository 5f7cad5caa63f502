"""Graph models that cannot be."""

from __future__ import annotations

import pytest
import torch

from sparsectl.config import from_dict
from sparsectl.dynamics import GraphConfig, build, check, load, save
from sparsectl.dynamics.lower import lower, programs
from sparsectl.errors import CheckpointError, ConfigError, NonFiniteError
from sparsectl.experiment import Experiment

NAMES = {"red": slice(0, 4), "blue": slice(4, 6)}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"radius": 0.0}, "radius is 0.0, expected a number above 0"),
        ({"radius": -0.1}, "radius is -0.1"),
        ({"radius": float("inf")}, "radius is inf"),
        ({"edge": []}, "edge: expected at least one positive width"),
        ({"node": [8, 0]}, r"node: .*\[8, 0\]"),
        ({"size": 0}, "size is 0, expected a number of at least 1"),
        ({"message": 0}, "message is 0"),
        ({"gain": 0.0}, "gain is 0.0"),
        ({"origin": -1}, "origin is -1"),
        ({"symmetry": "mirrors"}, "did you mean 'mirror'"),
        ({"raduis": 0.1}, "unknown key 'raduis'.*'radius'"),
    ],
)
def test_a_value_that_means_nothing_is_refused(values, message):
    with pytest.raises(ConfigError, match=message):
        from_dict(GraphConfig, values, "model")


@pytest.mark.parametrize(
    ("config", "nu", "message"),
    [
        (GraphConfig(parts=("red", "blu")), 4, "unknown state part 'blu'.*'blue'"),
        (GraphConfig(parts=("red",)), 4, "the state part 'blue' is no object.*kind: mlp"),
        (GraphConfig(size=4), 4, "'blue' has 2 entries, objects have 4"),
        (GraphConfig(origin=3), 4, "origin: entries 3 to 4 of an action of 4"),
        (GraphConfig(symmetry="mirror"), 3, "an action of 3 entries is no sequence of vectors"),
    ],
)
def test_a_config_that_does_not_fit_the_state_is_refused(config, nu, message):
    for attempt in (check, build):
        with pytest.raises(ConfigError, match=message):
            attempt(config, NAMES, 6, nu)


def test_an_unknown_kind_of_model_is_named_with_the_nearest():
    data = {"name": "n", "env": {"id": "E-v0"}, "model": {"kind": "grpah"}}
    with pytest.raises(ConfigError, match=r"model: unknown kind 'grpah'.*'graph'"):
        from_dict(Experiment, data)


@pytest.mark.parametrize("attempt", [lower, programs])
def test_a_non_finite_weight_is_refused(attempt):
    model = build(GraphConfig(edge=(3,), node=(3,)), NAMES, 6, 4)
    with torch.no_grad():
        model.edge[0].weight[0, 0] = torch.nan
    with pytest.raises(NonFiniteError, match="NaN or infinity"):
        attempt(model)


def test_tensors_of_another_graph_network_are_refused(tmp_path):
    save(build(GraphConfig(edge=(3,), node=(3,)), NAMES, 6, 4), tmp_path / "m")
    config = tmp_path / "m" / "config.json"
    config.write_text(config.read_text().replace('"radius": 0.14', '"radius": -1.0'))
    with pytest.raises(CheckpointError):
        load(tmp_path / "m")
