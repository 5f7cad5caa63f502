"""A gate that a spring shuts: only who pushes its rod long enough and hurries comes through."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sparsectl import experiment
from sparsectl.envs.gate.env import SUCCESS, PushGateEnv, clearance
from sparsectl.envs.gate.scene import HALF, KEPT, LEFT, REACH
from sparsectl.envs.scene import PUSHER_RADIUS
from sparsectl.envs.simulator import STEP

CONFIG = Path(__file__).parents[2] / "configs" / "gate.yaml"
GOAL = np.array([-0.2, 0.08])


def put(env, pusher, opening=0.0, goal=GOAL):
    env.reset(seed=0)
    env._data.qpos[:] = [*pusher, opening]
    state = env.get_state()
    state[-3:-1] = goal
    return env.set_state(state)


def go(env, actions):
    return [env.step(np.array(a, dtype=float)) for a in actions]


def towards(env, place, steps):
    """Straight steps to a place, one after the other."""
    seen = []
    for _ in range(steps):
        offset = (np.array(place) - env._data.qpos[:2]) / STEP
        seen.append(env.step(np.clip(offset, -1.0, 1.0)))
    return seen


def paper(pusher_x, opening):
    """Opening after a step that ends with the pusher at x: one ReLU."""
    return max(KEPT * opening, pusher_x + PUSHER_RADIUS - LEFT - REACH)


def test_the_gate_moves_as_one_relu_says():
    data = PushGateEnv().collect_episodes(60, 40, seed=0)["observations"]
    here, there = data[:, :-1].reshape(-1, 5), data[:, 1:].reshape(-1, 5)
    said = [paper(x, o) for x, o in zip(there[:, 0], here[:, 2] - LEFT, strict=True)]
    error = np.abs(there[:, 2] - LEFT - said)
    assert error.mean() < 4e-4
    assert error.max() < 4e-3
    pushed = np.array(said) > KEPT * (here[:, 2] - LEFT) + 1e-9
    assert 0.1 < pushed.mean() < 0.6, "pushes and let-gos are both in the data"


def test_a_gate_that_is_let_go_shuts_by_itself_and_the_pusher_goes_where_it_is_told():
    env = PushGateEnv()
    put(env, (-0.2, -0.1), opening=0.1)
    opened = [info["opening"] for *_, info in go(env, [(0, 0)] * 20)]
    ratio = np.divide(opened[1:], opened[:-1])
    np.testing.assert_allclose(ratio, KEPT, atol=0.015)
    data = env.collect_episodes(60, 40, seed=1)
    slip = np.diff(data["observations"][..., :2], axis=1) - STEP * data["actions"]
    assert np.abs(slip).max() < 3e-4


@pytest.mark.parametrize("x", [-0.2, -0.14, 0.05])
def test_wall_and_shut_gate_are_solid(x):
    env = PushGateEnv()
    put(env, (x, -0.06))
    seen = go(env, [(0, 1)] * 12)
    assert max(o[1] for o, *_ in seen) < -HALF - PUSHER_RADIUS + 1e-3
    assert seen[-1][-1]["clearance"] < 5e-4
    assert seen[-1][-1]["touched"]
    assert not seen[-1][-1]["is_success"]


def test_the_rod_is_not_in_the_far_room_and_cannot_be_passed_in_the_near_one():
    env = PushGateEnv()
    put(env, (-0.1, 0.1))
    assert go(env, [(1, 0)] * 10)[-1][-1]["opening"] < 1e-6
    put(env, (-0.1, -0.2))
    seen = go(env, [(1, 0)] * 10)
    assert all(o[0] + PUSHER_RADIUS < o[2] + REACH + 1e-3 for o, *_ in seen)
    assert seen[-1][-1]["opening"] == pytest.approx(
        -0.1 + 0.2 + PUSHER_RADIUS - LEFT - REACH, abs=2e-3
    )


def crossing(env, far, wait=0):
    """Pushes the rod until the pusher is at x = far, hurries to the doorway, waits, and goes on."""
    put(env, (-0.12, -0.03))
    steps = int(np.ceil((far + 0.12) / STEP))
    seen = towards(env, (far, -0.03), steps)
    back = int(np.ceil((far + 0.135) / STEP))
    seen += towards(env, (-0.135, -0.017), back + wait)
    seen += towards(env, (-0.135, 0.04), 4)
    return seen + towards(env, GOAL, 8)


def test_who_pushes_far_enough_comes_through_untouched():
    seen = crossing(PushGateEnv(), 0.03)
    assert seen[-1][-1]["is_success"]
    assert seen[-1][-1]["error"] < SUCCESS
    assert not seen[-1][-1]["touched"]
    assert min(i["clearance"] for *_, i in seen) > 0.0015


@pytest.mark.parametrize(("far", "wait"), [(-0.05, 0), (0.03, 7)])
def test_who_pushes_less_or_comes_later_does_not(far, wait):
    seen = crossing(PushGateEnv(), far, wait)
    assert seen[-1][-1]["touched"]
    assert not seen[-1][-1]["is_success"]


def test_starts_are_in_front_of_a_shut_gate_left_of_the_rod_and_goals_behind_it():
    env = PushGateEnv()
    for seed in range(20):
        observation, info = env.reset(seed=seed)
        assert info["opening"] == 0.0
        assert observation[1] < -0.03 < 0.04 < observation[4]
        assert observation[0] + PUSHER_RADIUS < LEFT + REACH


def test_clearance_is_the_free_distance():
    assert clearance(np.array([-0.2, -0.1, 0.0])) == pytest.approx(0.1 - HALF - PUSHER_RADIUS)
    assert clearance(np.array([-0.13, 0.0, 0.06])) == pytest.approx(0.02 - PUSHER_RADIUS)
    assert clearance(np.array([-0.13, 0.0, 0.03])) == pytest.approx(0.01 - PUSHER_RADIUS)
    assert clearance(np.array([0.0, 0.0, 0.03])) == pytest.approx(-PUSHER_RADIUS)


def test_the_bundled_task_keeps_the_pusher_out_of_wall_and_gate_between_steps_too():
    priced = experiment.check(experiment.load(CONFIG)).problem(np.zeros(5), 2).cost.priced

    def violated(pusher, edge):
        states = np.column_stack([pusher, edge])
        return priced.violation(states[None])[0] > 1e-6

    through = [(-0.13, -0.03), (-0.13, -0.012), (-0.13, 0.008)]
    assert not violated(through, [-0.11, -0.112, -0.114])
    assert violated(through, [-0.11, -0.118, -0.12]), "the gate is too far shut"
    jump = [(-0.17, -0.03), (-0.17, 0.03), (-0.17, 0.03)]
    assert violated(jump, [-0.11] * 3), "over the wall"


def test_what_the_constraints_allow_is_free_and_what_is_well_free_is_allowed():
    task = experiment.check(experiment.load(CONFIG))
    env, rng = PushGateEnv(), np.random.default_rng(0)
    qpos = rng.uniform([-0.25, -0.05, 0.0], [0.1, 0.05, 0.15], (4000, 3))
    free = np.array([clearance(q) for q in qpos])
    states = task.map.state(env.observe(qpos, GOAL))
    priced = task.problem(np.zeros(5), 1).cost.priced
    violation = priced.violation(np.stack([states, states], axis=1))
    assert free[violation == 0.0].min() > 0.0
    assert (violation[free > 0.008] == 0.0).all()
    assert 400 < (violation == 0.0).sum() < 3600
