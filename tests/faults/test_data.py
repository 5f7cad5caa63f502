"""Bad data: non-finite, empty, damaged, unknown, of another shape."""

from __future__ import annotations

import errno
import fcntl
import json
import os

import gymnasium
import h5py
import numpy as np
import pytest

from sparsectl.data import CollectConfig, Episodes, collect, load_minari, save_minari
from sparsectl.errors import DataError
from sparsectl.files import workplace

SPACE = gymnasium.spaces.Box(-1, 1, (2,), np.float64)


class Poisoned(gymnasium.Env):
    """Observations turn NaN at a step."""

    observation_space = SPACE
    action_space = gymnasium.spaces.Box(-1, 1, (1,), np.float32)

    def __init__(self, at: int = 3) -> None:
        self.at = at

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.t = 0
        return np.zeros(2), {}

    def step(self, action):
        self.t += 1
        return np.full(2, np.nan if self.t == self.at else 0.0), 0.0, False, False, {}


@pytest.fixture(autouse=True)
def _registered():
    gymnasium.register(id="Poisoned-v0", entry_point=Poisoned)
    yield
    del gymnasium.registry["Poisoned-v0"]


def one(observations, actions, **changes) -> Episodes:
    steps = len(actions)
    parts = {
        "observations": [np.asarray(observations, float)],
        "actions": [np.asarray(actions, float)],
        "rewards": [np.zeros(steps)],
        "terminations": [np.zeros(steps, bool)],
        "truncations": [np.zeros(steps, bool)],
        "seeds": np.zeros(1, int),
    }
    return Episodes(**{**parts, **changes})


def test_a_diverging_simulation_stops_the_recording_naming_step_and_seed():
    with pytest.raises(DataError, match=r"seed \d+: observation 3 is not finite"):
        collect(CollectConfig(20, 10), "Poisoned-v0")


def test_a_broken_policy_stops_the_recording():
    with pytest.raises(DataError, match=r"action 0 is not finite at entry 0 .*the policy"):
        collect(CollectConfig(20, 10), "Reacher-v5", policy=lambda o, r: np.array([np.inf, 0.0]))


@pytest.mark.parametrize("where", ["observations", "actions"])
def test_non_finite_arrays_are_refused_with_their_place(where):
    values = {"observations": np.zeros((4, 2)), "actions": np.zeros((3, 2))}
    values[where][2, 1] = np.nan
    with pytest.raises(DataError, match=rf"episode 0: {where[:-1]} 2 is not finite at entry 1"):
        one(**values)


def test_no_episode_and_an_empty_episode_are_refused():
    with pytest.raises(DataError, match="no episode"):
        Episodes([], [], [], [], [], np.zeros(0))
    with pytest.raises(DataError, match="at least one step"):
        one(np.zeros((1, 2)), np.zeros((0, 1)))


def test_lengths_that_do_not_fit_are_refused():
    with pytest.raises(DataError, match=r"\(4, 2\) and actions of shape \(4, 1\)"):
        one(np.zeros((4, 2)), np.zeros((4, 1)))
    with pytest.raises(DataError, match="flags"):
        one(np.zeros((4, 2)), np.zeros((3, 1)), rewards=[np.zeros(2)])


@pytest.fixture
def stored(tmp_path):
    data = collect(CollectConfig(8, 4), "Reacher-v5")
    save_minari(data, "gymnasium/reacher/random-v5", tmp_path)
    return tmp_path


def test_an_unknown_dataset_is_answered_with_the_nearest(stored):
    with pytest.raises(DataError, match="did you mean 'gymnasium/reacher/random-v5'"):
        load_minari("gymnasium/reachr/random-v5", stored)


@pytest.mark.parametrize("name", ["../../etc-v0", "no version", "a/../b-v0", ""])
def test_an_id_that_is_no_id_cannot_leave_the_folder(stored, name):
    with pytest.raises(DataError, match="no dataset id"):
        load_minari(name, stored)


def test_a_truncated_file_is_damaged_not_half_read(stored):
    path = stored / "gymnasium/reacher/random-v5/data/main_data.hdf5"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DataError, match="damaged"):
        load_minari("gymnasium/reacher/random-v5", stored)


@pytest.mark.parametrize(
    ("name", "values", "told"),
    [
        ("observations", np.array([b"ab"] * 5), r"values of type \|S2"),
        ("observations", np.ones((5, 10), complex), "values of type complex128"),
        ("observations", np.float64(3), r"values of shape \(\)"),
        ("observations", np.ones((5, 3)), r"values of shape \(5, 3\)"),
        ("actions", np.array([b"ab"] * 4), r"values of type \|S2"),
        ("rewards", np.array([b"ab"] * 4), r"values of type \|S2"),
    ],
)
def test_values_that_are_no_numbers_or_of_another_shape_are_named(stored, name, values, told):
    with h5py.File(stored / "gymnasium/reacher/random-v5/data/main_data.hdf5", "a") as file:
        del file[f"episode_0/{name}"]
        file[f"episode_0/{name}"] = values
    with pytest.raises(DataError, match=f"'gymnasium/reacher/random-v5' .*{told}"):
        load_minari("gymnasium/reacher/random-v5", stored)


def test_a_space_of_an_unknown_kind_is_named(stored):
    path = stored / "gymnasium/reacher/random-v5/data/metadata.json"
    metadata = json.loads(path.read_text())
    metadata["observation_space"] = json.dumps({"type": "Graph"})
    path.write_text(json.dumps(metadata))
    with pytest.raises(DataError, match=r"damaged: unknown type 'Graph' \(known: Box"):
        load_minari("gymnasium/reacher/random-v5", stored)


def test_damaged_metadata_is_named(stored):
    (stored / "gymnasium/reacher/random-v5/data/metadata.json").write_text("{")
    with pytest.raises(DataError, match=r"metadata\.json"):
        load_minari("gymnasium/reacher/random-v5", stored)


def test_a_dataset_without_spaces_never_builds_the_environment_it_names(stored):
    path = stored / "gymnasium/reacher/random-v5/data/metadata.json"
    metadata = json.loads(path.read_text())
    del metadata["observation_space"]
    metadata["env_spec"] = metadata["env_spec"].replace("gymnasium.envs", "antigravity")
    path.write_text(json.dumps(metadata))
    with pytest.raises(DataError, match="the spaces are missing"):
        load_minari("gymnasium/reacher/random-v5", stored)


def test_what_a_killed_writer_left_is_removed_and_what_one_at_work_has_stays(tmp_path):
    (tmp_path / ".writing-killed").mkdir()
    with workplace(tmp_path) as here:
        (here / "half").touch()
        data = one(np.zeros((3, 10)), np.zeros((2, 2)), env_id="Reacher-v5")
        save_minari(data, "lab/x-v0", tmp_path)
        assert [p.name for p in tmp_path.glob(".writing-*")] == [here.name]
    assert not list(tmp_path.glob(".writing-*"))


def test_a_file_system_without_locks_takes_data_too(tmp_path, monkeypatch):
    def no_locks(*_):
        raise OSError(errno.ENOLCK, "no locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    (tmp_path / ".writing-others").mkdir()
    with workplace(tmp_path) as here:
        assert here.is_dir()
    assert [p.name for p in tmp_path.iterdir()] == [".writing-others"]


def test_a_write_that_fails_leaves_no_dataset(tmp_path, monkeypatch):
    import minari

    data = collect(CollectConfig(8, 4), "Reacher-v5")

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(minari, "create_dataset_from_buffers", full)
    with pytest.raises(DataError, match="No space left"):
        save_minari(data, "lab/x-v0", tmp_path)
    assert not list(tmp_path.iterdir())
    assert "writing" not in os.environ.get("MINARI_DATASETS_PATH", "")


def test_a_file_in_the_way_is_a_data_error(tmp_path):
    (tmp_path / "root").write_text("")
    data = one(np.zeros((3, 10)), np.zeros((2, 2)), env_id="Reacher-v5")
    with pytest.raises(DataError, match="cannot write dataset"):
        save_minari(data, "lab/x-v0", tmp_path / "root")
