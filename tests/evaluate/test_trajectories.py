"""What was seen and done: one file a folder, whole after any kill, of the rows that count."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from players import Direct, Stateful
from synthetic_env import ENV, TASK, save_model

from sparsectl import environment
from sparsectl.evaluate import EvaluateConfig, compare, plots, results, run_episode, trajectories

CONFIG = EvaluateConfig(
    episodes=2, steps=3, budget=None, engine="serial", clips=0, planned_states=0
)
PLANNERS = {"zero": {}, "random": {}}


def play(folder, model, **changes):
    given = {"env_id": ENV, "task": TASK, "models": {"exact": model}, "controllers": PLANNERS}
    return compare(folder, **{**given, "horizon": 2, "config": CONFIG, **changes})


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_model(tmp_path_factory.mktemp("model") / "exact")


def test_replaying_the_actions_gives_the_observations(model, tmp_path):
    found = play(tmp_path, model)
    kept = trajectories.read(tmp_path)
    assert set(kept) == {("exact", c, e) for c in PLANNERS for e in range(2)}
    for row in found.rows:
        episode = kept[row["model"], row["controller"], row["episode"]]
        env = environment.make(ENV)
        observation, _ = env.reset(seed=row["seed"])
        for t, action in enumerate(episode["actions"]):
            np.testing.assert_array_equal(episode["observations"][t], observation)
            observation, *_ = env.step(action.astype(env.action_space.dtype))
        np.testing.assert_array_equal(episode["observations"][-1], observation)
        assert episode["times"].tolist() == [0, 1, 2, 3]  # steps: this environment tells no dt
        assert row["dt"] is None
    assert [p.name for p in tmp_path.rglob("*.npz")] == ["trajectories.npz"]
    assert not (tmp_path / "clips").exists()


def test_states_are_kept_where_they_are_not_the_observation():
    course: dict = {}
    run_episode(ENV, None, Direct(), 0, steps=2, course=course)
    assert course["states"].shape == (3, 2)
    np.testing.assert_array_equal(course["states"], course["observations"][:, :2])
    course = {}
    run_episode(ENV, None, Stateful(), 0, steps=2, course=course)
    assert set(course) == {"times", "observations", "actions", "rewards"}


def test_times_are_in_seconds_where_the_environment_tells():
    course: dict = {}
    row = run_episode("InvertedPendulum-v5", None, Nothing(1), 0, steps=3, course=course)
    assert row["dt"] == pytest.approx(0.04)
    np.testing.assert_allclose(course["times"], 0.04 * np.arange(4))


class Nothing:
    """A policy that does nothing."""

    def __init__(self, nu: int) -> None:
        self.nu = nu

    def predict(self, observation, state=None, episode_start=None, deterministic=False):
        return np.zeros(self.nu), state


@pytest.mark.parametrize("cut", ["before joining", "after a part"])
def test_a_kill_at_any_time_costs_nothing(model, tmp_path, cut, monkeypatch):
    whole = tmp_path / "whole"
    play(whole, model)
    expected = trajectories.read(whole)

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(results, "join_trajectories", lambda _: None)
    if cut == "after a part":  # the row of the last episode is not there yet
        real = results.rows.add
        count = iter(range(10))
        monkeypatch.setattr(
            results.rows, "add", lambda p, r: killed() if next(count) == 2 else real(p, r)
        )
        with pytest.raises(KeyboardInterrupt):
            play(tmp_path / "cut", model)
    else:
        play(tmp_path / "cut", model)
        assert not trajectories.read(tmp_path / "cut")
    monkeypatch.undo()
    play(tmp_path / "cut", model)
    found = trajectories.read(tmp_path / "cut")
    assert found.keys() == expected.keys()
    for name, arrays in expected.items():
        for kind, array in arrays.items():
            np.testing.assert_array_equal(found[name][kind], array)
    assert [p.name for p in (tmp_path / "cut").rglob("*.npz")] == ["trajectories.npz"]


def test_more_episodes_join_the_old_ones_and_other_settings_drop_them(model, tmp_path):
    play(tmp_path, model)
    before = trajectories.read(tmp_path)
    play(tmp_path, model, config=replace(CONFIG, episodes=3))
    after = trajectories.read(tmp_path)
    assert len(after) == 6
    assert all(np.array_equal(after[n]["actions"], a["actions"]) for n, a in before.items())
    play(tmp_path, model, config=replace(CONFIG, episodes=1, steps=2), force=True)
    last = trajectories.read(tmp_path)
    assert {len(a["actions"]) for a in last.values()} == {2}
    lines = (tmp_path / "episodes.jsonl").read_text().splitlines()
    assert set(last) == {results.name_of(json.loads(line)) for line in lines}


def test_long_episodes_are_thinned_to_their_share():
    arrays = {"observations": np.zeros((1001, 50)), "times": np.arange(1001.0)}
    found = trajectories._members(written(trajectories.packed(arrays, 1e5)))
    assert sum(a.nbytes for a in found.values()) <= 1.01e5
    assert np.unique(np.diff(found["times"])).tolist() == [5.0]


def written(content: bytes) -> Path:
    import tempfile

    path = Path(tempfile.mkdtemp()) / "part.npz"
    path.write_bytes(content)
    return path


def test_a_damaged_file_is_as_none(tmp_path):
    (tmp_path / trajectories.FILE).write_bytes(b"PK\x03\x04 torn")
    assert trajectories.read(tmp_path) == {}


def test_median_and_worst_episode_are_drawn_against_time(model, tmp_path):
    found = play(tmp_path, model, config=replace(CONFIG, episodes=3))
    figure = plots.courses(found)
    top = figure.axes[0]
    assert [a.get_title(loc="left") for a in figure.axes[:2]] == ["zero", "random"]
    assert figure.axes[-1].get_xlabel() == "step (of unknown length)"
    rows = sorted(found.of("exact", "zero"), key=lambda r: r["final_error"])
    worst = trajectories.read(tmp_path)["exact", "zero", rows[-1]["episode"]]
    drawn = [line.get_ydata() for line in top.get_lines()]
    assert any(np.array_equal(y, worst["observations"][:, 0]) for y in drawn)
