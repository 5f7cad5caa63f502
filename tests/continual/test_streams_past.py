"""The last transitions as inputs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

import sparsectl  # noqa: F401
from sparsectl.config import from_dict
from sparsectl.continual.streams import DynamicsStream, build
from sparsectl.continual.streams.past import complete, past
from sparsectl.data import CollectConfig
from sparsectl.errors import ConfigError

SWIM = DynamicsStream(
    name="fluids",
    env="sparsectl/Swim-v0",
    bodies={"normal": {}, "light": {"density": 500.0}},
    state="0:8",
    data=CollectConfig(transitions=200, episode_steps=20),
)


def test_rows_are_the_steps_before():
    x = np.array([[0.0], [1.0], [3.0], [6.0]])
    u = np.array([[10.0], [20.0], [30.0]])
    expected = [[0, 0, 0, 0], [1, 10, 0, 0], [2, 20, 1, 10]]
    np.testing.assert_array_equal(past(x, u, 2), expected)
    assert past(x, u, 0).shape == (3, 0)
    assert past(x, u, 5).shape == (3, 10)


def test_a_step_needs_all_of_those_before_it():
    kept = np.array([True, True, True, False, True, True, True])
    np.testing.assert_array_equal(complete(kept, 0), kept)
    np.testing.assert_array_equal(complete(kept, 2), [0, 0, 1, 0, 0, 0, 1])
    assert not complete(np.array([True, True]), 5).any()


def test_a_stream_with_history_has_the_same_targets_and_past_ones_as_inputs():
    plain, long = build(SWIM), build(replace(SWIM, history=2))
    nx, n = plain.n_out, plain.n_in
    assert long.n_in == 3 * n
    for a, b in zip(plain.tasks, long.tasks, strict=True):
        kept = torch.arange(len(a.inputs)) % 20 >= 2
        rows = kept.nonzero()[:, 0]
        inputs, changes = units(plain, a.inputs, a.targets)
        again, same = units(long, b.inputs[:, :n], b.targets)
        close(again, inputs[kept])
        close(same, changes[kept])
        for i in (1, 2):
            before = b.inputs[:, i * n : (i + 1) * n]
            close(
                before[:, :nx] * long.scaling.output_std + long.scaling.output_mean,
                changes[rows - i],
            )
            close(
                before[:, nx:] * long.scaling.input_std[nx:] + long.scaling.input_mean[nx:],
                inputs[rows - i, nx:],
            )


def units(stream, inputs, changes):
    """Physical units."""
    s = stream.scaling
    return inputs * s.input_std + s.input_mean, changes * s.output_std + s.output_mean


def close(a, b):
    torch.testing.assert_close(a.double(), b.double(), rtol=1e-4, atol=1e-5)


def test_a_negative_history_is_refused():
    with pytest.raises(ConfigError, match="history is -1"):
        from_dict(DynamicsStream, {"name": "a", "env": "b", "bodies": {"c": {}}, "history": -1})
