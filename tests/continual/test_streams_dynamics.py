"""Streams of dynamics: what is recorded, kept, padded and scaled."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

import gymnasium
import numpy as np
import pytest
import torch

import sparsectl  # noqa: F401
from sparsectl import environment
from sparsectl.config import from_dict, load_yaml
from sparsectl.continual.experiment import ContinualExperiment
from sparsectl.continual.stream import Stream
from sparsectl.continual.streams import DynamicsStream, build
from sparsectl.continual.streams.places import differences, entries
from sparsectl.data import CollectConfig, load_minari
from sparsectl.errors import ConfigError

torch.set_num_threads(1)
DATA = CollectConfig(transitions=400, episode_steps=20)
CHEETAH = DynamicsStream(
    name="two bodies",
    env="sparsectl/HalfCheetah-v0",
    bodies={"normal": {}, "Big Foot": {"foot": 1.5}},
    data=DATA,
)


CONFIGS = Path(__file__).parents[2] / "configs"
DYNAMICS = sorted(
    path.stem.removeprefix("continual_")
    for path in CONFIGS.glob("continual_*.yaml")
    if load_yaml(path)["stream"]["kind"] == "dynamics"
)


def committed(name: str) -> DynamicsStream:
    """The stream of a committed study."""
    found = from_dict(ContinualExperiment, load_yaml(CONFIGS / f"continual_{name}.yaml"))
    assert isinstance(found.stream, DynamicsStream)
    return found.stream


def physical(stream: Stream, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Test [x; u] and x' of task k."""
    task, scaling = stream.tasks[k], stream.scaling
    assert scaling is not None
    both = task.test_inputs.double() * scaling.input_std + scaling.input_mean
    change = task.test_targets.double() * scaling.output_std + scaling.output_mean
    return both.numpy(), (both[:, : stream.n_out] + change).numpy()


def test_targets_are_what_the_environment_does():
    stream = build(CHEETAH)
    assert (stream.kind, stream.name, stream.n_in, stream.n_out) == (
        "regression", "two bodies", 23, 17,
    )  # fmt: skip
    for k, task in enumerate(stream.tasks):
        env = environment.make(task.env_id, task.env_kwargs).unwrapped
        both, after = physical(stream, k)
        env.reset(seed=0)
        state = env.get_state()
        # episodes of 20 steps are cut off at their end, so rows t and t + 1 follow each other
        assert np.abs(both[1:20, :17] - after[:19]).max() < 1e-4
        state[2:10], state[10:19] = both[3, :8], both[3, 8:17]
        env.set_state(state)
        seen = env.step(both[3, 17:])[0]
        assert np.abs(seen - after[3]).max() < 0.05 * np.abs(after[3]).max()


def test_scaling_comes_from_the_first_task_only():
    stream = build(CHEETAH)
    first, second = stream.tasks
    for values in (first.inputs, first.targets):
        assert values.mean(0).abs().max() < 1e-5
        assert (values.std(0, correction=0) - 1).abs().max() < 1e-5
    assert (second.inputs.std(0) - 1).abs().max() > 0.05
    alone = build(replace(CHEETAH, bodies={"Big Foot": {"foot": 1.5}}))
    assert alone.scaling is not None
    assert stream.scaling is not None
    assert not torch.allclose(alone.scaling.input_std, stream.scaling.input_std, rtol=0.01)


def test_whole_episodes_are_held_out():
    stream = build(CHEETAH)
    assert [(len(t.inputs), len(t.test_inputs)) for t in stream.tasks] == [(320, 80)] * 2
    train = {row.numpy().tobytes() for row in stream.tasks[0].inputs}
    assert not any(row.numpy().tobytes() in train for row in stream.tasks[0].test_inputs)


def test_recordings_are_kept_as_minari_and_used_again(tmp_path, monkeypatch):
    fresh = build(CHEETAH, 0, tmp_path)
    kept = load_minari("two-bodies/big-foot-v0", tmp_path / "data")
    assert kept.transitions == 400
    assert (kept.env_id, kept.env_kwargs) == ("sparsectl/HalfCheetah-v0", {"foot": 1.5})
    from sparsectl.continual.streams import recording

    def never(*_, **__):
        raise AssertionError("recorded again")

    monkeypatch.setattr(recording, "record", never)
    again = build(CHEETAH, 1, tmp_path)  # all seeds learn from the same data
    without = [(t.inputs, t.targets, t.test_inputs, t.test_targets) for t in fresh.tasks]
    for before, task in zip(without, again.tasks, strict=True):
        after = (task.inputs, task.targets, task.test_inputs, task.test_targets)
        assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_an_interrupted_recording_goes_on_with_the_body_it_was_at(tmp_path):
    build(replace(CHEETAH, bodies={"normal": {}}), 0, tmp_path)
    # what a kill between note and data leaves behind
    (tmp_path / "data" / "two-bodies.big-foot.json").write_text("{}")
    stream = build(CHEETAH, 0, tmp_path)
    assert torch.equal(stream.tasks[1].inputs, build(CHEETAH).tasks[1].inputs)


def test_bodies_of_other_sizes_are_padded():
    links = replace(committed("swim_links"), data=DATA)
    stream = build(links)
    assert (stream.n_in, stream.n_out) == (28, 23)
    both, after = physical(stream, 2)  # 4 links: 3 joints and 12 velocities
    layout = stream.tasks[2].layout
    assert layout is not None
    free = sorted(set(range(23)) - set(layout.place))
    assert free == [3, 4, *range(17, 23)]
    assert np.abs(both[:, free]).max() < 1e-6
    assert np.abs(after[:, free]).max() < 1e-6
    assert np.abs(both[:, [26, 27]]).max() < 1e-6
    assert np.abs(both[:, layout.place]).std(0).min() > 1e-4
    in_front = build(replace(links, places={}))
    assert in_front.tasks[2].layout.place == tuple(range(15))


def test_only_the_named_entries_are_the_state():
    push = replace(committed("pusht_bodies"), bodies={"normal": {}}, data=DATA)
    stream = build(push)
    assert (stream.n_in, stream.n_out) == (12, 10)
    both, after = physical(stream, 0)
    moved = np.abs(after - both[:, :10] - np.pad(0.02 * both[:, 10:], ((0, 0), (8, 0))))
    assert moved[:, 8:].max() < 2e-3  # the pusher goes where it is told


def test_transitions_beyond_bounds_are_left_out():
    config = replace(CHEETAH, within={"1": (-0.1, 0.1), "8:9": (-1.0, 1.0)})
    stream = build(config)
    for k in range(2):
        both, after = physical(stream, k)
        for x in (both, after):
            assert np.abs(x[:, 1]).max() < 0.1 + 1e-5
            assert np.abs(x[:, 8]).max() < 1.0 + 1e-4
    assert 0 < len(stream.tasks[0].inputs) < 320


def test_a_sequence_can_come_twice():
    stream = build(replace(CHEETAH, repeats=2))
    assert [t.name for t in stream.tasks] == ["normal", "Big Foot", "normal (2)", "Big Foot (2)"]
    assert stream.tasks[2].inputs is stream.tasks[0].inputs


def test_any_environment_is_recorded_at_random():
    config = DynamicsStream(
        name="poles",
        env="InvertedPendulum-v5",
        bodies={"plain": {}, "quiet": {"reset_noise_scale": 0.001}},
        data=CollectConfig(transitions=150, episode_steps=20, scale=0.3),
    )
    stream = build(config)
    assert (stream.n_in, stream.n_out) == (5, 4)
    assert all(len(t.inputs) + len(t.test_inputs) >= 150 for t in stream.tasks)
    assert torch.equal(stream.tasks[0].inputs, build(config).tasks[0].inputs)


class Breaking(gymnasium.Env):
    """Every third episode of this one is not finite."""

    observation_space = gymnasium.spaces.Box(-1.0, 1.0, (2,))
    action_space = gymnasium.spaces.Box(-1.0, 1.0, (1,))

    def __init__(self, period: int = 3) -> None:
        self.period, self.episode = period, -1

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.episode += 1
        self.x = self.np_random.uniform(-1, 1, 2).astype(np.float32)
        return self.x, {}

    def step(self, action):
        self.x = 0.9 * self.x + 0.1 * np.float32(action)
        if self.episode % self.period == 0:
            self.x = self.x * np.float32(np.nan)
        return self.x, 0.0, False, False, {}


@pytest.fixture
def breaking():
    gymnasium.register("test/Breaking-v0", entry_point=Breaking, disable_env_checker=True)
    yield DynamicsStream(name="breaking", env="test/Breaking-v0", bodies={"a": {}}, data=DATA)
    del gymnasium.registry["test/Breaking-v0"]


def test_diverged_episodes_are_dropped_and_counted(breaking, tmp_path):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        stream = build(breaking, 0, tmp_path)
    assert any("10 episodes of 'a' diverged and were dropped" in str(w.message) for w in caught)
    assert torch.isfinite(stream.tasks[0].inputs).all()
    assert len(stream.tasks[0].inputs) + len(stream.tasks[0].test_inputs) == 400
    with pytest.warns(UserWarning, match="10 episodes"):
        build(breaking, 0, tmp_path)  # it is known of kept recordings too


@pytest.mark.parametrize("name", DYNAMICS)
def test_the_bodies_of_committed_streams_can_be_made(name):
    config = committed(name)
    for kwargs in config.bodies.values():
        environment.make(config.env, kwargs).close()


def test_entries_are_read_in_order():
    assert entries("0:3, 5", "here") == (0, 1, 2, 5)
    assert entries("4,0:2", "here") == (4, 0, 1)


def test_differences_are_pairs():
    assert differences({"0:4": "8:10"}) == ((0, 8), (1, 9), (2, 8), (3, 9))
    assert differences({}) == ()


@pytest.mark.parametrize(
    ("relative", "told"),
    [
        ({"0:3": "8:10"}, "cannot be divided"),
        ({"0:2": "8:10", "1": "8"}, "comes twice"),
        ({"0:2": "2:4", "2": "8"}, "itself a reference"),
        ({"0:x": "8"}, "names no entries"),
    ],
)
def test_differences_that_cannot_be_are_refused(relative, told):
    with pytest.raises(ConfigError, match=told):
        replace(CHEETAH, relative=relative)


def test_a_network_reads_differences_and_predicts_the_state():
    plain = build(CHEETAH)
    near = build(replace(CHEETAH, relative={"2:4": "4:6"}))
    seen, told = physical(plain, 1)[0], physical(near, 1)[0]
    np.testing.assert_allclose(told[:, 2:4], seen[:, 2:4] - seen[:, 4:6], atol=1e-5)
    np.testing.assert_allclose(told[:, 4:], seen[:, 4:], atol=1e-5)
    torch.testing.assert_close(near.tasks[1].targets, plain.tasks[1].targets)
    with pytest.raises(ConfigError, match="the state has 17 entries"):
        build(replace(CHEETAH, relative={"17": "2"}))
