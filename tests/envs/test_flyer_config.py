"""The committed config reads scenes as the simulator has them: boxes, the door's times, levels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sparsectl import environment, experiment
from sparsectl.envs.flyer.env import FlyerEnv
from sparsectl.envs.flyer.layout import HALF, RADIUS, SIZE
from sparsectl.envs.flyer.paths import inside
from sparsectl.task import Task

CONFIG = Path(__file__).parents[2] / "configs" / "flyer.yaml"
HORIZON = 24


@pytest.fixture(scope="module")
def task() -> Task:
    return experiment.check(experiment.load(CONFIG))


def at(env, position, velocity=(0.0, 0.0)):
    """This scene with the disc elsewhere."""
    state = env.get_state()
    state[SIZE : SIZE + 4] = *position, *velocity
    return env.set_state(state)


def test_every_box_of_the_scene_is_a_keep_out_and_jets_are_levels(task):
    for arguments, regions in (({}, 12), ({"boxes": 8}, 9), ({"boxes": 7, "door": False}, 7)):
        env = FlyerEnv(**arguments)
        problem = task.problem(env.reset(seed=1)[0], HORIZON)
        assert len(problem.constraints.keep_out) == regions
        assert problem.inputs.discrete.all()
        assert [p[:, 0].tolist() for p in problem.inputs.pieces] == [[-1, 0, 1]] * 2


def test_the_door_is_kept_out_of_exactly_when_it_is_closed(task):
    env = FlyerEnv()
    env.reset(seed=1)
    layout = env._layout
    for step in range(20):
        observation, *_ = env.step(np.zeros(2, int))
        door = task.problem(observation, HORIZON, step=step + 1).constraints.keep_out[-1]
        there = np.isfinite(door.sides(HORIZON)).all(axis=1)
        assert there.tolist() == [layout.shut(step + 1 + t) for t in range(HORIZON + 1)]
        assert there.any()
        assert not there.all()


def test_where_the_task_lets_the_disc_be_it_touches_nothing_and_inside_a_box_it_may_not_be(task):
    env, rng = FlyerEnv(), np.random.default_rng(0)
    env.reset(seed=2)
    everything = np.stack([*env._layout.boxes, env._layout.door])
    allowed = 0
    for point in rng.uniform(-HALF, HALF, (300, 2)):
        observation = at(env, point)
        constraints = task.problem(observation, 2).constraints
        state = task.map.state(observation)
        free = constraints.violation(np.stack([state] * 3)) == 0.0
        allowed += free
        if free:
            assert not env.step(np.zeros(2, int))[-1]["contact"]
        near = inside(point, everything, RADIUS) or (np.abs(point) > HALF - RADIUS).any()
        assert not (near and free)
    assert 60 < allowed < 280


def test_a_plan_cannot_jump_across_the_wall(task):
    env = FlyerEnv()
    env.reset(seed=1)
    wall = env._layout.boxes[1]
    height = (wall[1] + wall[3]) / 2
    x = (wall[0] + wall[2]) / 2 + np.array([-0.2, 0.2])
    observation = at(env, (x[0], height))
    constraints = task.problem(observation, 2).constraints
    states = np.array([[x[k], height, 0.0, 0.0] for k in (0, 0, 1)])
    inner = constraints.violation(states[[0, 0, 0]])
    assert constraints.violation(states) > inner + 0.1


def test_the_cost_is_that_of_the_environment_and_the_distance_left(task):
    env = FlyerEnv()
    observation, _ = env.reset(seed=3)
    problem, states, spent = task.problem(observation, 6), [task.map.state(observation)], 0.0
    jets = np.random.default_rng(0).integers(-1, 2, (6, 2))
    for action in jets:
        observation, reward, *_ = env.step(action)
        states.append(task.map.state(observation))
        spent -= reward
    left = np.abs(observation[:2] - observation[4:6]).sum()
    speed = np.abs(observation[2:4]).sum()
    last = 5.0 * left + 2.0 * speed - 0.05 * left
    assert problem.cost(np.array(states), jets.astype(float)) == pytest.approx(spent + last)


def test_the_environment_by_its_id_takes_plans_of_levels():
    with environment.make("sparsectl/Flyer-v0") as env:
        env.reset(seed=0)
        assert environment.levels(env) == [range(-1, 2)] * 2
        seen = env.step(np.array([1.0, -1.0]))[0]
        assert seen[2:4] == pytest.approx([0.075, -0.075], abs=1e-3)
