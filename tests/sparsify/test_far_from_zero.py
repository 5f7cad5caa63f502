"""Models of 64 bits, which states far from 0 need, can be sparsified like any other."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sparsectl.data import Episodes
from sparsectl.dynamics import MLPConfig, TrainConfig, build, load, train
from sparsectl.dynamics.lower import lower
from sparsectl.sparsify import SparsifyConfig, baselines, sparsify
from sparsectl.task import ObservationConfig, StateMap

MAP = StateMap(ObservationConfig({"x": "0:2"}), 2)
TRAIN = TrainConfig(steps=60, check_every=20, batch_size=32, rollout_steps=2)


@pytest.fixture(scope="module")
def far():
    """A point that is pushed, 5e6 from 0, and a dense model of it."""
    rng, observations, actions = np.random.default_rng(0), [], []
    for _ in range(12):
        u = rng.uniform(-1, 1, size=(15, 2))
        x = np.vstack([rng.normal(size=2), np.maximum(u, 0) * 0.3 - 0.1]).cumsum(0)
        observations.append(x + 5e6)
        actions.append(u)
    flags = [np.zeros(15, bool)] * 12
    data = Episodes(observations, actions, [np.zeros(15)] * 12, flags, flags, np.arange(12))
    model = build(MLPConfig((8, 6)), MAP.names, 2, 2)
    return data, train(model, data, MAP, TRAIN, progress=False)


def agrees(model, data) -> bool:
    """The program is the model at the data."""
    x, u = data.observations[0][:-1], data.actions[0]
    with torch.no_grad():
        expected = model(torch.from_numpy(x), torch.from_numpy(u)).double().numpy()
    return bool(np.abs(lower(model)(np.hstack([x, u])) - expected).max() < 1e-6)


@pytest.mark.parametrize("method", ["magnitude", "frequency", "snl", "one_shot", "scratch"])
def test_every_baseline(far, method):
    data, trained = far
    budget = baselines.Budget(TRAIN, 140, 60)
    member = getattr(baselines, method)(trained.dynamics, data, MAP, 4, budget, 0)
    assert next(member.model.parameters()).dtype == torch.float64
    assert agrees(member.model, data)


@pytest.mark.parametrize("selection", ["sensitivity", "gates"])
@pytest.mark.parametrize("hidden", [(), (6, 6)])
def test_a_family(far, tmp_path, selection, hidden):
    data, trained = far
    config = SparsifyConfig(
        counts=(4,), hidden=hidden, initial_steps=20, removal_steps=5, gate_steps=20,
        finetune_steps=20, selection=selection, teacher=0.5, mode_penalty=0.1,
    )  # fmt: skip
    family = sparsify(trained.dynamics, data, MAP, config, TRAIN, run_dir=tmp_path, progress=False)
    assert family.members[0].relus == 4
    assert agrees(load(tmp_path / "4")[0], data)
