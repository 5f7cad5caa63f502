"""How the disc of Slalom flies, what it touches, and what its config tells a planner."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sparsectl import experiment
from sparsectl.envs.slalom.env import GOAL, SUCCESS, SlalomEnv
from sparsectl.envs.slalom.scene import DRAG, GAP, RADIUS, THRUST, WALLS
from sparsectl.task import Task


def _start(env: SlalomEnv, position: list[float], velocity: tuple[float, float] = (0.0, 0.0)):
    state = env.get_state()
    return env.set_state(np.array([*state[:3], *position, *velocity, 0.0]))


@pytest.fixture
def env():
    made = SlalomEnv()
    made.reset(seed=3)
    yield made
    made.close()


def test_it_flies_by_thrust_and_squared_drag(env):
    """Held against an integration of the equations with steps a hundred times as small."""
    action = np.array([0.8, -0.4])
    position, velocity = np.array([-0.9, 0.1]), np.array([0.5, -0.3])
    seen = _start(env, [*position], tuple(velocity))
    for _ in range(2):
        seen = env.step(action)[0]
    for _ in range(20_000):
        velocity = velocity + 2e-5 * (THRUST * action - DRAG * abs(velocity) * velocity)
        position = position + 2e-5 * velocity
    np.testing.assert_allclose(seen[:2], position, atol=5e-3)
    np.testing.assert_allclose(seen[2:4], velocity, atol=5e-3)


def test_walls_are_where_the_observation_says_and_solid(env):
    boxes = env.reset(seed=3)[0][6:].reshape(-1, 4)
    assert np.allclose(boxes[1::2, 1] - boxes[::2, 3], GAP)
    middle = (boxes[0, 3] + boxes[1, 1]) / 2
    for side, through in ((0.0, True), (0.25, False)):
        y = middle - np.sign(middle) * side
        _start(env, [WALLS[0, 0] - 0.15, y], (1.0, 0.0))
        infos = [env.step(np.array([0.3, 0.0]))[-1] for _ in range(2)]
        assert any(info["contact"] for info in infos) is not through
        assert (env.get_state()[3] > WALLS[0, 1]) == through
        if not through:
            assert env.get_state()[3] < WALLS[0, 0] - 0.9 * RADIUS


def test_it_ends_when_it_rests_at_the_goal(env):
    for speed, ended in ((0.0, True), (2.5 * SUCCESS[1], False)):
        _start(env, [*(GOAL - [0.03, 0.0])], (speed, 0.0))
        assert env.step(np.zeros(2))[2] is ended


def test_data_are_collected_in_the_open_and_the_own_scene_stays(env):
    before = env.get_state()
    data = env.collect_episodes(8, 40, seed=0)
    assert np.array_equal(env.get_state(), before)
    at, after = data["observations"][:, :-1, 0], data["observations"][:, 1:, 0]
    crossed = (at < WALLS[1, 0]) & (after > WALLS[1, 0])
    assert crossed.any()
    y = data["observations"][:, :-1, 1][crossed]
    boxes = data["observations"][:, :-1, 6:][crossed].reshape(-1, 6, 4)
    assert ((y < boxes[:, 2, 3]) | (y > boxes[:, 3, 1])).any()
    assert abs(data["observations"][..., 2:4]).max() > 1.2


def test_a_planner_is_told_of_every_wall(env):
    config = experiment.load(Path(__file__).parents[2] / "configs/slalom.yaml")
    task = Task.of(config.task, env)
    problem = task.problem(env.reset(seed=3)[0], config.horizon)
    boxes = env.reset(seed=3)[0][6:].reshape(-1, 4)
    for x0, y0, x1, y1 in boxes:
        inside = np.array([(x0 + x1) / 2, (y0 + y1) / 2, 0.0, 0.0])
        states = np.repeat(inside[None], config.horizon + 1, axis=0)
        assert problem.constraints.worst(states) > 0.02
    assert problem.constraints.worst(np.repeat(problem.x0[None], config.horizon + 1, axis=0)) == 0
