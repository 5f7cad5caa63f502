"""Episodes of a planner as data."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent / "evaluate"))  # workers find it, too

import synthetic_env

from sparsectl.errors import ConfigError, DataError
from sparsectl.evaluate.player import Setting
from sparsectl.online import FIRST_SEED, OnlineConfig, play

PLAYER = {"kind": "cem", "samples": 16, "elites": 4, "iterations": 2}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> str:
    return str(synthetic_env.save_model(tmp_path_factory.mktemp("model") / "exact"))


def setting(steps=None, **kwargs) -> Setting:
    return Setting(synthetic_env.ENV, kwargs, synthetic_env.TASK, 2, steps, 0.001, 0)


def played(checkpoint, settings=None, *, episodes=6, noise=0.0, digest="d", seed=3, **options):
    config = OnlineConfig(1, episodes, controller=PLAYER, exploration=noise)
    options = {"engine": "serial", **options}
    return play(config, settings or setting(), checkpoint, digest, seed=seed, **options)


def test_an_episode_ends_when_the_task_is_solved(checkpoint):
    found = played(checkpoint, setting(steps=30))
    assert found.facts["solved"] == found.facts["episodes"] == 6
    episodes = found.episodes
    assert found.facts["transitions"] == episodes.transitions
    for observations, truncations in zip(episodes.observations, episodes.truncations, strict=True):
        distance = np.linalg.norm(observations[:, :2] - observations[:, 2:], axis=1)
        assert distance[-1] < 0.05 <= distance[:-1].min()
        assert truncations[-1]
        assert not truncations[:-1].any()
    assert (episodes.seeds >= FIRST_SEED).all()
    assert (episodes.seeds < 2**31).all()
    config = OnlineConfig(1, 6, until_success=False, controller=PLAYER, exploration=0.0)
    longer = play(config, setting(steps=30), checkpoint, "d", seed=3, engine="serial").episodes
    first = episodes.actions[0]
    assert longer.transitions > episodes.transitions
    assert np.array_equal(longer.actions[0][: len(first)], first)


def test_without_noise_actions_are_the_plans_and_with_noise_near_them(checkpoint):
    quiet, noisy = (played(checkpoint, setting(offers_error=False), noise=n) for n in (0, 0.1))
    assert quiet.facts["solved"] is None
    assert all(len(a) == 8 for a in quiet.episodes.actions), "the environment's own limit"
    first = [np.stack([a[0] for a in p.episodes.actions]) for p in (quiet, noisy)]
    change = np.abs(first[1] - first[0])
    assert 0 < change.max() < 0.5
    assert max(np.abs(a).max() for a in noisy.episodes.actions) <= 1
    change = noisy.episodes.observations[0][1, :2] - noisy.episodes.observations[0][0, :2]
    recorded = synthetic_env.GAIN * noisy.episodes.actions[0][0]
    np.testing.assert_allclose(change, recorded, atol=1e-12, err_msg="the action as executed")


def test_a_seed_repeats_whatever_the_workers(checkpoint):
    one = played(checkpoint, episodes=3, noise=0.3)
    two = played(checkpoint, episodes=3, noise=0.3, engine="process", workers=2)
    other = played(checkpoint, episodes=3, noise=0.3, seed=4)
    for a, b in zip(one.episodes.observations, two.episodes.observations, strict=True):
        np.testing.assert_array_equal(a, b)
    assert set(one.episodes.seeds).isdisjoint(other.episodes.seeds)


def test_an_episode_is_cut_before_the_simulation_diverges(checkpoint):
    found = played(checkpoint, setting(nan_at=3, offers_error=False))
    assert [len(a) for a in found.episodes.actions] == [2] * 6
    assert found.facts["diverged"] == 6
    assert all(t[-1] for t in found.episodes.truncations)


def test_when_most_episodes_give_nothing_the_first_reason_is_told(checkpoint):
    with pytest.raises(DataError, match=r"gave 0 of 6 episodes: the observation is not finite"):
        played(checkpoint, setting(nan_at=1, offers_error=False))


def test_the_end_of_a_task_is_no_truncation(checkpoint):
    found = played(checkpoint, setting(ends_at=2, offers_error=False))
    assert all(t.tolist() == [False, True] for t in found.episodes.terminations)
    assert not any(t.any() for t in found.episodes.truncations)


def test_what_is_wrong_with_the_controller_is_said_once_and_early(checkpoint):
    config = OnlineConfig(1, controller={"kind": "cem", "sample": 3})
    with pytest.raises(ConfigError, match=r"unknown key 'sample'"):
        play(config, setting(), checkpoint, "x", seed=0, engine="serial")


def test_an_endless_environment_needs_a_length(checkpoint, monkeypatch):
    import gymnasium

    spec = gymnasium.spec("Synthetic-v0")
    monkeypatch.setattr(spec, "max_episode_steps", None)
    with pytest.raises(ConfigError, match=r"no step limit: give online\.steps"):
        played(checkpoint)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"rounds": -1}, "rounds is -1, expected a number of at least 0"),
        ({"episodes": 0}, "episodes is 0, expected a number of at least 1"),
        ({"repeat": 0}, "repeat is 0"),
        ({"steps": 0}, "steps is 0"),
        ({"exploration": -0.1}, "exploration is -0.1, expected a number of at least 0"),
        ({"exploration": float("inf")}, "exploration is inf"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0, expected a number above 0"),
        ({"controller": {"samples": 3}}, "needs a `kind`"),
    ],
)
def test_settings_that_make_no_sense_are_refused(values, message):
    with pytest.raises(ConfigError, match=message.replace(".", r"\.")):
        OnlineConfig(**values)
