"""Reinforcement learning on a configured task: real steps, few of them."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import cli_runs
import numpy as np
import pytest
import torch

pytest.importorskip("stable_baselines3")

from sparsectl import cli, environment
from sparsectl.bar import Bar
from sparsectl.errors import ConfigError
from sparsectl.policies import checkpoint
from sparsectl.policies.lower import lower
from sparsectl.policies.network import NetworkPolicy
from sparsectl.policies.rl import run as rl_run
from sparsectl.policies.rl.config import (
    DDPGConfig,
    PolicyTraining,
    PPOConfig,
    SACConfig,
    TD3Config,
)
from sparsectl.policies.rl.curve import evaluation_seeds
from sparsectl.policies.rl.learn import Learner
from sparsectl.policies.rl.task_env import open_env
from sparsectl.policies.rl.train import train_policy
from sparsectl.task import ActionConfig, CostConfig, ObservationConfig, Task, TaskConfig, TermConfig

ENV = "sparsectl/PiecewiseAffine-v0"
REPLAY = {
    "envs": 2, "random_steps": 4, "learning_starts": 8, "update_every": 10, "updates": 4,
    "batch_size": 8, "critic": (8,),
}  # fmt: skip
ALGORITHMS = {
    "ppo": PPOConfig(envs=2, segment=10, epochs=3, critic=(8,), actor_rate=0.01),
    "td3": TD3Config(**REPLAY),
    "ddpg": DDPGConfig(**REPLAY),
    "sac": SACConfig(**REPLAY),
}
SHORT = {"hidden": (6,), "steps": 560, "eval_every": 20, "eval_episodes": 2}


def task_of(state=None, **action) -> Task:
    config = TaskConfig(
        observation=ObservationConfig(state) if state else ObservationConfig(),
        cost=CostConfig([TermConfig(next(iter(state or ["observation"])), 0.0)]),
        action=ActionConfig(**action),
    )
    with environment.make(ENV) as env:
        return Task.of(config, env)


def short(kind: str, **more) -> PolicyTraining:
    return PolicyTraining(algorithm=ALGORITHMS[kind], **{**SHORT, **more})


def train(task, config, **more):
    return train_policy(ENV, {}, task, config, steps=10, **more)


@pytest.mark.parametrize("kind", ALGORITHMS)
def test_the_checkpoint_acts_as_the_algorithm_s_actor_in_the_task_s_box(kind):
    task, config = task_of(low=-0.4, high=0.2), short(kind)
    one, other = (Learner(ENV, {}, task, config, steps=10).actor.state_dict() for _ in range(2))
    assert all(torch.equal(one[k], other[k]) for k in one), "first weights follow from the seed"
    run = rl_run.Run(Learner(ENV, {}, task, config, steps=10), config, None, False)
    run.model.learn(60)
    policy, seen = NetworkPolicy(run.policy()), run.envs.reset()
    for _ in range(5):
        expected = np.clip(run.model.predict(seen, deterministic=True)[0], -1, 1)
        np.testing.assert_allclose(policy(seen), -0.1 + 0.3 * expected, atol=1e-5)
        seen = run.envs.step(expected)[0]
    run.close()


@pytest.mark.parametrize("kind", ALGORITHMS)
def test_training_writes_a_checkpoint_with_its_curve(kind, tmp_path):
    done = train(task_of(), short(kind), path=tmp_path / "policy", folder=tmp_path / "training")
    assert (done.outcome, done.steps) == ("finished", 560)
    assert [r["steps"] for r in done.curve] == [500, 520, 540, 560]
    network, meta = checkpoint.load(tmp_path / "policy")
    for a, b in zip(network.state_dict().values(), done.policy.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    assert (meta["env_id"], meta["env_steps"], meta["curve"]) == (ENV, 560, done.curve)
    assert meta["cpu_seconds"] > 0
    assert meta["made_by"] == f"{kind} on the environment's reward"


def test_the_curve_tells_returns_costs_and_errors_of_the_policy(tmp_path):
    task = task_of()
    done = train(task, short("ppo"))
    policy, totals, costs, errors = NetworkPolicy(done.policy), [], [], []
    for seed in evaluation_seeds(2):
        env = environment.make(ENV, {"max_episode_steps": 10})
        seen, _ = env.reset(seed=seed)
        total, spent, over, step = 0.0, [], False, 0
        while not over:
            action = task.admit(policy(seen))
            after, reward, terminated, truncated, info = env.step(action.astype(np.float32))
            problem = task.problem(seen, 1, step=step)
            states = np.stack([task.map.state(seen), task.map.state(after)])
            spent.append(float(problem.cost(states, action.astype(np.float32)[None])))
            total, seen, over, step = total + reward, after, terminated or truncated, step + 1
        totals.append(total)
        costs.append(np.mean(spent))
        errors.append(info["error"] if "error" in info else task.distance(seen, step))
    last = done.curve[-1]
    assert last["return_mean"] == pytest.approx(np.mean(totals), rel=1e-6)
    assert last["costs"] == pytest.approx(costs, rel=1e-6)
    assert last["errors"] == pytest.approx(errors, rel=1e-6)


def test_a_cost_to_learn_from_is_the_task_s():
    task = task_of()
    one, other = (open_env(ENV, {}, task, 10, by_cost) for by_cost in (True, False))
    for world in (one, other):
        world.reset(seed=3)
    for action in (np.array([0.3]), np.array([-2.0])):
        (_, reward, *_, info), (_, own, *_, _) = one.step(action), other.step(action)
        assert reward == -info["cost"] < 0
        assert own == info["reward"] != reward


def test_levels_and_rates_of_the_task_hold_in_training():
    task = task_of(levels=[-0.5, 0.0, 0.5], rate=0.5)
    world, done = open_env(ENV, {}, task, 10), []
    step = world.env.step
    world.env.step = lambda action: (done.append(float(action[0])), step(action))[1]
    world.reset(seed=0)
    for action in (1.0, -1.0, -1.0, 0.1):
        world.step(np.array([action]))
    assert done == [0.5, 0.0, -0.5, 0.0]


def test_a_policy_reads_only_state_and_goal_so_it_can_be_lowered():
    size = task_of().map.observation_size
    task = task_of({"first": "0:1"})
    done = train(task, short("ppo"))
    weights = done.policy.linears[0].weight
    assert (weights[:, 1:] == 0).all()
    assert (weights[:, 0] != 0).any()
    seen = np.random.default_rng(0).normal(size=size)
    program = lower(done.policy, task, seen)
    np.testing.assert_allclose(
        program(task.map.state(seen)), NetworkPolicy(done.policy)(seen), atol=1e-9
    )


def test_what_tanh_bounds_is_not_lowered():
    task = task_of()
    done = train(task, short("sac"))
    with pytest.raises(ConfigError, match="go through tanh, as SAC's do"):
        lower(done.policy, task, np.zeros(task.map.observation_size))


class Killed(Exception):
    """What stops a run in the middle."""


def test_a_killed_run_ends_as_one_that_was_not(tmp_path, monkeypatch):
    task, config = task_of(), short("ppo")
    whole = train(task, config, path=tmp_path / "a", folder=tmp_path / "whole")
    real = rl_run.Run._evaluate

    def evaluate(self, watch):
        if len(self.state.rows) == 2:
            raise Killed
        real(self, watch)

    monkeypatch.setattr(rl_run.Run, "_evaluate", evaluate)
    with pytest.raises(Killed):
        train(task, config, path=tmp_path / "b", folder=tmp_path / "killed")
    monkeypatch.setattr(rl_run.Run, "_evaluate", real)
    again = train(task, config, path=tmp_path / "b", folder=tmp_path / "killed")
    assert again.resumed_from == 520
    for a, b in zip(
        whole.policy.state_dict().values(), again.policy.state_dict().values(), strict=True
    ):
        assert torch.equal(a, b)
    with pytest.raises(ConfigError, match="reward"):
        train(task, replace(config, reward="cost"), folder=tmp_path / "killed")


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"seeds": (1, 1)}, "seeds is"),
        ({"hidden": (0,)}, "hidden"),
        ({"steps": 0}, "steps"),
    ],
)
def test_settings_that_make_no_sense_are_refused(values, says):
    with pytest.raises(ConfigError, match=says):
        PolicyTraining(**values)


def test_an_action_without_a_choice_is_refused():
    with pytest.raises(ConfigError, match=r"entry 0 can only be 0\.1"):
        train(task_of(low=0.1, high=0.1), short("ppo"))


POLICY = """
policy:
  algorithm: {kind: ppo, envs: 2, segment: 10, epochs: 2, critic: [4]}
  steps: 540
  eval_every: 20
  eval_episodes: 2
  hidden: [4]
controllers: {learnt: {kind: policy, path: policy}, zero: {}}
evaluate: {episodes: 1, steps: 5, workers: 1, engine: serial, planned_states: 0, clips: 0}
"""


def test_a_run_trains_the_policy_that_its_controllers_name(tmp_path, monkeypatch, capsys):
    cli_runs.home(monkeypatch, tmp_path, cli_runs.config(POLICY))
    assert cli_runs.run("run") == 0
    rows = Path("runs/tiny/compare/episodes.jsonl").read_text().splitlines()
    assert {(r := json.loads(x))["controller"]: r["outcome"] for x in rows} == {
        "learnt": "finished",
        "zero": "finished",
    }
    assert checkpoint.load("runs/tiny/policy")[1]["env_steps"] == 540
    with open("runs/tiny/compare/summary.csv") as file:
        steps = {r["controller"]: r["env_steps"] for r in csv.DictReader(file)}
    assert {k: float(v) for k, v in steps.items()} == {"learnt": 540, "zero": 300}
    assert "environment steps that were learnt from" in Path(
        "runs/tiny/compare/report.html"
    ).read_text("utf-8").replace("\n", " ")
    assert Path("runs/tiny/policy.csv").read_text().startswith("steps,seconds,return_mean")
    assert Path("runs/tiny/policy.png").is_file()
    assert cli.main(["policy", "train", "--config", "tiny.yaml"]) == 0
    assert "policy: done before" in capsys.readouterr().err
    assert cli.main(["policy", "train", "--config", "tiny.yaml", "--policy.reward", "cost"]) == 2
    assert "--force" in capsys.readouterr().err


def test_the_bar_goes_on_to_the_end_of_the_last_rollout() -> None:
    shown = Bar(shown=False, total=6000)
    watch = rl_run._Watch(shown)
    watch.num_timesteps = 8500
    watch._on_rollout_end()
    assert shown.total == 8500
