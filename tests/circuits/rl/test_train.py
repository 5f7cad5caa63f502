"""Reinforcement learning on the real environment, a few steps of it."""

import copy

import numpy as np
import pytest
import torch

pytest.importorskip("stable_baselines3")

from sparsectl.circuits import Circuit, CircuitConfig, MLPPolicy, MLPPolicyConfig, body_of
from sparsectl.circuits.policy import checkpoint
from sparsectl.circuits.policy.predict import ModulePolicy
from sparsectl.circuits.rl.config import DDPGConfig, PPOConfig, RLConfig, TD3Config
from sparsectl.circuits.rl.motor import Motor
from sparsectl.circuits.rl.train import train_rl
from sparsectl.circuits.rollout.env_spec import EnvSpec, open_env
from sparsectl.policies.rl import curve
from sparsectl.policies.rl import run as rl_run

SWIM = EnvSpec("sparsectl/Swim-v0", {"links": 4})
SHORT = {"episode_steps": 10, "eval_episodes": 2, "steps": 60, "eval_every": 20}
REPLAY = {
    "envs": 2,
    "random_steps": 4,
    "learning_starts": 8,
    "update_every": 10,
    "updates": 4,
    "batch_size": 8,
    "critic": (8,),
}
PPO = PPOConfig(envs=2, segment=10, epochs=3, critic=(8,), actor_rate=0.01)
ALGORITHMS = {"ppo": PPO, "td3": TD3Config(**REPLAY), "ddpg": DDPGConfig(**REPLAY)}


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


def body():
    env = open_env(SWIM)
    try:
        return body_of(env)
    finally:
        env.close()


def policy(kind):
    if kind == "circuit":
        return Circuit(CircuitConfig(learn_period=True), body())
    return MLPPolicy(MLPPolicyConfig(hidden=(8, 8), clock=kind == "clock"), body())


def same(one, other):
    a, b = one.state_dict(), other.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def without_seconds(rows):
    return [{k: v for k, v in row.items() if k not in ("seconds", "cpu_seconds")} for row in rows]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("kind", ["circuit", "plain", "clock"])
def test_trained_policy_acts_as_the_algorithm_s_actor(kind, algorithm):
    config = RLConfig(ALGORITHMS[algorithm], **SHORT)
    run = rl_run.Run(Motor(policy(kind), SWIM, config), config, None, False)
    run.model.learn(40)
    trained = ModulePolicy(run.policy())
    observation, state = run.envs.reset(), None
    draw = np.random.default_rng(0)
    for step in range(8):
        expected, _ = run.model.predict(observation, deterministic=True)
        start = np.full(2, step == 0)
        action, state = trained.predict(observation[:, :15], state, start, deterministic=True)
        np.testing.assert_allclose(action, expected, atol=2e-5)
        moved = np.clip(expected + draw.normal(0, 0.3, expected.shape), -1, 1)
        observation = run.envs.step(moved.astype(np.float32))[0]
    run.close()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("kind", ["circuit", "plain"])
def test_training_changes_a_copy_and_writes_curve_and_policy(kind, algorithm, tmp_path):
    given = policy(kind)
    before = copy.deepcopy(given)
    result = train_rl(given, SWIM, RLConfig(ALGORITHMS[algorithm], **SHORT), tmp_path / "run")
    assert same(given, before)
    assert not same(result.policy, before)
    assert (result.outcome, result.steps, result.resumed_from) == ("finished", 60, 0)
    assert [row["steps"] for row in result.curve] == [0, 20, 40, 60]
    assert curve.read(tmp_path / "run") == result.curve
    stored, meta = checkpoint.load(tmp_path / "run" / "policy")
    assert same(stored, result.policy)
    assert (meta["env_id"], meta["steps"]) == (SWIM.id, 60)
    if kind == "circuit":
        assert torch.equal(result.policy.period, given.period)
    else:
        assert (result.policy.mean != 0).all()


def test_evaluations_are_returns_of_the_policy_without_noise():
    config = RLConfig(PPO, **SHORT)
    result = train_rl(policy("circuit"), SWIM, config)
    env, player = open_env(SWIM, 10), ModulePolicy(result.policy)
    returns = []
    for seed in curve.evaluation_seeds(2):
        (seen, _), state, total = env.reset(seed=seed), None, 0.0
        for step in range(10):
            action, state = player.predict(seen, state, np.array([step == 0]), deterministic=True)
            seen, reward, *_ = env.step(action)
            total += reward
        returns.append(total)
    last = result.curve[-1]
    assert last["return_mean"] == pytest.approx(np.mean(returns), abs=1e-6)
    assert last["return_min"] == pytest.approx(min(returns), abs=1e-6)


class Killed(Exception):
    """What stops a run in the middle."""


def killed_at(monkeypatch, evaluation):
    """Let a run stop just before its evaluation of that index."""
    real, seen = rl_run.Run._evaluate, []

    def evaluate(self, watch):
        seen.append(1)
        if len(seen) > evaluation:
            raise Killed
        real(self, watch)

    monkeypatch.setattr(rl_run.Run, "_evaluate", evaluate)


@pytest.mark.parametrize("kind", ["circuit", "clock"])
def test_ppo_continues_exactly_after_a_kill(kind, tmp_path, monkeypatch):
    config = RLConfig(PPO, **SHORT)
    whole = train_rl(policy(kind), SWIM, config)
    with monkeypatch.context() as patch:
        killed_at(patch, 2)
        with pytest.raises(Killed):
            train_rl(policy(kind), SWIM, config, tmp_path / "run")
    assert [row["steps"] for row in curve.read(tmp_path / "run")] == [0, 20]
    result = train_rl(policy(kind), SWIM, config, tmp_path / "run")
    assert result.resumed_from == 20
    assert without_seconds(result.curve) == without_seconds(whole.curve)
    assert same(result.policy, whole.policy)
    again = train_rl(policy(kind), SWIM, config, tmp_path / "run")
    assert again.already_done
    assert same(again.policy, whole.policy)


def test_replay_is_filled_by_the_policy_before_learning_goes_on(tmp_path, monkeypatch):
    config = RLConfig(TD3Config(**REPLAY), **SHORT)
    with monkeypatch.context() as patch:
        killed_at(patch, 3)
        with pytest.raises(Killed):
            train_rl(policy("plain"), SWIM, config, tmp_path / "run")
    result = train_rl(policy("plain"), SWIM, config, tmp_path / "run")
    assert (result.resumed_from, result.steps) == (40, 60)
    updates = {row["steps"]: row["updates"] for row in result.curve}
    # 10 steps of refilling end above the 8 that came before the first update; then it learns.
    assert updates[60] - updates[40] == 8


def test_training_leaves_the_process_s_random_numbers_alone():
    torch.manual_seed(3)
    np.random.seed(3)  # noqa: NPY002
    expected = torch.rand(1), np.random.rand()  # noqa: NPY002
    torch.manual_seed(3)
    np.random.seed(3)  # noqa: NPY002
    train_rl(policy("circuit"), SWIM, RLConfig(PPO, **{**SHORT, "steps": 20}))
    assert (torch.rand(1), np.random.rand()) == expected  # noqa: NPY002


def test_critic_goes_on_when_the_actor_stops():
    def critic_after(epochs):
        ppo = PPOConfig(envs=2, segment=10, epochs=epochs, critic=(8,), divergence=1e-12)
        config = RLConfig(ppo, **SHORT)
        run = rl_run.Run(Motor(policy("circuit"), SWIM, config), config, None, False)
        run.model.learn(20)
        weights = run.model.policy.value_net.weight.detach().clone()
        run.close()
        return weights, run.policy()

    (few, actor_few), (many, actor_many) = critic_after(2), critic_after(20)
    assert same(actor_few, actor_many)
    assert not torch.allclose(few, many)


def test_circuit_explores_with_fixed_deviation_and_mlp_learns_its_own():
    fixed = train_rl(policy("circuit"), SWIM, RLConfig(PPO, **SHORT)).curve
    learned = train_rl(policy("plain"), SWIM, RLConfig(PPO, **SHORT)).curve
    assert [row["std"] for row in fixed] == pytest.approx([0.1] * len(fixed))
    assert learned[-1]["std"] != pytest.approx(learned[0]["std"], abs=1e-6)


@pytest.mark.parametrize(("kind", "near"), [("circuit", True), ("plain", False)])
def test_circuit_explores_around_itself_and_mlp_at_random_first(kind, near):
    replay = {**REPLAY, "random_steps": None, "learning_starts": 1000}
    config = RLConfig(TD3Config(**replay), **SHORT)
    run = rl_run.Run(Motor(policy(kind), SWIM, config), config, None, False)
    run.model.learn(40)
    buffer = run.model.replay_buffer
    seen, done = buffer.observations[:20].reshape(40, -1), buffer.actions[:20].reshape(40, -1)
    own, _ = run.model.predict(seen, deterministic=True)
    run.close()
    assert (np.abs(done - own).max() < 0.6) == near


def test_weights_keep_their_signs():
    ppo = PPOConfig(envs=2, segment=10, epochs=30, critic=(8,), actor_rate=0.3, divergence=None)
    trained = train_rl(policy("circuit"), SWIM, RLConfig(ppo, **SHORT)).policy
    for name in ("proprioception", "oscillator", "ipsilateral"):
        assert float(getattr(trained, name).detach()) >= 0
    assert float(trained.contralateral.detach()) <= 0


@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("Swimmer-v5", CircuitConfig()),
        (
            "sparsectl/SwimTarget-v0",
            CircuitConfig(speed=True, turn=True, steering="learned", sharing="module"),
        ),
    ],
)
@pytest.mark.parametrize("algorithm", ["ppo", "td3"])
def test_other_bodies_and_tasks(name, config, algorithm):
    spec = EnvSpec(name)
    env = open_env(spec)
    circuit = Circuit(config, body_of(env))
    env.close()
    result = train_rl(circuit, spec, RLConfig(ALGORITHMS[algorithm], **SHORT))
    assert result.outcome == "finished"
    assert np.isfinite(result.curve[-1]["return_mean"])
