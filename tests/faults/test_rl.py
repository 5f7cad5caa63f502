"""What reinforcement learning refuses, and how it ends when numbers blow up."""

import dataclasses
import sys
import tempfile

import numpy as np
import pytest
import torch

pytest.importorskip("stable_baselines3")

from sparsectl.circuits import Circuit, CircuitConfig, ZeroPolicy, body_of
from sparsectl.circuits.rl.config import DDPGConfig, PPOConfig, RLConfig, TD3Config
from sparsectl.circuits.rl.train import train_rl
from sparsectl.circuits.rollout.env_spec import EnvSpec, open_env
from sparsectl.config import from_dict, to_dict
from sparsectl.errors import CheckpointError, ConfigError, MissingExtra
from sparsectl.files import FileError

SWIM = EnvSpec("sparsectl/Swim-v0", {"links": 4})
PPO = PPOConfig(envs=2, segment=10, epochs=3, critic=(8,))
CONFIG = RLConfig(PPO, steps=40, eval_every=20, eval_episodes=2, episode_steps=10)


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


def circuit(spec=SWIM):
    env = open_env(spec)
    try:
        return Circuit(CircuitConfig(), body_of(env))
    finally:
        env.close()


def test_missing_library_names_the_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "stable_baselines3", None)
    with pytest.raises(MissingExtra, match=r"pip install sparsectl\[rl\]"):
        train_rl(circuit(), SWIM, CONFIG)


@pytest.mark.parametrize(
    ("kind", "wrong", "message"),
    [
        (PPOConfig, {"envs": 0}, "envs is 0, expected a whole number of at least 1"),
        (PPOConfig, {"segment": 1}, "segment is .*at least 2"),
        (PPOConfig, {"actor_rate": 0.0}, "actor_rate is .*above 0"),
        (PPOConfig, {"critic_rate": float("inf")}, "critic_rate is .*above 0"),
        (PPOConfig, {"discount": 1.0}, r"discount is 1.0, expected a number from 0 to below 1"),
        (PPOConfig, {"std": -0.1}, "std is .*above 0"),
        (PPOConfig, {"entropy": -1.0}, "entropy is .*at least 0"),
        (PPOConfig, {"critic": ()}, "critic is empty, expected at least one"),
        (DDPGConfig, {"critic": (0,)}, r"critic is \[0\], expected a whole number of at least 1"),
        (DDPGConfig, {"envs": 3}, "update_every must be a multiple of envs, got 50 and 3"),
        (DDPGConfig, {"target_rate": 1.5}, "target_rate is .*at most 1"),
        (TD3Config, {"buffer_size": 10}, "buffer_size must hold a batch of 100, got 10"),
        (TD3Config, {"noise": float("nan")}, "noise is nan, expected a number of at least 0"),
        (RLConfig, {"steps": 0}, "steps is .*at least 1"),
        (RLConfig, {"episode_steps": 0}, "episode_steps is .*at least 1"),
        (PPOConfig, {"reward_scale": 0.0}, "reward_scale is .*above 0"),
    ],
)
def test_settings_that_cannot_work(kind, wrong, message):
    with pytest.raises(ConfigError, match=message):
        kind(**wrong)


@pytest.mark.parametrize("algorithm", [PPO, TD3Config(), DDPGConfig()])
def test_settings_survive_plain_form(algorithm):
    config = dataclasses.replace(CONFIG, algorithm=algorithm)
    assert from_dict(RLConfig, to_dict(config)) == config


def test_unknown_algorithm():
    with pytest.raises(ConfigError, match="did you mean 'td3'"):
        from_dict(RLConfig, {"algorithm": {"kind": "td33"}})


def test_policy_without_parameters():
    env = open_env(SWIM)
    with pytest.raises(ConfigError, match="ZeroPolicy has no parameters"):
        train_rl(ZeroPolicy(body_of(env)), SWIM, CONFIG)


def test_policy_of_another_body():
    other = circuit(EnvSpec("sparsectl/Swim-v0", {"links": 6}))
    with pytest.raises(ConfigError, match="5 joints and observations of size 23"):
        train_rl(other, SWIM, CONFIG)


def test_changed_settings_are_refused_and_named_and_no_temporary_file_stays(tmp_path, monkeypatch):
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    train_rl(circuit(), SWIM, CONFIG, tmp_path / "run")
    assert not list((tmp_path / "temporary").glob("SB3*"))
    changed = dataclasses.replace(CONFIG, algorithm=dataclasses.replace(PPO, clip=0.3))
    with pytest.raises(ConfigError, match=r"train.algorithm.clip \(0.2 -> 0.3\)"):
        train_rl(circuit(), SWIM, changed, tmp_path / "run")
    assert train_rl(circuit(), SWIM, changed, tmp_path / "run", force=True).outcome == "finished"


def test_folder_of_something_else(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(FileError, match="is not overwritten"):
        train_rl(circuit(), SWIM, CONFIG, tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


def test_damaged_run(tmp_path):
    train_rl(circuit(), SWIM, CONFIG, tmp_path / "run")
    tensors = tmp_path / "run" / "training" / "model.safetensors"
    tensors.write_bytes(tensors.read_bytes()[:-8])
    with pytest.raises(CheckpointError, match="checksum differs"):
        train_rl(circuit(), SWIM, CONFIG, tmp_path / "run")


@pytest.mark.parametrize(
    "algorithm",
    [
        dataclasses.replace(PPO, critic_rate=1e36),
        TD3Config(
            envs=2,
            random_steps=4,
            learning_starts=25,
            update_every=10,
            updates=9,
            batch_size=8,
            critic=(8,),
            critic_rate=1e36,
        ),
    ],
    ids=["ppo", "td3"],
)
def test_numbers_that_blow_up_are_an_outcome(algorithm, tmp_path):
    config = dataclasses.replace(CONFIG, algorithm=algorithm)
    result = train_rl(circuit(), SWIM, config, tmp_path / "run")
    assert result.outcome == "diverged"
    assert "Lower actor_rate" in result.message
    assert all(bool(torch.isfinite(p).all()) for p in result.policy.parameters())
    assert result.curve[-1]["return_mean"] is None
    assert result.curve[-2]["steps"] == result.steps
    again = train_rl(circuit(), SWIM, config, tmp_path / "run")
    assert (again.outcome, again.already_done) == ("diverged", True)
    assert again.curve == result.curve


def test_non_finite_observation_is_an_outcome(monkeypatch):
    from sparsectl.circuits.rl import vector as rl_vector

    real = rl_vector.open_batch

    def broken(*args):
        batch = real(*args)
        step = batch.step
        batch.step = lambda actions: (step(actions)[0] * np.nan, np.zeros(len(actions)))
        return batch

    monkeypatch.setattr(rl_vector, "open_batch", broken)
    result = train_rl(circuit(), SWIM, CONFIG)
    assert result.outcome == "diverged"
    assert "non-finite observation" in result.message
