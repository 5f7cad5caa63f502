"""Batched collection: repeatable, independent of workers, and replayed exactly by the task."""

from __future__ import annotations

import numpy as np
import pytest

from sparsectl.envs.errors import TaskError
from sparsectl.envs.push.env import PushBoxEnv, PushTEnv
from sparsectl.envs.rope.env import RopeEnv
from sparsectl.envs.rope.scene import POLE_RADIUS, RADIUS
from sparsectl.envs.simulator import STEP, WORKSPACE

KEYS = ("observations", "actions", "rewards", "seeds")


def same(a, b):
    return all(np.array_equal(a[k], b[k]) for k in KEYS)


def test_shapes_and_types(env):
    data = env.unwrapped.collect_episodes(3, 5, seed=0)
    no, nu = env.observation_space.shape[0], env.action_space.shape[0]
    assert data["observations"].shape == (3, 6, no)
    assert data["actions"].shape == (3, 5, nu)
    assert data["actions"].dtype == env.action_space.dtype
    assert data["rewards"].shape == (3, 5)
    assert data["seeds"].shape == (3,)
    assert np.issubdtype(data["seeds"].dtype, np.integer)
    assert np.isfinite(data["observations"]).all()
    assert np.abs(data["actions"]).max() <= 1.0


def test_same_seed_same_data_for_any_number_of_workers(env):
    first = env.unwrapped.collect_episodes(20, 6, seed=4)
    assert same(first, env.unwrapped.collect_episodes(20, 6, seed=4, workers=3))
    other = env.unwrapped.collect_episodes(20, 6, seed=5)
    assert not np.array_equal(first["actions"], other["actions"])


def test_more_episodes_only_append():
    env = PushTEnv()
    few, many = env.collect_episodes(5, 8, seed=1), env.collect_episodes(300, 8, seed=1)
    assert np.array_equal(few["seeds"], many["seeds"][:5])
    assert np.array_equal(few["actions"], many["actions"][:5])


def test_the_task_replays_collected_episodes(env, variant):
    """Reset with the episode's seed and play its actions: the data come out again."""
    data = env.unwrapped.collect_episodes(4, 12, seed=2)
    open_ = "obstacle" in variant[1] or "Slalom" in variant[0]  # collected with nothing in the way
    steps = 0 if open_ else 12
    for e in range(4):
        observation, _ = env.reset(seed=int(data["seeds"][e]))
        np.testing.assert_allclose(observation, data["observations"][e, 0], atol=1e-12)
        for t in range(steps):
            observation, reward, *_ = env.unwrapped.step(data["actions"][e, t])
            np.testing.assert_allclose(observation, data["observations"][e, t + 1], atol=1e-12)
            assert reward == pytest.approx(data["rewards"][e, t], abs=1e-12)


def test_collecting_leaves_the_running_episode_alone(env):
    env.reset(seed=0)
    env.step(env.action_space.sample())
    before = env.unwrapped.get_state()
    env.unwrapped.collect_episodes(2, 3, seed=0)
    assert np.array_equal(before, env.unwrapped.get_state())


@pytest.mark.parametrize("task", [PushTEnv, PushBoxEnv])
def test_pushing_data_seeks_contact_and_stays_in_the_workspace(task):
    data = task().collect_episodes(200, 20, seed=0)
    points = data["observations"][..., :8]
    moved = np.abs(np.diff(points, axis=1)).max(-1) > 1e-5
    assert 0.45 < moved.mean() < 0.75
    pusher = data["observations"][..., 8:10]
    assert np.abs(pusher).max() < WORKSPACE + 5e-4
    # recorded actions are the executed ones, also where the edge cuts a displacement
    slip = np.linalg.norm(np.diff(pusher, axis=1) - STEP * data["actions"], axis=-1)
    assert slip.mean() < 1e-4
    assert slip.max() < 6e-4


def test_obstacle_data_are_the_free_tables():
    """From the same starts, nothing ever stops at the obstacle."""
    data = PushBoxEnv(obstacle=True).collect_episodes(100, 20, seed=0)
    slip = np.diff(data["observations"][..., 8:10], axis=1) - STEP * data["actions"]
    assert np.abs(slip).max() < 6e-4


def test_rope_data_reach_the_corners_of_the_action_box_and_touch_the_pole():
    data = RopeEnv(pole=True).collect_episodes(60, 20, seed=0)
    assert (np.abs(data["actions"]) == 1.0).all(-1).mean() > 0.01
    points = data["observations"][..., :26].reshape(60, 21, 13, 2)
    start, span = points[..., :-1, :], np.diff(points, axis=-2)
    along = np.clip(-(start * span).sum(-1) / (span * span).sum(-1), 0.0, 1.0)
    distance = np.linalg.norm(start + along[..., None] * span, axis=-1).min(-1)
    touching = distance < POLE_RADIUS + RADIUS + 5e-4
    assert touching.mean() > 0.12
    assert touching.any(axis=1).mean() > 0.4


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"episodes": 0}, "episodes"),
        ({"steps": -1}, "steps"),
        ({"seed": -1}, "seed"),
        ({"workers": 0}, "workers"),
        ({"episodes": 2.5}, "episodes"),
    ],
)
def test_wrong_arguments_are_named(env, arguments, named):
    good = {"episodes": 2, "steps": 2, "seed": 0, "workers": 1}
    with pytest.raises(TaskError, match=named):
        env.unwrapped.collect_episodes(**{**good, **arguments})
