"""Sparsification that is asked for the impossible, interrupted, or diverges."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import sys

import numpy as np
import pytest
import torch

from sparsectl import dynamics
from sparsectl.config import from_dict
from sparsectl.data import Episodes
from sparsectl.dynamics import MLPConfig, TrainConfig
from sparsectl.dynamics.kinds import IDENTITY, count_relus, set_kinds
from sparsectl.dynamics.lower import lower
from sparsectl.errors import CheckpointError, ConfigError
from sparsectl.sparsify import SparsifyConfig, rounds, sparsify
from sparsectl.sparsify.family import read
from sparsectl.task import ObservationConfig, StateMap

TRAIN = TrainConfig(steps=10, batch_size=32, rollout_steps=2, check_every=10)
QUICK = SparsifyConfig(
    counts=(4, 2),
    hidden=(),
    lanes=False,
    learning_rate=6e-3,
    removal_steps=3,
    gate_steps=5,
    finetune_steps=10,
    stride=0.5,
)
MAP = StateMap(ObservationConfig({"x": "0:2"}), 2)


@pytest.fixture
def episodes() -> Episodes:
    rng = np.random.default_rng(0)
    observations = [rng.normal(size=(9, 2)) for _ in range(20)]
    actions = [rng.uniform(-1, 1, size=(8, 1)) for _ in range(20)]
    flags = [np.zeros(8, bool)] * 20
    return Episodes(observations, actions, [np.zeros(8)] * 20, flags, flags, np.arange(20))


@pytest.fixture
def model():
    return dynamics.build(MLPConfig((4, 4)), MAP.names, 2, 1).eval().requires_grad_(False)


def family(model, episodes, config=QUICK, **more):
    return sparsify(model, episodes, MAP, config, TRAIN, progress=False, **more)


def test_a_target_above_the_present_count_keeps_the_model_and_says_so(model, episodes, tmp_path):
    config = dataclasses.replace(QUICK, counts=(20, 8, 3))
    above, equal, below = family(model, episodes, config, run_dir=tmp_path).members
    assert (above.status, above.relus, above.steps) == ("unchanged", 8, 0)
    assert (equal.status, equal.relus) == ("unchanged", 8)
    assert (below.status, below.relus) == ("done", 3)
    same = dynamics.load(tmp_path / "20")[0].state_dict()
    assert all(torch.equal(same[k], v) for k, v in model.state_dict().items())


@pytest.mark.parametrize("selection", ["sensitivity", "gates"])
def test_an_affine_model_stays_what_it_is(model, episodes, tmp_path, selection):
    set_kinds(model, [torch.full((4,), IDENTITY)] * 2)
    config = dataclasses.replace(QUICK, counts=(2, 0), selection=selection)
    members = family(model, episodes, config, run_dir=tmp_path).members
    assert [(m.status, m.relus) for m in members] == [("unchanged", 0)] * 2
    assert lower(dynamics.load(tmp_path / "0")[0]).m == 0


@pytest.mark.parametrize("selection", ["sensitivity", "gates"])
def test_no_relus_at_all_is_an_affine_model(model, episodes, tmp_path, selection):
    config = dataclasses.replace(QUICK, counts=(0,), selection=selection)
    (member,) = family(model, episodes, config, run_dir=tmp_path).members
    assert (member.status, member.relus) == ("done", 0)
    assert lower(dynamics.load(tmp_path / "0")[0]).m == 0


def test_another_config_is_refused_unless_forced(model, episodes, tmp_path):
    family(model, episodes, run_dir=tmp_path)
    other = dataclasses.replace(QUICK, finetune_steps=11)
    with pytest.raises(ConfigError, match=r"sparsify\.finetune_steps \(10 -> 11\)"):
        family(model, episodes, other, run_dir=tmp_path)
    family(model, episodes, other, run_dir=tmp_path, force=True)
    assert read(tmp_path)[1]["sparsify"]["finetune_steps"] == 11
    with torch.no_grad():
        model.linears[0].bias += 1
    with pytest.raises(ConfigError, match="the dense model"):
        family(model, episodes, other, run_dir=tmp_path)


def test_a_killed_run_goes_on_after_its_last_whole_round(model, episodes, tmp_path):
    def die(network):
        if count_relus(network) == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return {}

    child = os.fork()
    if child == 0:
        family(model, episodes, run_dir=tmp_path, measure=die)
        os._exit(0)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    assert [m.target for m in read(tmp_path)[0].members] == [4]
    resumed, whole = family(model, episodes, run_dir=tmp_path), family(model, episodes)
    for one, other in zip(resumed.members, whole.members, strict=True):
        assert one.validation == other.validation


def test_a_damaged_record_is_named(model, episodes, tmp_path):
    (tmp_path / "family.json").write_text(json.dumps({"members": [{"count": 3}]}))
    with pytest.raises(CheckpointError, match=r"family\.json: not the record of a family"):
        family(model, episodes, run_dir=tmp_path)


def test_a_round_that_diverges_is_done_again_more_slowly(model, episodes, tmp_path, monkeypatch):
    real, rates = rounds.descend, []

    def unstable(parameters, batches, config, purpose, loss, **more):
        rates.append(config.learning_rate)
        if config.learning_rate > 0.005:
            return real(parameters, batches, config, purpose, lambda *a: loss(*a) / 0.0, **more)
        return real(parameters, batches, config, purpose, loss, **more)

    for module in (rounds, sys.modules["sparsectl.dynamics.fit"]):
        monkeypatch.setattr(module, "descend", unstable)
    first, second = family(model, episodes, run_dir=tmp_path).members
    assert (first.status, second.status) == ("retried", "retried")
    assert first.learning_rate == pytest.approx(QUICK.learning_rate / 3)
    assert (first.relus, second.relus) == (4, 2)


def test_a_round_that_never_works_is_stated_and_the_next_goes_on(
    model, episodes, tmp_path, monkeypatch
):
    real = rounds.descend

    def unstable(parameters, batches, config, purpose, loss, **more):
        factor = float("nan") if purpose.startswith("4 ReLUs") else 1.0
        return real(parameters, batches, config, purpose, lambda *a: loss(*a) * factor, **more)

    for module in (rounds, sys.modules["sparsectl.dynamics.fit"]):
        monkeypatch.setattr(module, "descend", unstable)
    first, second = family(model, episodes, run_dir=tmp_path).members
    assert (first.status, first.path) == ("diverged", None)
    assert not (tmp_path / "4").exists()
    assert (second.status, second.relus) == ("done", 2)
    assert family(model, episodes, run_dir=tmp_path).members == (first, second)


def test_a_budget_that_is_spent_before_fine_tuning_is_named(model, episodes):
    config = dataclasses.replace(QUICK, total_steps=(20, 6))
    with pytest.raises(ConfigError, match="6 for 2 ReLUs, but 6 steps come before"):
        family(model, episodes, config)


def test_an_ensemble_is_refused(episodes):
    several = dynamics.build(MLPConfig((4,), members=2), MAP.names, 2, 1)
    with pytest.raises(ConfigError, match="members: 1"):
        family(several, episodes)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"counts": []}, "falling"),
        ({"counts": [4, 4]}, "falling"),
        ({"counts": [3, -1]}, "falling"),
        ({"stride": 0.0}, "stride"),
        ({"start": 0.2}, "start"),
        ({"weight_sparsity": 1.0}, "weight_sparsity"),
        ({"counts": [4, 2], "total_steps": [9]}, "a number for each of"),
        ({"counts": [4], "total_steps": [9], "branch": False}, "only with `branch`"),
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"selection": "sensitivty"}, "did you mean 'sensitivity'"),
        ({"finetune_step": 3}, "did you mean 'finetune_steps'"),
        ({"mode_penalty": -1.0}, "mode_penalty"),
    ],
)
def test_wrong_settings_are_named(values, message):
    with pytest.raises(ConfigError, match=message):
        from_dict(SparsifyConfig, values)
