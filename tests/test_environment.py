"""Environments by id: flat spaces, and errors that name the nearest id."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.envs.registration import EnvSpec

from sparsectl import environment
from sparsectl.errors import ConfigError, MissingExtra
from sparsectl.task import ActionConfig, ObservationConfig, Task, TaskConfig


class Shaped(gymnasium.Env):
    """Spaces as given; the observation is the sample that `reset` draws."""

    def __init__(self, observation: spaces.Space, action: spaces.Space) -> None:
        self.observation_space, self.action_space = observation, action

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.observation_space.seed(seed)
        return self.observation_space.sample(), {}

    def step(self, action):
        assert np.shape(action) == self.action_space.shape
        return self.observation_space.sample(), 0.0, False, False, {}


@pytest.fixture
def shaped():
    gymnasium.register(id="Shaped-v0", entry_point=Shaped)
    yield lambda o, a: environment.make("Shaped-v0", {"observation": o, "action": a})
    del gymnasium.registry["Shaped-v0"]


def box(*shape: int) -> spaces.Box:
    return spaces.Box(-1, 1, shape, np.float64)


def test_a_flat_environment_is_left_alone():
    env = environment.make("Reacher-v5", {"max_episode_steps": 7})
    assert env.observation_space.shape == (10,)
    assert env.spec.max_episode_steps == 7


def test_boxes_in_dicts_and_tuples_are_flattened_in_gymnasiums_order(shaped):
    space = spaces.Dict({"b": box(2), "a": spaces.Tuple([box(3), box(2, 2)])})
    env = shaped(space, box(1))
    observation, _ = env.reset(seed=3)
    inner, _ = env.unwrapped.reset(seed=3)
    expected = [inner["a"][0], inner["a"][1].ravel(), inner["b"]]
    assert env.observation_space.shape == (9,)
    np.testing.assert_array_equal(observation, np.concatenate(expected))


def test_the_parts_of_a_flat_observation_have_names(shaped):
    parts = {"levels": box(2), "goal": box(1), "arm": spaces.Tuple([box(2, 2), box(1)])}
    assert shaped(spaces.Dict(parts), box(1)).entries.names == {
        "arm.0": range(4), "arm.1": range(4, 5), "goal": range(5, 6), "levels": range(6, 8)
    }  # fmt: skip
    assert shaped(box(3), box(1)).entries.names == {}


def test_a_task_reads_the_parts_of_a_dict_by_name(shaped):
    env = shaped(spaces.Dict({"speed": box(3), "place": box(2)}), box(1))
    state = {"place": "place", "speed": "speed[1:3]"}
    task = Task.of(TaskConfig(ObservationConfig(state)), env)
    np.testing.assert_array_equal(task.map.state(np.arange(5.0)), [0, 1, 3, 4])
    for wrong, told in (
        ({"a": "plce"}, r"cannot read 'plce', .*\(did you mean 'place'\?\)"),
        ({"a": "plce[0]"}, r"no such part, or a name \(did you mean 'place'\?\)"),
        ({"a": "place[1:3]"}, r"place\[1:3\] is outside the observation, which has 2 entries"),
    ):
        with pytest.raises(ConfigError, match=told):
            Task.of(TaskConfig(ObservationConfig(wrong)), env)


def test_a_class_of_a_module_is_an_environment(tmp_path, monkeypatch):
    (tmp_path / "slider_of_mine.py").write_text(
        "import gymnasium\n"
        "class Slider(gymnasium.Env):\n"
        "    observation_space = gymnasium.spaces.Box(-1, 1, (2,))\n"
        "    action_space = gymnasium.spaces.Box(-1, 1, (1,))\n"
        "    def __init__(self, speed=1): self.speed = speed\n"
        "gymnasium.register('SliderOfMine-v3', entry_point=Slider)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    with environment.make("slider_of_mine:Slider", {"speed": 2, "max_episode_steps": 5}) as env:
        assert env.unwrapped.speed == 2
        assert (env.spec.id, env.spec.max_episode_steps) == ("slider_of_mine:Slider", 5)
        again = gymnasium.make(EnvSpec.from_json(env.spec.to_json()))
        assert again.unwrapped.speed == 2
    for wrong, near in (("Slidr", "Slider"), ("SliderOfMin-v3", "SliderOfMine-v3")):
        with pytest.raises(ConfigError, match=f"registers no such id .did you mean '{near}'"):
            environment.make(f"slider_of_mine:{wrong}")
    del gymnasium.registry["SliderOfMine-v3"]


def test_actions_of_several_axes_become_a_vector(shaped):
    env = shaped(box(2), box(2, 3))
    assert env.action_space.shape == (6,)
    env.reset(seed=0)
    env.step(np.zeros(6))


def test_flattened_environments_can_be_made_from_their_spec(shaped):
    env = shaped(spaces.Dict({"a": box(2)}), box(2, 3))
    again = gymnasium.make(env.spec)
    assert again.action_space.shape == (6,)
    assert again.observation_space.shape == (2,)


@pytest.mark.parametrize("name", ["Reachr-v5", "sparsectl/Rop-v0"])
def test_an_unknown_id_is_answered_with_the_nearest(name):
    nearest = {"R": "Reacher-v5", "s": "sparsectl/Rope-v0"}[name[0]]
    with pytest.raises(ConfigError, match=f"unknown environment '{name}'.*'{nearest}'"):
        environment.make(name)


def test_an_id_like_nothing_is_answered_with_the_bundled_ones():
    with pytest.raises(ConfigError, match=r"bundled: .*sparsectl/PushT-v0"):
        environment.make("qqqq")


def test_a_missing_package_is_named():
    with pytest.raises(MissingExtra, match="no_such_package"):
        environment.make("no_such_package:Thing-v0")


def test_an_id_that_the_package_does_not_register_is_a_config_error():
    with pytest.raises(ConfigError, match="Thing"):
        environment.make("json:Thing-v0")


@pytest.mark.parametrize(
    ("env_id", "kwargs"), [("Reacher-v5", {"colour": 1}), ("sparsectl/Rope-v0", {"pole": "maybe"})]
)
def test_arguments_that_the_environment_refuses_are_shown(env_id, kwargs):
    with pytest.raises(ConfigError, match=next(iter(kwargs))):
        environment.make(env_id, kwargs)


WHOLE = {
    "discrete": (spaces.Discrete(3, start=-1), [range(-1, 2)]),
    "several": (
        spaces.MultiDiscrete([2, 3], start=[1, -1]),
        [range(1, 3), range(-1, 2)],
    ),
    "matrix": (
        spaces.MultiDiscrete(np.array([[2, 3], [4, 5]])),
        [range(2), range(3), range(4), range(5)],
    ),
    "binary": (spaces.MultiBinary((2, 2)), [range(2)] * 4),
    "integers": (spaces.Box(-3, 3, (1, 2), np.int64), [range(-3, 4)] * 2),
    "bytes": (spaces.Box(0, 255, (1,), np.uint8), [range(256)]),
    "truths": (spaces.Box(0, 1, (2,), np.bool_), [range(2)] * 2),
}


class Exact(Shaped):
    """Keeps the action that it was given, and takes none outside its space."""

    def step(self, action):
        assert self.action_space.contains(action), action
        self.given = action
        return super().step(action)


@pytest.mark.parametrize("name", WHOLE)
def test_whole_numbers_are_a_box_of_reals_and_executed_as_the_environments_own(name):
    space, expected = WHOLE[name]
    gymnasium.register(id="Exact-v0", entry_point=Exact)
    try:
        env = environment.make("Exact-v0", {"observation": box(2), "action": space})
    finally:
        del gymnasium.registry["Exact-v0"]
    assert environment.levels(env) == expected
    assert env.action_space.shape == (len(expected),)
    low, high = env.action_space.low, env.action_space.high
    assert [(r.start, r.stop - 1) for r in expected] == list(zip(low, high, strict=True))
    env.reset(seed=0)
    rng = np.random.default_rng(0)
    for _ in range(50):
        wish = rng.uniform(low - 0.5, high + 0.5)
        env.step(wish)
        executed = np.ravel(env.unwrapped.given).astype(float)
        np.testing.assert_array_equal(executed, env.inside(wish))
        np.testing.assert_array_equal(executed, np.clip(np.rint(wish), low, high))
        np.testing.assert_array_equal(env.row(env.unwrapped.given), executed)
    assert type(env.unwrapped.given) is np.int64 or name != "discrete"


def test_integers_without_a_limit_are_an_unbounded_box(shaped):
    env = shaped(box(2), spaces.Box(-np.inf, np.inf, (2,), np.int64))
    assert list(env.action_space.low) == [-np.inf, -np.inf]
    assert list(env.action_space.high) == [np.inf, np.inf]
    with pytest.raises(ConfigError, match="unbounded"):
        Task.of(TaskConfig(), env)
    task = Task.of(TaskConfig(action=ActionConfig(low=[-1.5, 0], high=[2, 3])), env)
    assert [p[:, 0].tolist() for p in task.inputs.pieces] == [[-1, 0, 1, 2], [0, 1, 2, 3]]
    with pytest.raises(ConfigError, match=r"entry 1: 1e.06 whole numbers, at most 10000; narrow"):
        Task.of(TaskConfig(action=ActionConfig(low=0, high=[2, 1e6 - 1])), env)


def test_real_actions_have_no_levels(shaped):
    assert environment.levels(shaped(box(2), box(2, 3))) is None


@pytest.mark.parametrize(
    "space", [spaces.Dict({"a": box(1)}), spaces.Tuple([spaces.Discrete(2)]), spaces.Text(3)]
)
def test_actions_without_numbers_are_refused_with_the_space_that_was_found(shaped, space):
    with pytest.raises(ConfigError, match=r"has action space .*expected|planning needs numbers"):
        shaped(box(2), space)


def test_entries_of_a_dict_that_are_no_boxes_are_left_out(shaped):
    others = {"kind": spaces.Discrete(3), "on": spaces.MultiBinary(2), "word": spaces.Text(5)}
    inner = spaces.Dict({"word": spaces.Text(5), "b": box(1)})
    env = shaped(spaces.Dict({"a": box(2), "inner": inner, **others}), box(1))
    assert {k: [*v] for k, v in env.entries.names.items()} == {"a": [0, 1], "inner.b": [2]}
    assert env.reset(seed=0)[0].shape == env.observation_space.shape == (3,)
    assert env.step(np.zeros(1))[0].shape == (3,)


def test_observations_that_are_not_real_numbers_are_refused_by_part(shaped):
    space = spaces.Dict({"kind": spaces.Discrete(3)})
    with pytest.raises(ConfigError, match=r"observation\['kind'\] has space Discrete\(3\)"):
        shaped(space, box(1))
