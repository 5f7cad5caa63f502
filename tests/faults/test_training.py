"""Training that meets NaNs, constant features, too little data."""

from __future__ import annotations

import dataclasses
import sys

import numpy as np
import pytest
import torch

from sparsectl import checkpoint
from sparsectl.data import Episodes
from sparsectl.dynamics import MLPConfig, TrainConfig, build, evaluate_model, train
from sparsectl.errors import DataError, TrainingDiverged
from sparsectl.task import ObservationConfig, StateMap

MAP = StateMap(ObservationConfig({"x": "0:2"}), 2)
CONFIG = TrainConfig(steps=40, check_every=10, batch_size=8, rollout_steps=3)


def data(lengths=(6,) * 12, scale=(1.0, 1.0)) -> Episodes:
    rng = np.random.default_rng(0)
    observations = [rng.normal(size=(t + 1, 2)).cumsum(0) * scale for t in lengths]
    flags = [np.zeros(t, bool) for t in lengths]
    actions = [rng.normal(size=(t, 1)) for t in lengths]
    return Episodes(
        observations, actions, [np.zeros(t) for t in lengths], flags, flags, np.arange(len(lengths))
    )


def model():
    return build(MLPConfig((4,)), MAP.names, 2, 1)


def poison(monkeypatch, at: int) -> None:
    """The loss is NaN at one step."""
    module = sys.modules["sparsectl.dynamics.train"]
    real, calls = module.window_loss, iter(range(10**6))

    def loss(*args, **kwargs):
        value = real(*args, **kwargs)
        return value * float("nan") if next(calls) == at else value

    monkeypatch.setattr(module, "window_loss", loss)


def test_a_nan_loss_stops_training_and_keeps_the_last_good_checkpoint(tmp_path, monkeypatch):
    poison(monkeypatch, at=25)
    network = model()
    message = r"loss of member 0 became non-finite at step 25; lower .* kept in '.*training'"
    with pytest.raises(TrainingDiverged, match=message):
        train(network, data(), MAP, CONFIG, run_dir=tmp_path)
    stored = checkpoint.load_tensors(tmp_path / "training")
    assert stored.config["state"]["step"] == 20
    assert all(torch.isfinite(p).all() for p in network.parameters())
    monkeypatch.undo()
    resumed = train(model(), data(), MAP, CONFIG, run_dir=tmp_path)
    assert resumed.resumed_from == 20


def test_a_nan_before_the_first_check_says_that_nothing_was_kept(monkeypatch):
    poison(monkeypatch, at=3)
    with pytest.raises(TrainingDiverged, match=r"step 3; .* before the first check"):
        train(model(), data(), MAP, CONFIG)


def test_an_exploding_gradient_is_an_error_of_its_own():
    network, wild = model(), dataclasses.replace(CONFIG, learning_rate=1e18, grad_clip=None)
    with pytest.raises(TrainingDiverged, match=r"(loss|gradient|validation error) of member 0"):
        train(network, data(), MAP, wild)


def test_a_constant_feature_is_warned_about_and_trained_with():
    with pytest.warns(UserWarning, match=r"1 of 2 entries of the state change are constant"):
        result = train(model(), data(scale=(1.0, 0.0)), MAP, CONFIG)
    assert np.isfinite(result.validation)
    state = torch.zeros(1, 2)
    assert torch.isfinite(result.dynamics(state, torch.ones(1, 1))).all()


def test_one_episode_cannot_be_split():
    with pytest.raises(DataError, match="collect at least 2"):
        train(model(), data((6,)), MAP, CONFIG)


def test_one_step_episodes_are_enough():
    result = train(model(), data((1,) * 12), MAP, CONFIG)
    assert np.isfinite(result.validation)
    errors = evaluate_model(result.dynamics, data((1,) * 5), MAP)
    assert [row.k for row in errors.rows] == [1]


def test_short_episodes_beside_long_ones_count_by_their_own_length():
    result = train(model(), data((1, 6, 2, 8, 1, 5)), MAP, CONFIG)
    assert np.isfinite(result.validation)


def test_a_batch_larger_than_the_data_is_all_of_the_data():
    result = train(model(), data((4, 4)), MAP, dataclasses.replace(CONFIG, batch_size=10_000))
    assert np.isfinite(result.validation)


def test_an_unreadable_training_checkpoint_is_an_error_not_a_fresh_start(tmp_path):
    from sparsectl.errors import CheckpointError

    train(model(), data(), MAP, CONFIG, run_dir=tmp_path)
    (tmp_path / "training" / "model.safetensors").write_bytes(b"")
    with pytest.raises(CheckpointError, match=r"model\.safetensors: the checksum differs"):
        train(model(), data(), MAP, CONFIG, run_dir=tmp_path)
    train(model(), data(), MAP, CONFIG, run_dir=tmp_path, force=True)
