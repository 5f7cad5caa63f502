"""Starts and goals: distances as documented, nothing overlaps, every rope goal is reachable."""

from __future__ import annotations

import numpy as np
import pytest

from sparsectl.envs.push.env import PushBoxEnv, PushTEnv
from sparsectl.envs.push.shapes import localise, wrapped
from sparsectl.envs.push.starts import clearance
from sparsectl.envs.rope.env import NEAREST_GOAL, RopeEnv
from sparsectl.envs.rope.scene import points
from sparsectl.envs.rope.starts import GOAL_STEPS, GOALS, gap, straight_gap

SEEDS = range(150)


def starts(env, seeds=SEEDS):
    """First qpos and goal poses."""
    drawn = np.stack([env.draw_episode(np.random.default_rng(s)) for s in seeds])
    return env.begin(drawn)


@pytest.mark.parametrize("task", [PushTEnv, PushBoxEnv])
@pytest.mark.parametrize("start", ["full", "easy"])
@pytest.mark.parametrize("obstacle", [False, True])
def test_pushing_starts(task, start, obstacle):
    env = task(start=start, obstacle=obstacle)
    qpos, goal = starts(env)
    away = np.linalg.norm(qpos[:, 2:4] - goal[:, :2], axis=1)
    angle = np.abs(wrapped(qpos[:, 4] - goal[:, 2]))
    outline = env.shape.gap(localise(qpos[:, :2], qpos[:, 2:]))
    assert outline.min() >= 0.015
    assert outline.max() <= 0.08
    assert np.abs(qpos[:, :2]).max() < 0.25
    if obstacle:
        assert away.min() > 0.24
        assert away.max() < 0.29
        assert clearance(qpos, env.shape).min() > 0.005
    else:
        low = 0.08 if start == "easy" else 0.05
        assert low <= away.min() < low + 0.01
        assert 0.14 < away.max() <= 0.15
    if start == "full":
        assert angle.max() > 2.8
    else:
        assert 0.4 < angle.max() <= np.pi / 6
        outward = np.arctan2(*(qpos[:, 2:4] - goal[:, :2])[:, ::-1].T)
        behind = np.arctan2(*(qpos[:, :2] - qpos[:, 2:4])[:, ::-1].T)
        assert np.abs(wrapped(behind - outward)).max() <= 0.5 + 1e-9


@pytest.mark.parametrize("task", [PushTEnv, PushBoxEnv])
def test_starts_beside_the_obstacle_have_it_in_the_way(task):
    env = task(start="beside", obstacle=True)
    qpos, goal = starts(env)
    assert clearance(qpos, env.shape).min() > 0.005
    away = np.linalg.norm(qpos[:, 2:4] - goal[:, :2], axis=1)
    assert 0.11 < away.min() < away.max() < 0.23
    assert 0.15 < (qpos[:, 3] > 0).mean() < 0.85
    assert np.abs(qpos[:, 4]).max() <= np.pi / 6
    straight = (
        qpos[:, None]
        + np.linspace(0.0, 1.0, 50)[:, None]
        * np.concatenate([np.zeros((len(qpos), 2)), goal - qpos[:, 2:]], axis=1)[:, None]
    )
    straight[..., :2] = 0.25  # the object alone
    blocked = (clearance(straight, env.shape) < 0.0).any(axis=1)
    assert blocked.mean() > 0.5


@pytest.mark.parametrize("task", [PushTEnv, PushBoxEnv])
def test_no_pushing_episode_starts_solved(task):
    env = task()
    for seed in SEEDS:
        assert not env.reset(seed=seed)[1]["is_success"]


@pytest.mark.parametrize("task", [PushTEnv, PushBoxEnv])
def test_the_goal_pose_is_a_success_and_a_turned_one_is_not(task):
    env = task(obstacle=True)
    env.reset(seed=0)
    goal = np.array([-0.13, 0.0, 0.0])
    tight = env.report(np.array([0.2, 0.2, *goal]), goal, 0.0)
    assert tight["is_success"] is True
    assert tight["is_tight_success"] is True
    for offset in ([0.019, 0, 0], [0, 0, np.deg2rad(9)], [0, 0.011, 2 * np.pi]):
        info = env.report(np.array([0.2, 0.2, *(goal + offset)]), goal, 0.0)
        assert info["is_success"] is True
        assert not info["is_tight_success"]
    for offset in ([0.021, 0, 0], [0, 0, np.deg2rad(11)], [0, 0, np.pi]):
        assert not env.report(np.array([0.2, 0.2, *(goal + offset)]), goal, 0.0)["is_success"]


@pytest.mark.parametrize(
    "arguments", [{}, {"pole": True}, {"pole": True, "goals": "around"}], ids=str
)
def test_rope_goals_are_reached_by_the_motion_that_made_them(arguments):
    env = RopeEnv(**arguments)
    for seed in range(5):
        _, info = env.reset(seed=seed)
        assert info["error"] > NEAREST_GOAL
        # what reset drew: the start, then candidate motions, of which the first far one counts
        drawn = env.draw_episode(np.random.Generator(np.random.PCG64(seed)))
        motions = drawn[14:].reshape(GOALS[env.goals], GOAL_STEPS, 2)
        state, reached = env.get_state(), []
        for motion in motions:
            env.set_state(state)
            infos = [env.step(action)[-1] for action in motion]
            reached.append(infos[-1]["error"])
        assert min(reached) < 1e-9


def test_the_pole_is_in_the_way_of_goals_around_it_more_often_than_of_any():
    blocked = {}
    for goals in ("any", "around"):
        env = RopeEnv(pole=True, goals=goals)
        qpos, goal = starts(env, range(30))
        chain = goal.reshape(len(goal), -1, 2)
        blocked[goals] = (straight_gap(points(qpos), chain) <= 0.0).mean()
        here = np.concatenate([points(qpos).reshape(goal.shape), goal], axis=1)
        assert env.distance(here).min() > NEAREST_GOAL
    assert blocked["any"] < 0.4
    assert blocked["around"] > 0.85


def test_the_straight_way_is_a_segment():
    start, goal = np.zeros((3, 13, 2)), np.zeros((3, 13, 2))
    start[..., 0], goal[..., 0] = 0.2, 0.3
    goal[1:, 5] = [-0.2, 0.0], [-0.2, 0.2]  # through the pole's centre; past it
    np.testing.assert_allclose(
        straight_gap(start, goal), [0.175, -0.025, 0.2 / np.sqrt(5) - 0.025], atol=1e-12
    )


def test_rope_starts_beside_the_pole_without_touching_it():
    qpos, _ = starts(RopeEnv(pole=True))
    gaps = gap(qpos)
    assert gaps.min() >= 0.005
    assert gaps.max() <= 0.03
