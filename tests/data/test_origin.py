"""Data of the environment that they are wanted for, or a refusal that names the difference."""

from __future__ import annotations

import json
from collections import OrderedDict

import gymnasium
import h5py
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.wrappers import (
    ClipAction,
    FrameStackObservation,
    NormalizeObservation,
    NormalizeReward,
    RecordEpisodeStatistics,
    RescaleAction,
    TimeAwareObservation,
)

from sparsectl import environment
from sparsectl.data import CollectConfig, collect, load_minari, save_minari
from sparsectl.errors import DataError, MissingExtra

ID = "InvertedPendulum-v5"


def record(env: gymnasium.Env, folder, name: str = "lab/x-v0", monkeypatch=None, keep=None):
    """A dataset as plain minari makes it; `keep` changes an episode's parts before they go in."""
    import minari
    from minari.data_collector import EpisodeBuffer

    buffers = []
    for seed in range(3):
        observation, _ = env.reset(seed=seed)
        env.action_space.seed(seed)
        rows, actions = [observation], []
        for _ in range(3):
            actions.append(env.action_space.sample())
            rows.append(env.step(actions[-1])[0])
        whole = (
            {k: np.stack([r[k] for r in rows]) for k in rows[0]}
            if isinstance(rows[0], dict)
            else np.stack(rows)
        )
        parts = {
            "observations": whole,
            "actions": np.stack(actions),
            "rewards": np.zeros(3),
            "terminations": np.zeros(3, bool),
            "truncations": np.arange(3) == 2,
        }
        parts = keep(seed, parts) if keep else parts
        buffers.append(EpisodeBuffer(id=seed, seed=seed, **parts))
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(folder))
    minari.create_dataset_from_buffers(name, buffers, env=env)


def load(folder, name: str = "lab/x-v0", env_id: str = ID, **kwargs):
    return load_minari(name, folder, env_id=env_id, env_kwargs=kwargs)


class Scaled(gymnasium.ObservationWrapper):
    """A wrapper of one's own that does not say how it was made."""

    def observation(self, observation):
        return 2 * observation


@pytest.mark.parametrize(
    ("wrap", "words"),
    [
        (lambda e: RescaleAction(e, -1.0, 1.0), "RescaleAction"),
        (NormalizeObservation, "NormalizeObservation"),
        (Scaled, "Scaled"),
        (ClipAction, "ClipAction"),
        (lambda e: FrameStackObservation(e, 2), "FrameStackObservation"),
        (TimeAwareObservation, "TimeAwareObservation"),
    ],
)
def test_data_through_wrappers_are_refused_with_their_names(wrap, words, tmp_path, monkeypatch):
    record(wrap(gymnasium.make(ID)), tmp_path, monkeypatch=monkeypatch)
    with pytest.raises(DataError, match=rf"not of the configured environment: .*({words})"):
        load(tmp_path)


def test_data_through_wrappers_that_change_no_transition_are_taken(tmp_path, monkeypatch):
    env = NormalizeReward(RecordEpisodeStatistics(gymnasium.make(ID)))
    record(env, tmp_path, monkeypatch=monkeypatch)
    assert len(load(tmp_path)) == 3


@pytest.mark.parametrize(
    ("made", "asked", "words"),
    [
        ({"frame_skip": 10}, {}, r"arguments .*frame_skip: 10, the config has 2"),
        ({}, {"frame_skip": 10}, r"frame_skip: 2, the config has 10"),
        ({"reset_noise_scale": 0.5}, {"reset_noise_scale": 0.1}, "reset_noise_scale: 0.5"),
    ],
)
def test_data_of_other_arguments_are_refused(made, asked, words, tmp_path, monkeypatch):
    record(gymnasium.make(ID, **made), tmp_path, monkeypatch=monkeypatch)
    with pytest.raises(DataError, match=words):
        load(tmp_path, **asked)


def test_an_argument_that_is_given_as_its_default_is_no_difference(tmp_path, monkeypatch):
    record(gymnasium.make(ID, frame_skip=2), tmp_path, monkeypatch=monkeypatch)
    assert len(load(tmp_path)) == 3


def test_data_of_another_environment_are_refused(tmp_path, monkeypatch):
    record(gymnasium.make(ID), tmp_path, monkeypatch=monkeypatch)
    with pytest.raises(DataError, match=r"recorded in 'InvertedPendulum-v5', the config says"):
        load(tmp_path, env_id="InvertedPendulum-v4")


def test_another_step_limit_is_a_warning_only(tmp_path, monkeypatch):
    record(gymnasium.make(ID, max_episode_steps=77), tmp_path, monkeypatch=monkeypatch)
    with pytest.warns(UserWarning, match=r"step limit of 77.*1000"):
        load(tmp_path)


def test_a_latency_that_no_dataset_tells_is_asked_about(tmp_path, monkeypatch):
    record(gymnasium.make(ID), tmp_path, monkeypatch=monkeypatch)
    with pytest.warns(UserWarning, match=r"make sure that it was recorded with delay: .*actions"):
        load(tmp_path, delay={"actions": 2})


def test_data_without_an_environment_must_at_least_have_its_spaces(tmp_path, monkeypatch):
    env = RescaleAction(gymnasium.make(ID), -1.0, 1.0)
    record(env, tmp_path, monkeypatch=monkeypatch)
    path = tmp_path / "lab/x-v0/data/metadata.json"
    metadata = json.loads(path.read_text())
    del metadata["env_spec"]
    path.write_text(json.dumps(metadata))
    with (
        pytest.warns(UserWarning, match="does not say which environment"),
        pytest.raises(DataError, match=r"action box is \[-1.0\] to \[1.0\].*\[-3.0\]"),
    ):
        load(tmp_path)


def test_our_own_data_are_taken_also_of_a_module(tmp_path):
    name = "gymnasium.envs.mujoco:InvertedPendulum-v5"
    made = collect(CollectConfig(20, 5, "random"), name, {"frame_skip": 3})
    save_minari(made, "lab/own-v0", tmp_path)
    back = load(tmp_path, "lab/own-v0", name, frame_skip=3)
    assert back.env_id == name
    with pytest.raises(DataError, match="frame_skip: 3"):
        load(tmp_path, "lab/own-v0", name)


class Keyed(gymnasium.Env):
    """A Dict observation whose space is not sorted: z before a."""

    def __init__(self, first: str = "z"):
        order = ["z", "a"] if first == "z" else ["a", "z"]
        sizes = {"z": 1, "a": 2}
        box = {k: spaces.Box(-9, 9, (sizes[k],), np.float64) for k in order}
        self.observation_space = spaces.Dict(OrderedDict(box))
        self.action_space = spaces.Box(-1, 1, (1,), np.float32)

    def see(self):
        return {"a": np.array([1.0, 2.0]), "z": np.array([26.0])}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self.see(), {}

    def step(self, action):
        return self.see(), 0.0, False, False, {}


def test_dict_entries_are_in_the_order_of_the_environment(tmp_path, monkeypatch):
    gymnasium.register(id="Keyed-v0", entry_point=Keyed)
    try:
        env = gymnasium.make("Keyed-v0")
        env.spec.entry_point = "keyed:Keyed"
        record(env, tmp_path, monkeypatch=monkeypatch)
        seen, _ = environment.make("Keyed-v0").reset(seed=0)
        np.testing.assert_array_equal(seen, [26, 1, 2])
        np.testing.assert_array_equal(load_minari("lab/x-v0", tmp_path).observations[0][0], seen)
        there = load(tmp_path, env_id="Keyed-v0")
        np.testing.assert_array_equal(there.observations[0][0], seen)
        # An environment that orders its parts otherwise now gets them in its own order.
        kwargs = {"first": "a"}
        metadata = tmp_path / "lab/x-v0/data/metadata.json"
        text = metadata.read_text()
        metadata.write_text(
            text.replace('\\"kwargs\\": {}', '\\"kwargs\\": {\\"first\\": \\"a\\"}')
        )
        other, _ = environment.make("Keyed-v0", kwargs).reset(seed=0)
        again = load(tmp_path, env_id="Keyed-v0", **kwargs)
        np.testing.assert_array_equal(again.observations[0][0], other)
    finally:
        del gymnasium.registry["Keyed-v0"]


def test_a_missing_reader_is_named_and_no_step_is_no_episode(tmp_path, monkeypatch):
    record(gymnasium.make(ID), tmp_path, monkeypatch=monkeypatch)
    with h5py.File(tmp_path / "lab/x-v0/data/main_data.hdf5", "a") as file:
        group = file["episode_1"]
        group.attrs["total_steps"] = 0
        for key in ("observations", "actions", "rewards", "terminations", "truncations"):
            kept = group[key][: int(key == "observations")]
            del group[key]
            group[key] = kept
    with pytest.warns(UserWarning, match="1 of 3 episodes have no step"):
        assert len(load(tmp_path)) == 2
    path = tmp_path / "lab/x-v0/data/metadata.json"
    path.write_text(path.read_text().replace('"hdf5"', '"arrow"'))
    with pytest.raises(MissingExtra, match="pyarrow"):
        load(tmp_path)


def test_rewards_of_one_entry_are_numbers(tmp_path, monkeypatch):
    shaped = lambda seed, parts: {**parts, "rewards": np.ones((3, 1))}  # noqa: E731
    record(gymnasium.make(ID), tmp_path, monkeypatch=monkeypatch, keep=shaped)
    assert [r.shape for r in load(tmp_path).rewards] == [(3,)] * 3


def test_actions_that_no_environment_took_as_they_are_are_told(tmp_path, monkeypatch):
    def unclipped(seed, parts):
        return {**parts, "actions": parts["actions"] * 10}

    record(gymnasium.make(ID), tmp_path, monkeypatch=monkeypatch, keep=unclipped)
    with pytest.warns(UserWarning, match=r"outside the box of .*: entry 0 is .* beyond -3 to 3"):
        load(tmp_path)


def test_episodes_that_were_glued_together_are_told(tmp_path, monkeypatch):
    def glued(seed, parts):
        return {**parts, "terminations": np.arange(3) == seed}

    record(gymnasium.make(ID), tmp_path, monkeypatch=monkeypatch, keep=glued)
    with pytest.warns(UserWarning, match="2 of 3 episodes go on after a step that ended them"):
        load(tmp_path)
