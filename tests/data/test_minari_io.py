"""Minari in and out."""

from __future__ import annotations

import os

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from sparsectl.data import (
    CollectConfig,
    Episodes,
    collect,
    dataset_id,
    list_datasets,
    load_minari,
    save_minari,
)
from sparsectl.errors import DataError

ID = "sparsectl/pusht/contact-v0"


@pytest.fixture(scope="module")
def recorded() -> Episodes:
    return collect(CollectConfig(60, 10), "sparsectl/PushT-v0", {"start": "easy"}, seed=2)


@pytest.fixture(autouse=True)
def _no_default_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "default"))


def test_what_is_saved_comes_back(recorded, tmp_path):
    save_minari(recorded, ID, tmp_path)
    back = load_minari(ID, tmp_path)
    for name in ("observations", "actions", "rewards", "terminations", "truncations"):
        for a, b in zip(getattr(back, name), getattr(recorded, name), strict=True):
            np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(back.seeds, recorded.seeds)
    assert (back.env_id, back.env_kwargs) == ("sparsectl/PushT-v0", {"start": "easy"})
    assert back.dataset_id == ID


def test_plain_minari_reads_it_and_recovers_the_environment(recorded, tmp_path, monkeypatch):
    import minari

    save_minari(recorded, ID, tmp_path, policy="contact")
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    assert list(minari.list_local_datasets()) == [ID]
    dataset = minari.load_dataset(ID)
    assert (dataset.total_episodes, dataset.total_steps) == (6, 60)
    np.testing.assert_array_equal(dataset[3].actions, recorded.actions[3])
    env = dataset.recover_environment()
    assert env.spec.kwargs["start"] == "easy"
    first, _ = env.reset(seed=1)
    assert env.observation_space.contains(first)


def test_the_process_environment_is_left_as_it_was(recorded, tmp_path, monkeypatch):
    save_minari(recorded, ID, tmp_path / "a")
    assert os.environ["MINARI_DATASETS_PATH"] == str(tmp_path / "default")
    monkeypatch.delenv("MINARI_DATASETS_PATH")
    save_minari(recorded, ID, tmp_path / "b")
    assert "MINARI_DATASETS_PATH" not in os.environ


def test_without_a_root_minaris_own_folder_is_used(recorded, tmp_path):
    save_minari(recorded, ID)
    assert (tmp_path / "default" / ID / "data" / "main_data.hdf5").is_file()
    assert list_datasets() == [ID]


def test_an_existing_dataset_is_replaced_only_when_asked(recorded, tmp_path):
    save_minari(recorded, ID, tmp_path)
    fewer = recorded.select([0])
    with pytest.raises(DataError, match=f"'{ID}' exists .* not overwritten"):
        save_minari(fewer, ID, tmp_path)
    assert len(load_minari(ID, tmp_path)) == 6
    save_minari(fewer, ID, tmp_path, overwrite=True)
    assert len(load_minari(ID, tmp_path)) == 1
    leftovers = [p.name for p in tmp_path.iterdir() if p.name.startswith(".")]
    assert not leftovers


def test_ids_follow_the_environment():
    assert dataset_id("sparsectl/PushT-v0", "contact") == ID
    assert dataset_id("Reacher-v5", "random") == "gymnasium/reacher/random-v5"
    assert dataset_id("my_package:lab/Arm-v2", "random") == "lab/arm/random-v2"
    assert dataset_id("my_package:Arm", "random") == "gymnasium/arm/random-v0"
    assert dataset_id("Arm.2", "random") == "gymnasium/arm_2/random-v0"


def test_datasets_of_others_with_dict_observations_are_flattened(tmp_path, monkeypatch):
    import minari
    from minari.data_collector import EpisodeBuffer

    rng = np.random.default_rng(0)
    b, a = rng.normal(size=(5, 2)), rng.normal(size=(5, 2, 2))
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    minari.create_dataset_from_buffers(
        "lab/arm-v0",
        [
            EpisodeBuffer(
                observations={"b": b, "a": a},
                actions=rng.normal(size=(4, 3)),
                rewards=np.zeros(4),
                terminations=np.array([False, False, False, True]),
                truncations=np.zeros(4, bool),
            )
        ],
        observation_space=spaces.Dict({"b": _box(2), "a": _box(2, 2)}),
        action_space=_box(3),
    )
    data = load_minari("lab/arm-v0")
    np.testing.assert_array_equal(
        data.observations[0], np.concatenate([a.reshape(5, 4), b], axis=1)
    )
    assert (data.env_id, list(data.seeds), data.action_size) == ("", [-1], 3)
    assert data.terminations[0][-1]


def _recorded_by_others(actions, space: spaces.Space) -> None:
    import minari
    from minari.data_collector import EpisodeBuffer

    flags = np.zeros(3, bool)
    buffer = EpisodeBuffer(
        observations=np.zeros((4, 4)), actions=actions, rewards=np.zeros(3),
        terminations=flags, truncations=flags,
    )  # fmt: skip
    minari.create_dataset_from_buffers(
        "lab/cart-v0", [buffer], observation_space=_box(4), action_space=space
    )


def test_discrete_actions_of_others_are_read_as_rows(tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    _recorded_by_others(np.array([0, 1, 1]), spaces.Discrete(2))
    data = load_minari("lab/cart-v0", env_id="CartPole-v1")
    assert [a.tolist() for a in data.actions] == [[[0.0], [1.0], [1.0]]]
    with pytest.raises(DataError, match=r"its actions are Discrete\(2\)"):
        load_minari("lab/cart-v0", env_id="InvertedPendulum-v5")


def test_actions_that_a_discrete_environment_does_not_have_are_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    _recorded_by_others(np.array([[0.0], [0.4], [1.0]]), spaces.Box(0, 1, (1,)))
    message = r"episode 0: action 1 is \[0.4.*\], which is none of Discrete\(2\)"
    with pytest.raises(DataError, match=message):
        load_minari("lab/cart-v0", env_id="CartPole-v1")


def test_actions_without_numbers_are_refused_with_their_space(tmp_path, monkeypatch):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    _recorded_by_others((np.zeros(3), np.zeros(3)), spaces.Tuple([spaces.Discrete(2)] * 2))
    with pytest.raises(DataError, match=r"Tuple\(Discrete.*expected a Box, Discrete"):
        load_minari("lab/cart-v0")


class Wheels(gymnasium.Env):
    """Adds up what it is given, of a space of whole numbers."""

    def __init__(self, space: spaces.Space | None = None) -> None:
        self.action_space = space or spaces.MultiDiscrete([3, 2], start=[-1, 4])
        self.observation_space = _box(1)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.total = np.zeros(1)
        return self.total.copy(), {}

    def step(self, action):
        assert self.action_space.contains(action), action
        self.total = self.total + np.sum(action)
        return self.total.copy(), 0.0, False, False, {}


@pytest.mark.parametrize(
    "space",
    [
        spaces.Discrete(3, start=-1),
        spaces.MultiDiscrete([3, 2], start=[-1, 4]),
        spaces.MultiBinary((2, 2)),
        spaces.Box(-3, 3, (1, 2), np.int64),
    ],
)
def test_whole_numbers_are_recorded_as_executed_and_stored_as_the_environments_own(tmp_path, space):
    import minari

    gymnasium.register(id="lab/Wheels-v0", entry_point=Wheels)
    try:
        data = collect(CollectConfig(60, 20, correlation=0.5), "lab/Wheels-v0", {"space": space})
        for seen, actions in zip(data.observations, data.actions, strict=True):
            np.testing.assert_array_equal(np.diff(seen[:, 0]), actions.sum(axis=1))
        save_minari(data, "lab/wheels-v0", tmp_path)
        back = load_minari(
            "lab/wheels-v0", tmp_path, env_id="lab/Wheels-v0", env_kwargs={"space": space}
        )
    finally:
        del gymnasium.registry["lab/Wheels-v0"]
    for a, b in zip(data.actions, back.actions, strict=True):
        np.testing.assert_array_equal(a, b)
    os.environ["MINARI_DATASETS_PATH"] = str(tmp_path)
    try:
        stored = minari.load_dataset("lab/wheels-v0")
    finally:
        del os.environ["MINARI_DATASETS_PATH"]
    assert stored.action_space == space
    assert all(space.contains(a) for e in stored.iterate_episodes() for a in e.actions)


def test_environments_registered_by_class_with_dict_observations_are_stored(tmp_path):
    class Parts(gymnasium.Env):
        observation_space = spaces.Dict({"x": _box(2), "y": _box(1)})
        action_space = _box(1)

        def reset(self, *, seed=None, options=None):
            super().reset(seed=seed)
            return {"x": np.zeros(2), "y": np.ones(1)}, {}

        def step(self, action):
            return {"x": np.zeros(2), "y": np.ones(1)}, 0.0, False, False, {}

    gymnasium.register(id="lab/Parts-v0", entry_point=Parts)
    try:
        data = collect(CollectConfig(4, 2), "lab/Parts-v0")
        save_minari(data, "lab/parts-v0", tmp_path)
    finally:
        del gymnasium.registry["lab/Parts-v0"]
    back = load_minari("lab/parts-v0", tmp_path)
    assert back.env_id == "lab/Parts-v0"
    np.testing.assert_array_equal(back.observations[0][0], [0, 0, 1])


def _box(*shape: int) -> spaces.Box:
    return spaces.Box(-10, 10, shape, np.float64)
