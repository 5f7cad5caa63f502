"""Returns of populations, against environments stepped one by one."""

import numpy as np
import pytest
import torch
from motor_toys import Root

from sparsectl.circuits import Body, Circuit, CircuitConfig, MLPPolicy, MLPPolicyConfig, body_of
from sparsectl.circuits.policy.vector import flatten, load
from sparsectl.circuits.rollout import returns as rollout
from sparsectl.circuits.rollout.batch import Copies, open_batch
from sparsectl.circuits.rollout.env_spec import EnvSpec, episode_steps, open_env
from sparsectl.circuits.rollout.returns import Rollouts, returns
from sparsectl.errors import ConfigError, ShapeError
from sparsectl.policies.rl.curve import TRAINING_SEED, evaluation_seeds, point, training_seeds

SWIM, SWIMMER, HOPPER = EnvSpec(), EnvSpec("Swimmer-v5"), EnvSpec("Hopper-v5")
STEPS = 60
HOPPER_BODY = Body(3, slice(2, 5), 1.0, size=11)


@pytest.fixture(scope="module")
def circuit():
    env = open_env(SWIM)
    return Circuit(CircuitConfig(sharing="module"), body_of(env))


def vectors(policy, count, spread=0.3):
    noise = np.random.default_rng(0).standard_normal((count, policy.count))
    return flatten(policy).numpy() + spread * noise


@torch.no_grad()
def one_by_one(policy, vector, spec, seed, steps):
    """The return of one episode, and its length."""
    env = open_env(spec, steps)
    load(policy, torch.from_numpy(vector))
    observation, _ = env.reset(seed=seed)
    state, total, length, over = policy.initial_state(), 0.0, 0, False
    while not over:
        action, state = policy(torch.from_numpy(np.asarray(observation, np.float64)), state)
        action = np.clip(action.numpy(), -1, 1).astype(env.action_space.dtype)
        observation, reward, terminated, truncated, _ = env.step(action)
        total, length, over = total + reward, length + 1, terminated or truncated
    env.close()
    return total, length


@pytest.mark.parametrize("spec", [SWIM, SWIMMER], ids=lambda s: s.id)
def test_candidates_score_as_the_single_policy_in_the_single_environment(spec):
    env = open_env(spec)
    policy = Circuit(CircuitConfig(), body_of(env))
    population, seeds = vectors(policy, 3), [5, 6]
    values = returns(policy, population, spec, seeds, STEPS)
    expected = [[one_by_one(policy, v, spec, s, STEPS)[0] for s in seeds] for v in population]
    # the single environment takes actions in float32
    np.testing.assert_allclose(values, expected, rtol=1e-4, atol=1e-4)
    assert len(np.unique(values.round(6))) == values.size


def test_swimmers_in_lockstep_are_those_of_gymnasium(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)  # MuJoCo writes a log of warnings where it is
    steps = 300
    limit = np.random.default_rng(0).choice([-1.0, 1.0], (steps // 20, 4, 2)).repeat(20, axis=0)
    batch, single = open_batch(SWIMMER, 4, steps, 2), Copies(SWIMMER, 4, steps)
    np.testing.assert_array_equal(batch.reset([3, 4, 3, 5]), single.reset([3, 4, 3, 5]))
    for actions in limit:  # full torques for long bend the joints to their limits
        for got, expected in zip(batch.step(actions), single.step(actions), strict=True):
            np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-6)
    assert not batch.diverged.any()
    actions = np.zeros((4, 2))
    actions[1] = np.nan
    batch._state[2, -1] = 1e8  # a joint at this speed blows the simulation up
    assert batch.step(actions)[1][1:3].tolist() == [0.0, 0.0]
    assert batch.diverged.tolist() == [False, True, True, False]
    assert np.isfinite(batch.step(np.zeros((4, 2)))[0]).all()
    batch.reset([3, 4, 3, 5])
    assert not batch.diverged.any()


def test_an_episode_that_ends_early_earns_and_costs_nothing_more():
    policy = MLPPolicy(MLPPolicyConfig(hidden=(8,)), HOPPER_BODY)
    population = vectors(policy, 3)
    with Rollouts(HOPPER, 100) as rollouts:
        played = rollouts.returns(policy, population, [1])
        again = rollouts.returns(policy, population, [1])
    single = [one_by_one(policy, v, HOPPER, 1, 100) for v in population]
    np.testing.assert_allclose(played.values[:, 0], [s[0] for s in single], rtol=1e-4)
    assert played.steps == sum(s[1] for s in single) < 300
    np.testing.assert_array_equal(again.values, played.values)


def test_a_candidate_scores_the_same_whoever_plays_beside_it(circuit):
    population = vectors(circuit, 4)
    whole = returns(circuit, population, SWIM, [1, 2], STEPS)
    parts = [returns(circuit, v[None], SWIM, [1, 2], STEPS)[0] for v in population]
    np.testing.assert_allclose(whole, parts, rtol=1e-9)
    np.testing.assert_allclose(
        returns(circuit, population[::-1], SWIM, [2, 1], STEPS), whole[::-1, ::-1], rtol=1e-9
    )


@pytest.mark.parametrize(("engine", "workers"), [("serial", 2), ("process", 2)])
def test_engines_and_workers_give_the_same_returns(circuit, engine, workers):
    population = vectors(circuit, 5)
    expected = returns(circuit, population, SWIM, [1], STEPS)
    with Rollouts(SWIM, STEPS, workers, engine) as rollouts:
        first, second = (rollouts.returns(circuit, population, [1]) for _ in range(2))
    np.testing.assert_allclose(first.values, expected, rtol=1e-9)
    np.testing.assert_array_equal(first.values, second.values)
    assert first.steps == 5 * STEPS


@pytest.mark.parametrize("count", [1, 3, 4])
def test_candidates_are_dealt_to_the_threads(circuit, count, monkeypatch):
    """Uneven shares, and fewer candidates than threads."""
    monkeypatch.setattr(rollout, "_DEALT", 1)
    population = vectors(circuit, count)
    expected = returns(circuit, population, SWIM, [1, 2], STEPS)
    found = returns(circuit, population, SWIM, [1, 2], STEPS, workers=2)
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_a_thread_that_fails_stops_the_others(circuit, monkeypatch):
    monkeypatch.setattr(rollout, "_DEALT", 1)
    population, steps = vectors(circuit, 2), []
    with Rollouts(SWIM, 10_000, workers=2) as rollouts:
        rollouts.steps = STEPS
        rollouts.returns(circuit, population, [1])
        rollouts.steps = 10_000
        bad, good = (rollouts._batches[k, 1, 1] for k in (0, 1))

        def fail(actions):
            raise RuntimeError("lost")

        real = good.step
        monkeypatch.setattr(bad, "step", fail)
        monkeypatch.setattr(good, "step", lambda a: (steps.append(1), real(a))[1])
        with pytest.raises(RuntimeError, match="lost"):
            rollouts.returns(circuit, population, [1])
    assert len(steps) < 10_000


def test_parameters_that_are_not_finite_cost_their_own_candidate_only(circuit):
    population = vectors(circuit, 3)
    expected = returns(circuit, population, SWIM, [1], STEPS)
    population[1, 0] = np.nan
    with Rollouts(SWIM, STEPS) as rollouts:
        played = rollouts.returns(circuit, population, [1])
    assert np.isnan(played.values[1]).all()
    assert played.diverged == 1
    np.testing.assert_allclose(played.values[[0, 2]], expected[[0, 2]], rtol=1e-9)


@pytest.mark.parametrize("spec", [SWIM, SWIMMER], ids=lambda s: s.id)
def test_actions_that_are_not_finite_cost_their_own_candidate_only(spec):
    env = open_env(spec)
    policy = Root(body_of(env))
    population = np.tile(flatten(policy).numpy(), (3, 1))
    population[1] *= -1
    values = returns(policy, population, spec, [1, 2], STEPS)
    assert np.isnan(values[1]).all()
    np.testing.assert_array_equal(values[0], values[2])
    assert np.isfinite(values[0]).all()


def test_an_episode_is_as_long_as_the_environment_says_unless_told_otherwise():
    assert episode_steps(SWIM) == 1000
    assert episode_steps(SWIM, 7) == 7


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        (EnvSpec("sparsectl/Swin-v0"), "did you mean 'sparsectl/Swim-v0'"),
        (EnvSpec("InvertedPendulum-v5"), "expected \\[-1, 1\\]"),
        (EnvSpec("sparsectl/Swim-v0", {"lengths": 3}), "lengths"),
    ],
)
def test_environments_that_do_not_fit_are_refused(spec, text):
    with pytest.raises(ConfigError, match=text):
        open_env(spec)


@pytest.mark.parametrize("shape", [(4,), (2, 3), (0, 4)])
def test_vectors_of_another_shape_are_refused(shape):
    env = open_env(SWIM)
    policy = Circuit(CircuitConfig(), body_of(env))
    with pytest.raises(ShapeError, match="expected \\(P, 4\\)"):
        returns(policy, np.zeros(shape), SWIM, [1], 2)


def test_no_training_episode_starts_as_an_evaluation_does():
    drawn = {s for g in range(200) for s in training_seeds(0, g, 5)}
    assert len(drawn) == 1000
    assert min(drawn) >= TRAINING_SEED > max(evaluation_seeds(10_000))
    assert training_seeds(0, 3, 5) == training_seeds(0, 3, 5) != training_seeds(1, 3, 5)


def test_a_row_counts_what_diverged_and_averages_the_rest():
    row = point(10, 1.0, np.array([1.0, np.nan, 3.0]), sigma=np.inf, other=2)
    assert (row["return_mean"], row["return_min"], row["return_max"]) == (2.0, 1.0, 3.0)
    assert (row["eval_diverged"], row["sigma"], row["other"]) == (1, None, 2)
    assert point(10, 1.0, np.array([np.nan]))["return_mean"] is None
