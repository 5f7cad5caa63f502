"""A disc whose jets are on or off, dry friction, boxes that stop it and a door that opens."""

from __future__ import annotations

import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from sparsectl.envs.errors import TaskError
from sparsectl.envs.flyer.env import SUCCESS, FlyerEnv
from sparsectl.envs.flyer.layout import HALF, NEVER, RADIUS, SIZE, Layout, draw_layout
from sparsectl.envs.flyer.paths import Ways, inside
from sparsectl.envs.flyer.scene import DAMPING, FRICTION, SUBSTEPS, THRUST, TIMESTEP

SECONDS = SUBSTEPS * TIMESTEP


def scene(door_closed=((0, -1),), boxes=(), start=(-0.5, 0.0), goal=(1.0, 0.0), door=(0, 0, 0, 0)):
    closed = np.tile([0.0, -1.0], (3, 1))
    closed[: len(door_closed)] = door_closed
    there = np.zeros((11, 4))
    there[: len(boxes)] = np.reshape(boxes, (-1, 4))
    return Layout(np.array(start), np.array(goal), there, np.array(door, float), closed)


def put(env, layout, velocity=(0.0, 0.0), step=0):
    """The disc at a layout's start."""
    rest = [*layout.start, *velocity, step, 0.0, 0.0, 0.0, 0.0]
    return env.set_state(np.concatenate([layout.vector(), rest]))


def paper(velocity, jets):
    """Displacement and velocity after one step; implicit in the friction."""
    free = (1 - DAMPING * SECONDS) * velocity + THRUST * SECONDS * jets
    after = np.sign(free) * np.maximum(np.abs(free) - FRICTION * SECONDS, 0.0)
    return SECONDS * (velocity + after) / 2, after


@pytest.mark.parametrize("arguments", [{}, {"boxes": 7}, {"door": False}])
def test_gymnasium_finds_nothing_to_complain_about(arguments):
    env = gymnasium.make("sparsectl/Flyer-v0", **arguments)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(env.unwrapped, skip_render_check=True)
    assert env.action_space == gymnasium.spaces.MultiDiscrete([3, 3], start=[-1, -1])
    assert env.spec.max_episode_steps == 60


def test_a_seed_makes_one_scene_and_another_seed_another():
    first, again = FlyerEnv().reset(seed=4)[0], FlyerEnv().reset(seed=4)[0]
    assert np.array_equal(first, again)
    assert not np.array_equal(first, FlyerEnv().reset(seed=5)[0])


@pytest.mark.parametrize(("boxes", "door"), [(7, True), (11, True), (7, False), (11, False)])
def test_scenes_have_a_way_that_is_not_straight_and_the_door_is_worth_it(boxes, door):
    for seed in range(12):
        layout = draw_layout(np.random.default_rng(seed), boxes, door)
        there = layout.boxes[:, 0] < layout.boxes[:, 2]
        assert there.sum() == boxes
        assert layout.door.any() == door
        ends = np.stack([layout.start, layout.goal])
        assert not inside(ends, np.stack([*layout.boxes, layout.door]), RADIUS).any()
        assert (np.abs(ends) < HALF - RADIUS).all()
        line = np.linspace(layout.start, layout.goal, 200)
        assert inside(line, layout.boxes, RADIUS).any()
        way = Ways(layout.boxes, layout.goal, HALF, RADIUS)(layout.start)
        assert np.linalg.norm(layout.goal - layout.start) - 0.1 < way < 3.0
        if door:
            shut = np.stack([*layout.boxes, layout.door])
            assert way < Ways(shut, layout.goal, HALF, RADIUS)(layout.start) < np.inf
            assert layout.shut(0)
            assert layout.shut(NEVER)
            opened = [not layout.shut(t) for t in range(60)]
            assert 6 <= sum(opened) <= 24
            assert np.diff(np.array(opened, int)).clip(min=0).sum() == 2


def test_ways_go_around_a_wall():
    wall = np.array([[-0.05, -1.37, 0.05, 0.5]])
    ways = Ways(wall, np.array([1.0, 0.0]), HALF, 0.1, 0.02)
    corner = 2 * np.hypot(0.85, 0.6) + 0.3
    assert ways(np.array([-1.0, 0.0])) == pytest.approx(corner, rel=0.04)
    assert ways(np.array([0.5, 0.0])) == pytest.approx(0.5, abs=0.03)
    whole = np.array([[-0.05, -1.37, 0.05, 1.37]])
    assert Ways(whole, np.array([1.0, 0.0]), HALF, 0.1)(np.array([-1.0, 0.0])) == np.inf


def test_one_step_is_that_of_the_paper_model():
    """Exactly while the disc does not stop within the step, nearly where it does."""
    env, rng = FlyerEnv(), np.random.default_rng(0)
    for _ in range(60):
        velocity, jets = rng.uniform(-0.2, 0.2, 2), rng.integers(-1, 2, 2)
        seen = put(env, scene(), velocity)
        after = env.step(jets)[0]
        moved, fast = paper(velocity, jets)
        stops = np.sign(fast) * np.sign(velocity) <= 0
        error = np.abs(np.stack([after[:2] - seen[:2] - moved, after[2:4] - fast]))
        assert error.max() < 0.025
        assert (error[:, ~stops] < 1e-3).all()


def test_friction_stops_the_disc_and_one_jet_starts_it():
    env = FlyerEnv()
    put(env, scene(), (0.1, -0.1))
    speeds = [np.abs(env.step(np.zeros(2, int))[0][2:4]).max() for _ in range(9)]
    assert speeds[2] > 0.04
    assert speeds[-1] < 1e-3
    put(env, scene())
    assert env.step(np.array([1, 0]))[0][2] == pytest.approx(0.075, abs=1e-3)


def test_a_box_stops_the_disc_and_is_a_contact():
    env = FlyerEnv()
    put(env, scene(boxes=[(0.0, -0.3, 0.4, 0.3)]), (0.2, 0.0))
    seen = [env.step(np.array([1, 0])) for _ in range(6)]
    assert max(o[0] for o, *_ in seen) < -RADIUS + 0.01
    assert not seen[0][-1]["contact"]
    assert seen[-1][-1]["contact"]
    assert seen[-1][-1]["fuel"] == 6
    put(env, scene(start=(1.6, 0.0)), (0.2, 0.0))
    walls = [env.step(np.array([1, 0])) for _ in range(6)]
    assert max(o[0] for o, *_ in walls) < HALF[0] - RADIUS + 0.01


def test_the_door_blocks_when_closed_and_lets_through_when_open():
    env, door = FlyerEnv(), (0.0, -0.4, 0.1, 0.4)
    for closed, passes in (((0, 30), False), ((0, -1), True), ((20, 30), True), ((2, 30), False)):
        put(env, scene([closed], door=door, start=(-0.6, 0.0)), (0.15, 0.0))
        seen = [env.step(np.array([int(t % 3 == 0), 0])) for t in range(9)]
        assert (seen[-1][0][0] > 0.2) == passes, closed
        assert any(i["contact"] for *_, i in seen) != passes


def test_windows_count_from_now_and_a_step_of_the_door_needs_both_its_ends():
    env, door = FlyerEnv(), (0.0, -0.4, 0.1, 0.4)
    seen = put(env, scene([(3, 5), (9, NEVER)], door=door), step=0)
    assert seen[54:].tolist() == [3, 5, 9, NEVER, 0, -1]
    seen = env.step(np.zeros(2, int))[0]
    assert seen[54:].tolist() == [2, 4, 8, NEVER - 1, -1, -2]
    # the disc lies against the door: it may come in from step 5, the last one of being closed
    put(env, scene([(3, 5)], door=door, start=(-0.1, 0.0)), (0.15, 0.0), step=4)
    assert env.step(np.array([1, 0]))[0][0] < -0.09
    assert env.step(np.array([1, 0]))[0][0] > -0.08


def test_the_door_does_not_close_on_the_disc_but_that_is_a_contact():
    env, door = FlyerEnv(), (0.0, -0.4, 0.1, 0.4)
    put(env, scene([(1, 30)], door=door, start=(0.05, 0.0)))
    seen = [env.step(np.zeros(2, int)) for _ in range(3)]
    assert [i["contact"] for *_, i in seen] == [False, True, True]
    assert abs(seen[-1][0][0] - 0.05) < 1e-6


def test_the_episode_ends_at_the_goal_at_rest():
    env = FlyerEnv()
    for start, velocity, success in (
        ((0.95, 0.0), (0.0, 0.0), True),
        ((0.93, 0.0), (0.0, 0.0), False),
        ((0.9, 0.0), (0.15, 0.0), False),
    ):
        put(env, scene(start=start), velocity)
        *_, terminated, truncated, info = env.step(np.zeros(2, int))
        assert (terminated, truncated, info["is_success"]) == (success, False, success)
    assert info["error"] < SUCCESS[0]  # there, but too fast


def test_the_reward_is_the_price_of_jets_and_distance():
    env = FlyerEnv()
    put(env, scene(goal=(1.0, 0.5)))
    seen, reward, *_, info = env.step(np.array([1, -1]))
    distance = np.abs(seen[:2] - seen[4:6]).sum()
    assert reward == pytest.approx(-(0.2 + 0.05 * distance))
    assert info["cost"] == -reward


def test_a_saved_state_continues_bit_for_bit_in_another_scene():
    env, other = FlyerEnv(), FlyerEnv(boxes=7, door=False)
    env.reset(seed=3)
    rng = np.random.default_rng(0)
    for _ in range(9):
        env.step(rng.integers(-1, 2, 2))
    other.reset(seed=1)
    assert np.array_equal(other.set_state(env.get_state()), env._observe())
    for _ in range(20):
        jets = rng.integers(-1, 2, 2)
        one, two = env.step(jets), other.step(jets)
        assert np.array_equal(one[0], two[0])
        assert one[1:] == two[1:]


def test_data_fly_in_the_open_with_jets_on_or_off_faster_than_the_limit_and_at_rest():
    env = FlyerEnv()
    env.reset(seed=0)
    before = env.get_state()
    data = env.collect_episodes(20, 40, seed=0)
    assert np.array_equal(before, env.get_state())
    same = env.collect_episodes(5, 40, seed=0, workers=2)
    assert np.array_equal(same["observations"], data["observations"][:5])
    assert np.array_equal(data["observations"][0, 0], env.reset(seed=int(data["seeds"][0]))[0])
    assert set(np.unique(data["actions"])) == {-1.0, 0.0, 1.0}
    seen = data["observations"]
    speed = np.abs(seen[..., 2:4])
    assert 0.25 < speed.max() < 0.4
    assert (speed < 1e-3).mean() > 0.05
    moved = np.diff(seen[..., :2], axis=1) - SECONDS * (seen[:, 1:, 2:4] + seen[:, :-1, 2:4]) / 2
    assert np.abs(moved).max() < 0.025  # nothing was in the way


def test_what_is_no_jet_is_refused_and_changes_nothing():
    env = FlyerEnv()
    env.reset(seed=0)
    before = env.get_state()
    with pytest.raises(TaskError, match=r"0\.5.*jets are -1, 0 or 1"):
        env.step(np.array([0.5, 0.0]))
    assert np.array_equal(before, env.get_state())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"boxes": 12}, "boxes is 12, expected a whole number from 7 to 11"),
        ({"boxes": 7.5}, "boxes is 7.5"),
        ({"door": 1}, "door is 1, expected true or false"),
        ({"render_mode": "human"}, "rgb_array"),
    ],
)
def test_wrong_arguments_are_refused_in_one_line(arguments, message):
    with pytest.raises(TaskError, match=message) as raised:
        FlyerEnv(**arguments)
    assert "\n" not in str(raised.value)


def test_a_layout_is_a_vector_and_back():
    layout = draw_layout(np.random.default_rng(0), 8, True)
    again = Layout.of(layout.vector())
    assert layout.vector().shape == (SIZE,)
    assert np.array_equal(again.boxes, layout.boxes)
    assert np.array_equal(again.closed, layout.closed)
