"""Recording: seeds, workers, ends of episodes, the environment's own collector."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest

from sparsectl import environment
from sparsectl.data import CollectConfig, Episodes, collect
from sparsectl.data.collect import record_episode
from sparsectl.errors import ConfigError

PENDULUM = "InvertedPendulum-v5"


def same(a: Episodes, b: Episodes) -> bool:
    if not np.array_equal(a.seeds, b.seeds):
        return False
    names = ("observations", "actions", "rewards", "terminations", "truncations")
    pairs = [(x, y) for n in names for x, y in zip(getattr(a, n), getattr(b, n), strict=True)]
    return all(np.array_equal(x, y) for x, y in pairs)


@pytest.fixture(scope="module")
def recorded() -> Episodes:
    return collect(CollectConfig(400, 30, "random", 0.5), PENDULUM, seed=4)


def test_there_are_at_least_as_many_transitions_as_asked(recorded):
    assert recorded.transitions >= 400
    assert recorded.select(range(len(recorded) - 1)).transitions < 400 + 30 * 20


def test_the_same_seed_gives_the_same_data_for_any_number_of_workers(recorded):
    config = CollectConfig(400, 30, "random", 0.5)
    assert same(collect(config, PENDULUM, seed=4, workers=2), recorded)
    assert not same(collect(config, PENDULUM, seed=5), recorded)


def test_every_stored_seed_reproduces_its_episode(recorded):
    env = environment.make(PENDULUM)
    for i in (0, len(recorded) - 1):
        first, _ = env.reset(seed=int(recorded.seeds[i]))
        np.testing.assert_array_equal(first, recorded.observations[i][0])
        for action, after in zip(recorded.actions[i], recorded.observations[i][1:], strict=True):
            np.testing.assert_array_equal(env.step(action.astype(np.float32))[0], after)
    assert len(set(recorded.seeds)) == len(recorded)


def test_a_fallen_pendulum_is_terminated_and_a_cut_episode_truncated(recorded):
    for i in range(len(recorded)):
        ended, cut = recorded.terminations[i], recorded.truncations[i]
        assert not ended[:-1].any()
        assert not cut[:-1].any()
        assert ended[-1] != cut[-1]
        fallen = abs(recorded.observations[i][-1][1]) > 0.2
        assert ended[-1] == fallen
        assert not cut[-1] or len(cut) == 30


def test_an_end_by_time_limit_is_truncated_not_terminated():
    env = environment.make("Reacher-v5", {"max_episode_steps": 4})
    row = record_episode(env, lambda o, r: np.zeros(2), steps=10, seed=0)
    assert len(row["actions"]) == 4
    assert (row["terminations"].any(), row["truncations"][-1]) == (False, True)


def test_a_policy_of_ones_own_is_used_and_sees_the_observations():
    def policy(observation: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return np.clip(-observation[1:2], -3, 3)

    data = collect(CollectConfig(60, 30), PENDULUM, seed=1, policy=policy)
    for observations, actions in zip(data.observations, data.actions, strict=True):
        np.testing.assert_allclose(actions[:, 0], -observations[:-1, 1])


def test_contact_data_comes_from_the_environments_own_collector():
    data = collect(CollectConfig(100, 10, "contact"), "sparsectl/PushT-v0", {"start": "easy"})
    assert (len(data), data.transitions, data.observation_size) == (10, 100, 18)
    assert data.env_kwargs == {"start": "easy"}
    assert all(t[-1] and not t[:-1].any() for t in data.truncations)
    moved = [np.abs(np.diff(o[:, :8], axis=0)).max() > 1e-4 for o in data.observations]
    assert np.mean(moved) > 0.5
    auto = collect(CollectConfig(100, 10), "sparsectl/PushT-v0", {"start": "easy"})
    assert same(auto, data)


def test_asking_for_contact_where_there_is_none_says_what_to_do():
    with pytest.raises(ConfigError, match="no contact-seeking collector: use policy 'random'"):
        collect(CollectConfig(10, 5, "contact"), PENDULUM)


def test_an_unbounded_action_box_cannot_be_sampled():
    class Unbounded(gymnasium.Env):
        observation_space = gymnasium.spaces.Box(-1, 1, (1,))
        action_space = gymnasium.spaces.Box(-np.inf, np.inf, (1,))

    gymnasium.register(id="Unbounded-v0", entry_point=Unbounded)
    try:
        with pytest.raises(ConfigError, match="unbounded"):
            collect(CollectConfig(10, 5), "Unbounded-v0")
    finally:
        del gymnasium.registry["Unbounded-v0"]


@pytest.mark.parametrize(
    "values",
    [{"transitions": 0}, {"episode_steps": -1}, {"correlation": 1.0}, {"scale": 0.0}],
)
def test_a_config_without_meaning_is_refused(values):
    with pytest.raises(ConfigError, match=next(iter(values))):
        CollectConfig(**values)


def test_progress_reports_transitions():
    seen: list[int] = []
    data = collect(CollectConfig(100, 20, "random"), PENDULUM, progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == data.transitions
