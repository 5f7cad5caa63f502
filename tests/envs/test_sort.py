"""Strokes that can be executed, discs that stay apart, and a task that says when it is solved."""

from __future__ import annotations

from pathlib import Path

import mujoco
import numpy as np
import pytest

from sparsectl import experiment
from sparsectl.envs.sort.env import SortEnv
from sparsectl.envs.sort.exploration import UNIT, propose
from sparsectl.envs.sort.scene import PLATE, RADIUS, WALL
from sparsectl.envs.sort.starts import REGIONS, colours, draw_start
from sparsectl.envs.sort.stroke import REACH, RETRACTION, SHORTEST, START, strokes

CONFIGS = Path(__file__).parents[2] / "configs"
FAR = np.array([[-0.18, 0.18], [-0.18, -0.18], [0.18, 0.18], [0.18, -0.18]])
AHEAD = PLATE[0] + RADIUS
"""A touching disc's centre is this far ahead of the plate's [m]."""


def placed(points, discs=4):
    """An environment whose discs lie at `points`; what is not given is far away."""
    env = SortEnv(discs)
    env.reset(seed=0)
    env._data.qpos[3:] = np.concatenate([np.asarray(points), FAR[len(points) :]]).ravel()
    return env


def action(start, displacement):
    return np.array([*np.array(start) / START, *np.array(displacement) / REACH])


def many(discs=8, count=3000):
    """Positions (count, discs, 2) and strokes (count, 4), half of them aimed."""
    rng = np.random.default_rng(0)
    points = np.stack([draw_start(rng, discs) for _ in range(100)]).reshape(-1, discs, 2)
    points = points[rng.integers(len(points), size=count)]
    aimed = propose(points, REGIONS[colours(discs)], rng.random((count, UNIT)))
    free = rng.uniform(-1, 1, (count, 4))
    return points, np.where(np.arange(count)[:, None] % 2, aimed, free)


def test_the_plate_is_put_down_free_of_discs_and_stays_inside_the_walls():
    points, actions = many()
    stroke = strokes(points, actions)
    env = SortEnv(8)
    data = mujoco.MjData(env._model)
    plate = env._model.geom("pusher").id
    qpos, _ = env.simulator.drive(
        np.hstack([np.zeros((len(points), 3)), points.reshape(len(points), -1)]), actions
    )
    for i in np.flatnonzero(stroke.moves)[::7]:
        data.qpos[:] = qpos[i]
        mujoco.mj_forward(env._model, data)
        assert not any(plate in c.geom for c in data.contact)
    assert 0.1 < (stroke.retraction[stroke.moves] > 0).mean() < 0.6
    d = stroke.direction
    across = np.stack([-d[:, 1], d[:, 0]], axis=-1)
    for way in (0.0, 1.0):
        centre = stroke.start + way * stroke.length[:, None] * d
        for along, side in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
            corner = centre + along * PLATE[0] * d + side * PLATE[1] * across
            assert np.abs(corner[stroke.moves]).max() <= WALL + 1e-9


def test_the_retraction_is_the_smallest_and_the_end_stays():
    points, actions = many()
    stroke = strokes(points, actions)
    alone = strokes(np.full((len(points), 1, 2), 9.0), actions)
    end = stroke.start + stroke.length[:, None] * stroke.direction
    free_end = alone.start + alone.length[:, None] * alone.direction
    np.testing.assert_allclose(end, free_end, atol=1e-12)
    assert stroke.retraction[stroke.moves].max() <= RETRACTION
    # half a millimetre before the start that was found, some disc is in the way
    back = (stroke.retraction > 5e-4) & stroke.moves
    nearer = stroke.start[back] + 5e-4 * stroke.direction[back]
    offset = points[back] - nearer[:, None]
    d = stroke.direction[back, None]
    along = np.abs((offset * d).sum(-1)) - PLATE[0]
    across = np.abs(offset[..., 1] * d[..., 0] - offset[..., 0] * d[..., 1]) - PLATE[1]
    gap = np.hypot(np.maximum(along, 0), np.maximum(across, 0)) - RADIUS
    assert (gap.min(-1) < 2e-4).all()


@pytest.mark.parametrize("turn", [0.0, 0.7, 2.0])
@pytest.mark.parametrize("offset", [0.05, 0.01, -0.012])
def test_a_disc_ahead_ends_in_front_of_the_plate(turn, offset):
    """Also where the start has to be moved back behind it."""
    d = np.array([np.cos(turn), np.sin(turn)])
    start = np.array([0.02, -0.01])
    env = placed([start + offset * d])
    observation, *_, info = env.step(action(start, 0.06 * d))
    expected = start + (0.06 + AHEAD) * d
    assert np.linalg.norm(observation[:2] - expected) < 2e-3
    assert info["retractions"] == (offset < AHEAD)
    np.testing.assert_allclose(observation[2:8], FAR[1:].ravel(), atol=1e-9)


def test_a_disc_beside_the_plate_is_left_alone():
    env = placed([[0.03, 0.045 + RADIUS + 0.001]])
    before = env._data.qpos[3:].copy()
    after = env.step(action([0.0, 0.0], [0.06, 0.0]))[0][:8]
    np.testing.assert_allclose(after, before, atol=1e-9)


def test_a_start_that_cannot_be_freed_is_rejected_and_counted():
    # the disc under the plate leaves no room for it in front of the wall
    env = placed([[0.0, -WALL + RADIUS + 0.001]])
    before = env._data.qpos[3:].copy()
    for count in (1, 2):
        observation, *_, info = env.step(action([0.0, -0.17], [0.0, 0.06]))
        np.testing.assert_allclose(observation[:8], before, atol=1e-6)
        assert (info["rejections"], info["retractions"]) == (count, 0)
    again = SortEnv(4)
    again.set_state(env.get_state())
    assert again.step(np.zeros(4))[-1]["rejections"] == 2
    assert again.reset(seed=0)[1]["rejections"] == 0


@pytest.mark.parametrize("displacement", [[0.0, 0.0], [0.99 * SHORTEST, 0.0]])
def test_a_stroke_without_direction_is_a_wait(displacement):
    env = placed([[0.0, 0.0]])
    before = env._data.qpos[3:].copy()
    observation, *_, info = env.step(action([0.0, 0.0], displacement))
    np.testing.assert_allclose(observation[:8], before, atol=1e-9)
    assert info["rejections"] == info["retractions"] == 0


def test_a_disc_at_the_wall_stops_the_plate_without_being_squeezed():
    env = placed([[0.15, 0.0]])
    observation = env.step(action([0.12, 0.0], [0.06, 0.0]))[0]
    assert WALL - RADIUS - 1e-4 < observation[0] < WALL - RADIUS + 1e-3


@pytest.mark.parametrize("discs", [4, 8])
def test_data_hit_discs_which_neither_overlap_nor_fly(discs):
    env = SortEnv(discs)
    data = env.collect_episodes(100, 12, seed=0)
    points = data["observations"][..., : 2 * discs].reshape(100, 13, discs, 2)
    between = np.linalg.norm(points[..., :, None, :] - points[..., None, :, :], axis=-1)
    between += np.eye(discs)
    assert 2 * RADIUS - between.min() < 1.5e-3
    assert np.abs(points).max() < WALL - RADIUS + 1.5e-3
    motion = np.diff(points, axis=1)
    assert (np.linalg.norm(motion, axis=-1) > 1e-3).any(-1).mean() > 0.65
    stroke = strokes(
        points[:, :-1].reshape(-1, discs, 2), data["actions"].reshape(-1, 4).astype(float)
    )
    # along the stroke no disc outruns the plate; sideways the wedge at a wall may squeeze one out
    along = (motion.reshape(-1, discs, 2) * stroke.direction[:, None]).sum(-1)
    assert (along.max(-1) < stroke.length + 1e-3).all()
    assert stroke.rejected.mean() < 0.1


def test_a_stroke_depends_only_on_the_discs():
    env = placed([[0.05, 0.0], [0.08, 0.01]])
    state, push = env.get_state(), action([0.0, 0.0], [0.07, 0.01])
    first = env.step(push)[0]
    env.set_state(state)
    env._data.qpos[:3] = [0.05, 0.0, 1.0]
    env._data.qvel[:] = 0.3
    env._data.qacc_warmstart[:] = 5.0
    assert np.array_equal(first, env.step(push)[0])


@pytest.mark.parametrize("discs", [4, 6, 8])
def test_starts_are_free_and_unsorted(discs):
    env = SortEnv(discs)
    assert np.array_equal(env.targets[:, 0] < 0, np.arange(discs) < discs // 2)
    for seed in range(60):
        observation, info = env.reset(seed=seed)
        points = observation[: 2 * discs].reshape(-1, 2)
        between = np.linalg.norm(points[:, None] - points, axis=-1)[np.triu_indices(discs, 1)]
        assert between.min() >= 2 * RADIUS + 0.005
        assert np.abs(points).max() <= 0.15
        assert not info["is_success"]
        assert info["sorted"] <= 0.75 * discs
        np.testing.assert_array_equal(observation[2 * discs :], env.targets.ravel())


def test_sorted_means_every_disc_within_60_mm():
    env = SortEnv(4)
    _, goal = env.begin(np.zeros((1, 8)))
    spot = np.array([[0.0, 0.059], [0.0, -0.03], [0.042, 0.042], [-0.03, 0.0]])
    for shift, count in ((0.0, 4), (0.002, 3)):
        points = env.targets + spot
        points[0, 1] += shift
        qpos = np.array([0.0, 0.0, 0.0, *points.ravel()])
        info = env.report(qpos, goal[0], 0.0)
        assert (info["is_success"], info["sorted"]) == (count == 4, count)
        far = np.linalg.norm(points - env.targets, axis=-1)
        error = env.distance(env.observe(qpos, goal[0]))
        assert error == pytest.approx(np.maximum(far - 0.04, 0).mean(), abs=1e-12)


@pytest.mark.parametrize("discs", [4, 6, 8])
def test_the_committed_cost_is_zero_only_where_all_are_sorted(discs):
    settings = experiment.load(CONFIGS / f"sort{discs}.yaml")
    task, env = experiment.check(settings), SortEnv(discs)
    _, goal = env.begin(np.zeros((1, 2 * discs)))
    rng = np.random.default_rng(0)
    for spread in (0.039, 0.041):
        points = env.targets + rng.uniform(-0.039, 0.039, (discs, 2))
        points[-1, 0] = env.targets[-1, 0] + spread
        qpos = np.array([0.0, 0.0, 0.0, *points.ravel()])
        problem = task.problem(env.observe(qpos, goal[0]), 1)
        cost = problem.cost(np.stack([problem.x0, problem.x0]), np.zeros((1, 4)))
        assert (cost == 0.0) == (spread < 0.04)
        assert env.report(qpos, goal[0], 0.0)["is_success"]
    points[0] = env.targets[0] - [0.1, 0.0]
    problem = task.problem(env.observe(np.array([0, 0, 0, *points.ravel()]), goal[0]), 1)
    cost = problem.cost(np.stack([problem.x0, problem.x0]), np.zeros((1, 4)))
    assert cost == pytest.approx(0.06 + 0.001, abs=1e-9)
