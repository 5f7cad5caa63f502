"""The half cheetah: gymnasium's own where nothing is changed, exact states, recordings."""

from __future__ import annotations

import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from sparsectl.envs.cheetah.body import Body, lowest
from sparsectl.envs.cheetah.env import HalfCheetahEnv
from sparsectl.envs.errors import TaskError

BODIES = [{}, {"foot": 1.25, "lost_sensors": [0, 9]}, {"gravity": 0.15, "load": 4.0}]


@pytest.fixture
def original(tmp_path, monkeypatch):
    """Gymnasium's environment; its XML makes MuJoCo write a warning into the current folder."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    env = gymnasium.make("HalfCheetah-v5")
    monkeypatch.chdir(tmp_path)
    yield env
    env.close()


def act(rng):
    return rng.uniform(-1.0, 1.0, 6)


def test_the_usual_body_is_gymnasiums_step_by_step(original):
    env, rng = gymnasium.make("sparsectl/HalfCheetah-v0"), np.random.default_rng(0)
    ours, theirs = env.unwrapped, original.unwrapped
    for seed in range(2):
        a, b = env.reset(seed=seed)[0], original.reset(seed=seed)[0]
        assert np.array_equal(a, b)
        for _ in range(400):
            action = act(rng)
            o1, r1, *_, i1 = env.step(action)
            o2, r2, *_, i2 = original.step(action)
            assert np.abs(o1 - o2).max() < 1e-9
            assert np.abs(ours._data.qpos - theirs.data.qpos).max() < 1e-9
            assert r1 == pytest.approx(r2, abs=1e-9)
            assert i1["x_velocity"] == pytest.approx(i2["x_velocity"], abs=1e-9)
    assert env.spec.max_episode_steps == 1000


@pytest.mark.parametrize("kwargs", BODIES, ids=str)
def test_gymnasium_finds_nothing_to_complain_about(kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(HalfCheetahEnv(**kwargs), skip_render_check=True)


def mass(body):
    model = body.build()[0]
    return {model.body(i).name: model.body_mass[i] for i in range(1, model.nbody)}


@pytest.mark.parametrize(
    ("part", "grown"),
    [("torso", ["torso"]), ("thigh", ["bthigh", "fthigh"]), ("shin", ["bshin", "fshin"]),
     ("foot", ["bfoot", "ffoot"])],
)  # fmt: skip
def test_a_larger_part_is_heavier_by_the_third_power_and_no_other_is(part, grown):
    usual, other = mass(Body()), mass(Body(**{part: 1.25}))
    for name, value in usual.items():
        factor = 1.25**3 if name in grown else 1.0
        assert other[name] == pytest.approx(factor * value, rel=1e-9), name
    assert sum(usual.values()) == pytest.approx(14.0, abs=1e-9)


def test_load_gravity_and_friction_change_nothing_else():
    usual, other = mass(Body()), mass(Body(load=4.0))
    assert other == pytest.approx({**usual, "torso": 4.0 * usual["torso"]})
    a, b = Body().build()[0], Body(gravity=0.15, friction=0.4).build()[0]
    assert b.opt.gravity[2] == pytest.approx(0.15 * -9.81)
    assert b.geom_friction == pytest.approx(0.4 * a.geom_friction)
    assert b.body_mass == pytest.approx(a.body_mass)
    assert b.body_inertia == pytest.approx(a.body_inertia)


def test_larger_legs_start_with_their_feet_at_the_usual_height():
    usual, _ = Body().build()
    for part in ("thigh", "shin", "foot"):
        model, stance = Body(**{part: 1.5}).build()
        assert stance[1] > 0.03
        assert lowest(model) + stance[1] == pytest.approx(lowest(usual))


def test_what_is_attached_to_a_larger_part_moves_along():
    usual, other = Body().build()[0], Body(shin=1.25).build()[0]
    for side in "bf":
        assert other.body(f"{side}foot").pos == pytest.approx(1.25 * usual.body(f"{side}foot").pos)
        assert other.body(f"{side}shin").pos == pytest.approx(usual.body(f"{side}shin").pos)


@pytest.mark.parametrize("kwargs", BODIES, ids=str)
def test_a_saved_state_continues_bit_for_bit_elsewhere(kwargs):
    env, rng = HalfCheetahEnv(**kwargs), np.random.default_rng(1)
    env.reset(seed=3)
    for _ in range(37):
        last = env.step(act(rng))[0]
    state = env.get_state()
    actions = [act(rng) for _ in range(50)]
    first = [env.step(a) for a in actions]
    other = HalfCheetahEnv(**kwargs)
    assert np.array_equal(other.set_state(state), last)
    assert np.array_equal(other.get_state(), state)
    for (o1, r1, *_, i1), a in zip(first, actions, strict=True):
        o2, r2, *_, i2 = other.step(a)
        assert np.array_equal(o1, o2)
        assert (r1, i1) == (r2, i2)


def test_recorded_episodes_are_those_of_the_environment():
    env = HalfCheetahEnv(thigh=1.25)
    data = env.collect_episodes(70, 20, seed=4)
    assert np.array_equal(data["observations"], env.collect_episodes(70, 20, 4, 2)["observations"])
    few = env.collect_episodes(3, 20, seed=4)
    assert np.array_equal(few["observations"], data["observations"][:3])
    assert not data["diverged"].any()
    for i in (0, 69):
        assert np.array_equal(env.reset(seed=int(data["seeds"][i]))[0], data["observations"][i, 0])
        for t in range(20):
            observation, reward, *_ = env.step(data["actions"][i, t])
            assert np.array_equal(observation, data["observations"][i, t + 1])
            assert reward == data["rewards"][i, t]


def test_recordings_cover_fast_motion_both_ways():
    data = HalfCheetahEnv().collect_episodes(60, 100, seed=0)
    speed = data["observations"][..., 8]
    assert speed.min() < -3.0
    assert speed.max() > 3.0
    assert (np.abs(data["observations"][..., 1]) < 1.6).mean() > 0.85
    assert np.abs(data["actions"]).max() == 1.0


def test_lost_sensors_read_nothing_while_reward_and_info_stay_true():
    whole, lost = HalfCheetahEnv(), HalfCheetahEnv(lost_sensors=(8, 2))
    a, b = whole.reset(seed=1)[0], lost.reset(seed=1)[0]
    rng = np.random.default_rng(0)
    for _ in range(20):
        action = act(rng)
        a, reward, *_, info = whole.step(action)
        b, other, *_, told = lost.step(action)
        assert (reward, info) == (other, told)
    assert not b[[2, 8]].any()
    assert np.array_equal(np.delete(a, [2, 8]), np.delete(b, [2, 8]))


def test_success_is_running_at_the_desired_speed():
    env = HalfCheetahEnv(desired_speed=0.01)
    env.reset(seed=0)
    infos = [env.step(act(np.random.default_rng(i)))[4] for i in range(20)]
    for info in infos:
        assert info["is_success"] == (info["x_velocity"] >= 0.01)
        assert info["error"] == pytest.approx(max(0.01 - info["x_velocity"], 0.0))
    assert {i["is_success"] for i in infos} == {True, False}


def test_a_diverged_simulation_stays_where_it_was_sound(tmp_path):
    env = HalfCheetahEnv()
    env.reset(seed=0)
    state = env.get_state()
    state[1 + 9 + 3] = 1e9  # the hind thigh's velocity
    env.set_state(state)
    before = env.get_state()
    *_, info = env.step(np.zeros(6))
    (tmp_path / "MUJOCO_LOG.TXT").unlink()  # this one time it is meant to go wrong
    assert info["diverged"]
    assert not info["is_success"]
    _, reward, *_ = env.step(np.ones(6))
    assert reward == 0.0
    assert np.array_equal(env.get_state()[:-1], before[:-1])
    env.reset(seed=0)
    assert not env.step(np.zeros(6))[4]["diverged"]


@pytest.mark.parametrize(
    ("kwargs", "text"),
    [({"foot": 3.0}, "foot is 3.0, expected a number from 0.5 to 2"),
     ({"gravity": "low"}, "gravity is 'low'"), ({"load": 0.0}, "load"),
     ({"friction": float("nan")}, "friction"),
     ({"lost_sensors": [17]}, "a lost sensor is 17, expected a whole number from 0 to 16"),
     ({"lost_sensors": "all"}, "expected a list"), ({"render_mode": "human"}, "rgb_array")],
    ids=str,
)  # fmt: skip
def test_wrong_arguments_are_named(kwargs, text):
    with pytest.raises(TaskError, match=text):
        HalfCheetahEnv(**kwargs)


def test_wrong_actions_and_states_are_named():
    env = HalfCheetahEnv()
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(np.zeros(6))
    env.reset(seed=0)
    with pytest.raises(TaskError, match=r"shape \(5,\), expected \(6,\)"):
        env.step(np.zeros(5))
    with pytest.raises(TaskError, match="not finite"):
        env.step(np.full(6, np.nan))
    with pytest.raises(TaskError, match="get_state"):
        env.set_state(np.zeros(3))


def test_the_camera_follows_the_body():
    env = HalfCheetahEnv(render_mode="rgb_array", width=96, height=64)
    env.reset(seed=0)
    first = env.render()
    assert first.shape == (64, 96, 3)
    state = env.get_state()
    state[1] += 500.0
    env.set_state(state)
    far = env.render()
    env.close()
    assert np.abs(first.astype(int) - far).mean() < 40  # the body is still in the middle
    assert first.std() > 5
