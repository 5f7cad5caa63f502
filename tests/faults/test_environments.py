"""Environments as people write them: shared buffers, odd rewards, options, ignored seeds."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping
from typing import Any
from unittest.mock import Mock

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces

from sparsectl import data, dynamics, environment, evaluate
from sparsectl.continual.deployed import DeployedDynamics
from sparsectl.continual.layers import Layers, NetworkConfig
from sparsectl.continual.stream import Scaling
from sparsectl.continual.streams.dynamics import DynamicsStream
from sparsectl.continual.streams.dynamics import dynamics as dynamics_stream
from sparsectl.control import Setup, Zero
from sparsectl.data import CollectConfig
from sparsectl.dynamics.lower import lower
from sparsectl.errors import ConfigError, DataError, Terminated
from sparsectl.evaluate import report, table
from sparsectl.evaluate.summary import summarise
from sparsectl.task import ObservationConfig, Task, TaskConfig

BOX = spaces.Box(-np.inf, np.inf, (2,), np.float64)


class Odd(gymnasium.Env):
    """A cart with one oddity."""

    told: Mapping[str, Any] = {}

    def __init__(self, oddity: str = "", render_mode=None):
        self.oddity = oddity
        self.observation_space = BOX
        self.action_space = spaces.Box(-1, 1, (1,), np.float32)
        self.buffer = np.zeros(2)
        if oddity == "lidar":
            self.observation_space = spaces.Box(-np.inf, np.inf, (3,), np.float64)
        if oddity == "integers":
            self.action_space = spaces.Box(-3, 3, (1,), np.int64)
        if oddity == "dict":
            parts = [("z", spaces.Box(-9, 9, (1,))), ("a", spaces.Box(-9, 9, (1,)))]
            self.observation_space = spaces.Dict(parts)
        if oddity in ("unbounded", "half", "largest", "mixed"):
            big = np.finfo(np.float32).max
            low, high = {
                "unbounded": (-np.inf, np.inf),
                "half": (0, np.inf),
                "largest": (-big, big),
                "mixed": ([-1, -np.inf], [1, np.inf]),
            }[oddity]
            shape = (2,) if oddity == "mixed" else (1,)
            low, high = np.broadcast_to(low, shape), np.broadcast_to(high, shape)
            self.action_space = spaces.Box(low.astype("f4"), high.astype("f4"))

    def see(self):
        if self.oddity == "buffer":
            self.buffer[:] = self.s
            return self.buffer
        if self.oddity == "lidar":
            return np.r_[self.s, np.inf]
        if self.oddity == "dict":  # the other way round than the space
            return {k: self.s[i : i + 1].astype("f4") for k, i in (("a", 1), ("z", 0))}
        return self.s[:1] if self.oddity == "short" else self.s.copy()

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        rng = np.random.default_rng() if self.oddity == "unseeded" else self.np_random
        self.s = rng.uniform(-1, 1, 2)
        if self.oddity == "options":
            self.s[0] = options["goal"]
        return self.see(), {}

    def step(self, action):
        assert not (self.oddity == "integers" and np.asarray(action).dtype.kind == "f")
        self.s = self.s + 0.1 * float(np.ravel(action)[0])
        if self.oddity == "noise":
            self.s = self.s + np.random.default_rng().normal(size=2)
        reward = {"array": np.ones(1), "pair": np.ones(2), "none": None}.get(self.oddity, 1.0)
        ended = np.array([False]) if self.oddity == "array" else np.bool_(False)
        info = {"error": np.abs(self.s[:1])} if self.oddity == "array" else self.told
        if self.oddity == "writes":
            action *= 0
        if self.oddity == "gym":  # as before Gymnasium: one end
            return self.see(), reward, False, info
        return self.see(), reward, ended, ended, info


@pytest.fixture(autouse=True)
def _registered() -> Iterator[None]:
    gymnasium.register(id="Odd-v0", entry_point=Odd, max_episode_steps=6)
    yield
    del gymnasium.registry["Odd-v0"]


def zero(oddity: str, state: str = "0:2") -> Zero:
    env = environment.make("Odd-v0", {"oddity": oddity})
    box = env.action_space
    config = TaskConfig(ObservationConfig({"s": state}))
    task = Task(config, env.observation_space.shape[0], box.low, box.high)
    model = dynamics.build(dynamics.MLPConfig(()), task.map.names, task.nx, task.nu)
    return Zero(Setup("zero", task, model, lower(model), 1))


def collected(oddity: str, **options) -> data.Episodes:
    config = CollectConfig(30, 6, "random")
    return data.collect(config, "Odd-v0", {"oddity": oddity}, **options)


def test_observations_that_share_a_buffer_are_kept_apart():
    env = environment.make("Odd-v0", {"oddity": "buffer"})
    first, _ = env.reset(seed=0)
    before = first.copy()
    env.step(np.ones(1))
    np.testing.assert_array_equal(first, before)
    seen = []
    evaluate.run_episode(
        "Odd-v0", {"oddity": "buffer"}, zero("buffer"), 0,
        on_decision=lambda t, o, m, p: seen.append(o),
    )  # fmt: skip
    assert len(seen) == 6


def test_a_reward_and_ends_in_arrays_of_one_entry_are_numbers():
    assert all(r.shape == (6,) for r in collected("array").rewards)
    row = evaluate.run_episode("Odd-v0", {"oddity": "array"}, zero("array"), 0)
    assert row["outcome"] == "finished"
    assert row["return"] == 6


@pytest.mark.parametrize("oddity", ["pair", "none"])
def test_a_reward_that_is_not_a_number_is_named(oddity):
    with pytest.raises(DataError, match=r"the reward of environment 'Odd-v0' is .*one number"):
        collected(oddity)


def test_an_observation_that_is_not_of_its_space_is_named():
    with pytest.raises(ConfigError, match=r"observation of shape \(1,\), its space is Box.*\(2,\)"):
        environment.make("Odd-v0", {"oddity": "short"}).reset(seed=0)


def test_what_an_environment_writes_into_an_action_is_not_what_was_done():
    """Trajectories, costs and the last action that rates count from were what it left there."""
    env = environment.make("Odd-v0", {"oddity": "writes"})
    env.reset(seed=0)
    action = np.ones(1, np.float32)
    env.step(action)
    assert action == 1


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("is_success", np.array([True, False]), "is array.*expected True or False"),
        ("is_success", np.nan, "is nan, expected True or False"),
        ("is_success", -1, "is -1, expected True or False"),
        ("error", np.nan, "is nan, expected one finite number"),
        ("error", np.inf, "is inf, expected one finite number"),
        ("error", "far", "is 'far', expected one finite number"),
        ("error", None, None),
    ],
)
def test_what_is_told_of_the_task_is_a_number_and_a_truth_or_named(name, value, told, monkeypatch):
    monkeypatch.setattr(Odd, "told", {name: value}, raising=False)
    if told is None:
        assert evaluate.run_episode("Odd-v0", {}, zero(""), 0)["outcome"] == "finished"
        return
    with pytest.raises(ConfigError, match=rf"info\['{name}'\] of environment 'Odd-v0' {told}"):
        evaluate.run_episode("Odd-v0", {}, zero(""), 0)


@pytest.mark.parametrize(
    "space",
    [spaces.Box(-1, 1, (0,)), spaces.Box(-1, 1, (2, 0)), spaces.MultiDiscrete(np.zeros(0, int))],
)
def test_an_action_without_entries_is_refused(space, monkeypatch):
    monkeypatch.setattr(Odd, "action_space", space, raising=False)
    monkeypatch.setattr(Odd, "__init__", lambda self: setattr(self, "observation_space", BOX))
    with pytest.raises(ConfigError, match=r"'Odd-v0' has action space .* no entry"):
        environment.make("Odd-v0")


def test_an_environment_that_changes_the_working_directory_does_not_move_the_run(
    monkeypatch, tmp_path
):
    class Wanders(Odd):
        def __init__(self):
            os.chdir(tmp_path)
            super().__init__()

        def step(self, action):
            os.chdir(tmp_path)
            return super().step(action)

    monkeypatch.setattr(sys.modules[__name__], "Wanders", Wanders, raising=False)
    here = os.getcwd()
    with environment.make(f"{__name__}:Wanders") as env:
        assert os.getcwd() == here
        env.reset(seed=0)
        env.step(np.zeros(1))
    assert os.getcwd() == here


def test_a_step_that_fails_says_whose_it_is():
    env = environment.make("Odd-v0", {"oddity": "gym"})
    env.reset(seed=0)
    with pytest.raises(ConfigError, match=r"'Odd-v0' fails in step.*got 4.*truncated and info"):
        env.step(np.zeros(1))


@pytest.mark.parametrize(
    ("ends", "raised"), [(SystemExit(3), ConfigError), (Terminated(), Terminated)]
)
def test_an_environment_that_exits_is_named_and_sigterm_is_not_its_doing(ends, raised, monkeypatch):
    env = environment.make("Odd-v0")
    env.reset(seed=0)
    monkeypatch.setattr(env.unwrapped, "see", Mock(side_effect=ends))
    with pytest.raises(raised, match="3"):
        env.step(np.zeros(1))


def test_options_of_reset_are_given_in_the_configuration_and_asked_for_where_missing():
    with pytest.raises(DataError, match=r"fails in reset\(.*options=None\).*reset_options"):
        collected("options")
    kwargs = {"oddity": "options", "reset_options": {"goal": 0.25}}
    found = data.collect(CollectConfig(30, 6, "random"), "Odd-v0", kwargs)
    assert {o[0, 0] for o in found.observations} == {0.25}
    with pytest.raises(ConfigError, match="reset_options is 3"):
        environment.make("Odd-v0", {"reset_options": 3})


def test_integer_actions_are_recorded_as_the_environment_got_them():
    actions = np.concatenate(collected("integers").actions)
    assert set(actions.ravel()) <= set(range(-3, 4))
    assert len(set(actions.ravel())) > 3


@pytest.mark.parametrize("oddity", ["unbounded", "half", "largest", "mixed"])
def test_unbounded_actions_are_drawn_from_the_box_that_is_planned_in(oddity):
    with pytest.raises(ConfigError, match=r"unbounded.*task\.action\.low"):
        collected(oddity)
    size = 2 if oddity == "mixed" else 1
    box = (np.full(size, 0.5), np.full(size, 0.75))
    actions = np.concatenate(collected(oddity, actions=box).actions)
    drawn = actions[:, -1]
    assert 0.5 <= drawn.min() < drawn.max() <= 0.75
    if oddity == "mixed":  # where the environment has bounds, its own box, as ever
        assert actions[:, 0].min() < 0


def test_an_entry_that_nothing_reads_may_be_infinite():
    found = collected("lidar", used=[0, 1])
    assert np.isinf(np.concatenate(found.observations)[:, 2]).all()
    with pytest.raises(DataError, match=r"observation 0 is not finite at entry 2 \(inf\)"):
        collected("lidar")
    row = evaluate.run_episode("Odd-v0", {"oddity": "lidar"}, zero("lidar"), 0)
    assert row["outcome"] == "finished"
    assert None not in row["errors"]
    blind = evaluate.run_episode("Odd-v0", {"oddity": "lidar"}, zero("lidar", "0:3"), 0)
    assert blind["outcome"] == "diverged"


def test_dict_observations_take_the_order_of_their_space():
    env = environment.make("Odd-v0", {"oddity": "dict"})
    observation, _ = env.reset(seed=3)
    np.testing.assert_array_equal(observation, env.unwrapped.s.astype("f4"))  # z, then a


class Spoken:
    """A policy of dicts, with Stable-Baselines3's interface."""

    observation_space = spaces.Dict({"a": spaces.Box(-9, 9, (1,)), "z": spaces.Box(-9, 9, (1,))})

    def predict(self, observation, state=None, episode_start=None, deterministic=False):
        assert set(observation) == {"a", "z"}
        return np.clip(-observation["z"], -1, 1), state


def test_a_policy_of_dicts_sees_dicts_and_another_space_is_named():
    row = evaluate.run_episode("Odd-v0", {"oddity": "dict"}, Spoken(), 0)
    assert row["outcome"] == "finished"
    with pytest.raises(ConfigError, match=r"policy expects observations of Dict.*Box"):
        evaluate.run_episode("Odd-v0", {}, Spoken(), 0)


@pytest.mark.parametrize(
    ("oddity", "told"),
    [
        ("", None),
        ("unseeded", r"not paired: .*ignores the seed: .*different starts"),
        ("noise", r"not paired: .*not deterministic: .*step 1 differs"),
    ],
)
def test_episodes_that_equal_seeds_do_not_repeat_are_not_called_paired(oddity, told, tmp_path):
    task = TaskConfig(ObservationConfig({"s": "0:2"}))
    model = dynamics.build(dynamics.MLPConfig(()), {"s": slice(0, 2)}, 2, 1)
    dynamics.save(model, tmp_path / "model", {"env_id": "Odd-v0"})
    found = evaluate.compare(
        tmp_path / "compare",
        env_id="Odd-v0",
        env_kwargs={"oddity": oddity},
        task=task,
        models={"affine": tmp_path / "model"},
        controllers={"zero": {}, "random": {}},
        horizon=1,
        config=evaluate.EvaluateConfig(episodes=2, engine="serial", clips=0, planned_states=0),
    )
    lines = summarise(found)
    page = report.write(tmp_path / "compare").read_text()
    said = " ".join(table.notes(found, lines))
    assert (lines[1]["improved"] is not None) == (told is None)
    assert ("paired episodes" in page) == (told is None)
    if told is None:
        assert "not paired" not in said
    else:
        assert re.search(told, said)
        assert "not paired" in page


def test_an_entry_that_a_stream_does_not_read_may_be_infinite(tmp_path):
    config = DynamicsStream(
        "cart", "Odd-v0", {"a": {"oddity": "lidar"}}, state="0:2",
        data=CollectConfig(60, 6, "random"),
    )  # fmt: skip
    for _ in range(2):  # recorded, then read again
        assert dynamics_stream(config, tmp_path).tasks[0].inputs.isfinite().all()


@pytest.mark.parametrize("offset", [0.0, 5e6])
def test_a_deployed_learner_predicts_far_from_zero_as_near_it(offset):
    std = torch.tensor([1.0, 1.0, 1.0], dtype=torch.float64)
    mean = torch.tensor([offset, 0.0, 0.0], dtype=torch.float64)
    scaling = Scaling(mean, std, torch.zeros(2).double(), std[:2])
    layers = Layers(NetworkConfig((5,), "relu"), 3, 2)
    weights = [torch.full(shape, 0.1) for shape in layers.shapes]
    model = DeployedDynamics(layers, weights, scaling)
    x = torch.tensor([[offset + 0.37, -0.5]], dtype=torch.float64)
    change = model(x, torch.zeros(1, 1).double()) - x
    exact = lower(model)(np.array([offset + 0.37, -0.5, 0.0])) - x.numpy()[0]
    np.testing.assert_allclose(change.numpy()[0], exact, atol=1e-6)
