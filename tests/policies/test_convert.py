"""Policies of Stable-Baselines3's zips: the same actions, and nothing in them is run."""

from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path

import cli_runs
import gymnasium
import numpy as np
import pytest
import torch

pytest.importorskip("stable_baselines3")

import stable_baselines3 as sb3

from sparsectl import cli
from sparsectl.errors import CheckpointError, ConfigError
from sparsectl.policies import checkpoint
from sparsectl.policies.convert import convert
from sparsectl.policies.network import NetworkPolicy

LOW, HIGH = np.array([-2.0, 0.5], np.float32), np.array([1.0, 3.0], np.float32)


class Own(gymnasium.Env):
    """Three numbers seen, two done."""

    observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (3,))
    action_space = gymnasium.spaces.Box(LOW, HIGH)

    def reset(self, *, seed=None, options=None):
        return np.zeros(3, np.float32), {}

    def step(self, action):
        return np.zeros(3, np.float32), 0.0, False, False, {}


def saved(name: str, path: Path, **kwargs):
    shape = {"net_arch": [8, 6], **kwargs}
    model = getattr(sb3, name)("MlpPolicy", Own(), policy_kwargs=shape, device="cpu", seed=0)
    with torch.no_grad():  # actions beyond the box too
        for key, parameter in model.policy.named_parameters():
            parameter.mul_(100.0 if key.startswith("action_net") else 1.5)
    model.save(path)
    return model


@pytest.mark.parametrize(
    ("name", "kwargs", "activation", "output"),
    [
        ("PPO", {}, "tanh", "clip"),
        ("PPO", {"activation_fn": torch.nn.ReLU}, "relu", "clip"),
        ("A2C", {"net_arch": {"pi": [5], "vf": [4]}}, "tanh", "clip"),
        ("SAC", {}, "relu", "tanh"),
        ("TD3", {}, "relu", "tanh"),
        ("DDPG", {"activation_fn": torch.nn.Tanh}, "tanh", "tanh"),
    ],
)
def test_a_converted_policy_acts_as_the_original(tmp_path, name, kwargs, activation, output):
    model = saved(name, tmp_path / "model.zip", **kwargs)
    network, facts = convert(tmp_path / "model.zip", LOW, HIGH)
    assert (network.config.activation, network.config.output) == (activation, output)
    assert name in facts["made_by"]
    seen = 3 * np.random.default_rng(0).normal(size=(200, 3)).astype(np.float32)
    expected = model.predict(seen, deterministic=True)[0]
    assert (expected.max(0) > expected.min(0) + 0.1).all()
    np.testing.assert_allclose(NetworkPolicy(network)(seen), expected, atol=1e-5)


class Evil:
    """What writes a file where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (Path.write_text, (self.path, "run"))


def test_a_zip_with_code_is_refused_and_the_code_is_not_run(tmp_path):
    saved("PPO", tmp_path / "good.zip")
    mark = tmp_path / "mark"
    for name in ("policy.pth", "policy.optimizer.pth"):
        with zipfile.ZipFile(tmp_path / "good.zip") as good:
            parts = {n: good.read(n) for n in good.namelist()}
        file = io.BytesIO()
        torch.save({"action_net.weight": Evil(mark)}, file)
        parts[name] = file.getvalue()
        with zipfile.ZipFile(tmp_path / "evil.zip", "w") as evil:
            for part, data in parts.items():
                evil.writestr(part, data)
        with pytest.raises(CheckpointError, match="it might be code") as refused:
            convert(tmp_path / "evil.zip", LOW, HIGH)
        assert "weights_only" not in str(refused.value)  # which is advice on how to run the code
    assert not mark.exists()
    torch.load(file.seek(0) or file, weights_only=False)
    assert mark.read_text() == "run"


def test_pickled_settings_are_not_opened(tmp_path, monkeypatch):
    saved("PPO", tmp_path / "good.zip")
    monkeypatch.setattr("cloudpickle.loads", pickle.UnpicklingError)  # not callable without notice
    monkeypatch.setattr(
        "stable_baselines3.common.save_util.json_to_data",
        lambda *_, **__: pytest.fail("settings were opened"),
    )
    convert(tmp_path / "good.zip", LOW, HIGH)


def test_what_is_no_such_policy_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="no zip of Stable-Baselines3 at"):
        convert(tmp_path / "nothing.zip", LOW, HIGH)
    (tmp_path / "text.zip").write_text("text")
    with pytest.raises(CheckpointError, match="is no zip"):
        convert(tmp_path / "text.zip", LOW, HIGH)
    with zipfile.ZipFile(tmp_path / "empty.zip", "w") as empty:
        empty.writestr("data", "{}")
    with pytest.raises(CheckpointError, match=r"expected a policy\.pth"):
        convert(tmp_path / "empty.zip", LOW, HIGH)
    saved("PPO", tmp_path / "elu.zip", activation_fn=torch.nn.ELU)
    with pytest.raises(ConfigError, match="expected ReLU or Tanh"):
        convert(tmp_path / "elu.zip", LOW, HIGH)
    saved("PPO", tmp_path / "good.zip")
    with pytest.raises(ConfigError, match="gives actions of 2 numbers, expected 1"):
        convert(tmp_path / "good.zip", LOW[:1], HIGH[:1])


def test_a_policy_of_pictures_is_refused(tmp_path, monkeypatch):
    """Stable-Baselines3 divides them by 255 and moves their last axis, without a layer for it."""
    picture = gymnasium.spaces.Box(0, 255, (6, 8, 3), np.uint8)
    monkeypatch.setattr(Own, "observation_space", picture)
    saved("PPO", tmp_path / "model.zip")
    with pytest.raises(ConfigError, match="acts on pictures"):
        convert(tmp_path / "model.zip", LOW, HIGH)


def test_a_policy_for_another_action_box_is_refused(tmp_path):
    model = sb3.PPO("MlpPolicy", gymnasium.make("Pendulum-v1"), device="cpu")
    model.save(tmp_path / "model.zip")
    with pytest.raises(ConfigError, match=r"low \[-2.0\], the environment has"):
        convert(tmp_path / "model.zip", np.array([-1.0]), np.array([1.0]))


def test_the_command_writes_a_checkpoint_once(tmp_path, monkeypatch, capsys):
    cli_runs.home(monkeypatch, tmp_path, cli_runs.config("{}"))
    env = gymnasium.make("sparsectl/PiecewiseAffine-v0")
    sb3.PPO("MlpPolicy", env, device="cpu", policy_kwargs={"net_arch": [4]}).save("model.zip")
    words = ["policy", "convert", "model.zip", "--config", "tiny.yaml", "--out", "made"]
    assert cli.main(words) == 0
    assert checkpoint.load("made")[1]["env_id"] == "sparsectl/PiecewiseAffine-v0"
    assert cli.main(words) == 2
    assert "is there already" in capsys.readouterr().err
    assert cli.main(["policy", "convert", "model.zip", "--config", "cartpole", "--out", "b"]) == 2
    assert "takes observations of" in capsys.readouterr().err
    assert not Path("b").exists()
