"""The pusher goes where it is told, objects never outrun what pushes them, posts are solid."""

from __future__ import annotations

import gymnasium
import mujoco
import numpy as np
import pytest

from sparsectl.environment import control_step
from sparsectl.envs.push import scene as push_scene
from sparsectl.envs.push.env import PushBoxEnv, PushTEnv
from sparsectl.envs.push.shapes import BOX, T, localise, place
from sparsectl.envs.rope import scene as rope_scene
from sparsectl.envs.rope.env import RopeEnv
from sparsectl.envs.simulator import STEP, SUBSTEPS, WORKSPACE, Simulator

TASKS = [RopeEnv, PushTEnv, PushBoxEnv]


@pytest.mark.parametrize("task", TASKS)
def test_the_pusher_follows_its_commands(task):
    data = task().collect_episodes(64, 20, seed=0)
    pusher = data["observations"][..., 0:2] if task is RopeEnv else data["observations"][..., 8:10]
    slip = np.abs(np.diff(pusher, axis=1) - STEP * data["actions"])
    assert slip.mean() < 6e-5
    assert slip.max() < 4e-4


@pytest.mark.parametrize("task", TASKS)
def test_the_pusher_stays_in_the_workspace(task):
    env = task()
    for corner in ([1, 1], [-1, 1], [1, -1]):
        observation, _ = env.reset(seed=1)
        for _ in range(40):
            observation = env.step(np.array(corner, dtype=float))[0]
        pusher = observation[:2] if task is RopeEnv else observation[8:10]
        np.testing.assert_allclose(pusher, WORKSPACE * np.array(corner), atol=5e-4)


@pytest.mark.parametrize("shape", [T, BOX], ids=["T", "box"])
def test_no_part_of_an_object_is_thrown(shape):
    """A servo that fights contact can shoot objects away at many times the pusher's speed."""
    model = push_scene.build(shape, obstacle=False)
    simulator, data = Simulator(model), mujoco.MjData(model)
    rng = np.random.default_rng(0)
    env = PushTEnv() if shape is T else PushBoxEnv()
    fastest = 0.0
    for seed in range(30):
        data.qpos[:] = env.draw_episode(np.random.default_rng(seed))
        for _ in range(15):
            target = place(shape.sample(rng, 1), data.qpos[2:])[0] - data.qpos[:2]
            command = simulator.executable(data.qpos, 2 * target / np.linalg.norm(target))
            data.qvel[:] = 0.0
            data.ctrl[:] = command * STEP / simulator.seconds
            for _ in range(SUBSTEPS):
                mujoco.mj_step(model, data)
                fastest = max(fastest, float(np.linalg.norm(data.qvel[2:4])))
    top = np.sqrt(2) * STEP / simulator.seconds
    assert 0.5 * top < fastest < 1.35 * top


def test_no_part_of_the_rope_is_thrown():
    data = RopeEnv(pole=True).collect_episodes(60, 20, seed=1)
    points = data["observations"][..., :26].reshape(60, 21, 13, 2)
    steps = np.linalg.norm(np.diff(points, axis=1), axis=-1)
    assert steps.max() < 2.0 * np.sqrt(2) * STEP


def test_lengths_of_the_rope_and_of_objects_are_kept():
    points = RopeEnv(pole=True).collect_episodes(30, 20, seed=2)["observations"][..., :26]
    links = np.linalg.norm(np.diff(points.reshape(-1, 13, 2), axis=1), axis=-1)
    np.testing.assert_allclose(links, rope_scene.LINK, atol=1e-12)
    for env in (PushTEnv(), PushBoxEnv()):
        keypoints = env.collect_episodes(30, 20, seed=2)["observations"][..., :8].reshape(-1, 4, 2)
        sides = np.linalg.norm(keypoints[:, 0] - keypoints[:, 3], axis=-1)
        expected = np.linalg.norm(env.shape.keypoints[0] - env.shape.keypoints[3])
        np.testing.assert_allclose(sides, expected, atol=1e-12)


def test_rope_points_are_mujocos():
    model = rope_scene.build(pole=False)
    data = mujoco.MjData(model)
    data.qpos[:] = np.random.default_rng(0).uniform(-1, 1, model.nq)
    mujoco.mj_forward(model, data)
    points = rope_scene.points(data.qpos)
    for i in range(rope_scene.LINKS):
        np.testing.assert_allclose(points[i], data.body(f"link_{i}").xpos[:2], atol=1e-12)


@pytest.mark.parametrize("shape", [T, BOX], ids=["T", "box"])
def test_objects_turn_about_their_centre_of_mass(shape):
    model = push_scene.build(shape, obstacle=False)
    np.testing.assert_allclose(model.body("object").ipos, 0.0, atol=1e-12)
    assert model.body("object").mass[0] == pytest.approx(push_scene.MASS)
    data = mujoco.MjData(model)
    data.qpos[:] = [0.2, 0.2, 0.03, -0.05, 0.7]
    mujoco.mj_forward(model, data)
    for i, rectangle in enumerate(shape.rectangles):
        centre = place(rectangle[None, :2], data.qpos[2:])[0]
        np.testing.assert_allclose(data.geom(f"object_{i}").xpos[:2], centre, atol=1e-12)


def test_friction_lever_of_a_t_is_the_tabulated_one():
    assert T.friction_lever == pytest.approx(0.0400 * 0.0439, rel=2e-3)


@pytest.mark.parametrize(
    ("env", "qpos"),
    [
        (PushTEnv(), [0.0, 0.06, 0.0, 0.0, 0.05]),  # above the bar, pushing down
        (RopeEnv(pole=True), [0.0, 0.04, 0.1, *[0.1] * 11]),
    ],
    ids=["PushT", "Rope"],
)
def test_a_step_depends_only_on_the_observed_positions(env, qpos):
    """Residual velocities and solver memory are gone: the observation is the whole state."""
    env.reset(seed=0)
    env._data.qpos[:] = qpos
    state = env.get_state()
    for action in ([0.3, -1.0], [-0.2, -0.9]):
        env.set_state(state)
        first = env.step(np.array(action))[0]
        assert env._data.ncon, "the test is meant for a step with contact"
        env.set_state(state)
        env._data.qvel[:] = 0.3
        env._data.qacc_warmstart[:] = 5.0
        assert np.array_equal(first, env.step(np.array(action))[0])
        state = env.get_state()


def test_a_gripper_driven_at_the_pole_does_not_pass():
    env = RopeEnv(pole=True)
    env.reset(seed=0)
    env._data.qpos[:] = 0.0
    env._data.qpos[0] = -0.1
    env._data.qpos[2] = np.pi
    nearest = min(np.linalg.norm(env.step(np.array([1.0, 0.0]))[0][:2]) for _ in range(10))
    touching = rope_scene.POLE_RADIUS + 0.01
    assert touching - 0.002 < nearest < touching + 0.001


@pytest.mark.parametrize("task", [PushTEnv, PushBoxEnv])
def test_the_obstacle_stops_object_and_pusher(task):
    env = task(obstacle=True)
    env.reset(seed=0)
    env._data.qpos[:] = [0.2, 0.0, 0.12, 0.0, 0.05]
    clearances = [env.step(np.array([-1.0, 0.0]))[-1]["clearance"] for _ in range(20)]
    assert min(clearances) > -0.003
    assert min(clearances) < 0.001
    env._data.qpos[:] = [0.15, 0.0, -0.15, 0.2, 0.0]
    for _ in range(12):
        observation = env.step(np.array([-1.0, 0.0]))[0]
    assert 0.039 < observation[8] < 0.042


def test_gap_is_a_signed_distance():
    points = np.random.default_rng(0).uniform(-0.1, 0.1, (80, 2))
    samples = T.sample(np.random.default_rng(1), 20_000)
    nearest = np.linalg.norm(points[:, None] - samples[None], axis=-1).min(1)
    gaps = T.gap(points)
    assert np.abs(gaps[gaps > 0] - nearest[gaps > 0]).max() < 2e-3
    assert T.gap(samples).max() <= 1e-12
    there = localise(place(T.keypoints, np.array([0.1, -0.2, 0.8])), np.array([0.1, -0.2, 0.8]))
    np.testing.assert_allclose(there, T.keypoints, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "seconds"),
    [
        ("Rope", 0.1),
        ("PushT", 0.1),
        ("PushBox", 0.1),
        ("CartPole", 0.1),
        ("WallPole", 0.05),
        ("HalfCheetah", 0.05),
    ],
)
def test_tasks_tell_how_long_a_step_is(name, seconds):
    env = gymnasium.make(f"sparsectl/{name}-v0")
    assert control_step(env) == pytest.approx(seconds)
