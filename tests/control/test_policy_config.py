"""Policies as controllers: `{kind: policy, path: "my_module:act"}`, or a checkpoint's folder."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import cli_runs
import numpy as np
import pytest
import torch

from sparsectl import cli
from sparsectl.circuits import Body, MLPPolicy, MLPPolicyConfig
from sparsectl.circuits.policy import checkpoint as motor
from sparsectl.control import ControllerState, build
from sparsectl.errors import ConfigError, SparsectlError
from sparsectl.evaluate.player import Player, Setting, further_digests
from sparsectl.policies import checkpoint
from sparsectl.policies.network import NetworkConfig, NetworkPolicy, PolicyNetwork
from sparsectl.task import TaskConfig

MODULE = """
import numpy as np

GAIN = -0.5


def act(observation):
    return GAIN * observation[:1]


class Counting:
    def predict(self, observation, state=None, episode_start=None, deterministic=False):
        count = 0 if episode_start.all() else state
        return np.array([0.1 * count]), count + 1


counting = Counting()
number = 3
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A module of a name that no other test has."""
    name = f"own_policy_{abs(hash(tmp_path))}"
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    monkeypatch.chdir(tmp_path)
    (tmp_path / f"{name}.py").write_text(MODULE)
    yield name
    sys.modules.pop(name, None)


def make(toy, path):
    entry = {"kind": "policy", "path": path}
    return build("own", entry, toy.task, toy.dynamics, toy.program, 4, "cpu")


def test_a_function_acts_on_the_observation(toy, module):
    controller = make(toy, f"{module}:act")
    plan = controller.plan(np.array([0.6, 0.2]), ControllerState())
    assert plan.actions == pytest.approx(np.array([[-0.3]]))
    assert plan.source == "policy"
    assert np.isfinite(plan.cost)


@pytest.mark.parametrize("name", ["Counting", "counting"])
def test_what_predicts_keeps_its_memory_in_the_state(toy, module, name):
    controller, memory = make(toy, f"{module}:{name}"), ControllerState()
    actions = []
    for _ in range(3):
        plan, kept = controller.solve(toy.task.problem(np.zeros(2), 1), memory)
        memory = memory.after(plan, kept)
        actions.append(float(plan.actions[0, 0]))
    assert actions == pytest.approx([0.0, 0.1, 0.2])


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("{}", "is no folder, and no `module:name` either"),
        ("", "path is empty, expected a policy's folder or `module:name`"),
        ("./{}.py", "is a file, expected the folder of a policy; a zip of Stable-Baselines3"),
        ("{}:", "expected `module:name`"),
        ("{}:akt", "has no 'akt' (did you mean 'act'?)"),
        ("{}:number", "is int, expected a function"),
        ("nowhere_at_all:act", "module 'nowhere_at_all' cannot be imported: ModuleNotFoundError"),
        ("json:JSONEncoder", "class 'json:JSONEncoder' has no `predict`"),
    ],
)
def test_what_cannot_act_is_refused_at_once(toy, module, path, says):
    with pytest.raises(SparsectlError) as error:
        make(toy, path.format(module))
    assert says in str(error.value)
    assert "controllers.own" in str(error.value)


def test_a_comparison_plays_it_from_beside_the_config_and_again_after_a_change(
    module, tmp_path, monkeypatch, capsys
):
    there = tmp_path / "there"
    there.mkdir()
    (tmp_path / f"{module}.py").rename(there / f"{module}.py")
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p != str(tmp_path)])
    text = cli_runs.config(f"""
controllers: {{own: {{kind: policy, path: "{module}:act"}}, zero: {{}}}}
evaluate: {{episodes: 1, steps: 3, workers: 1, planned_states: 0, clips: 0}}
""")
    (there / "tiny.yaml").write_text(text)
    monkeypatch.chdir(tmp_path)
    assert cli.main(["run", "--config", "there/tiny.yaml"]) == 0
    file = Path("runs/tiny/compare/episodes.jsonl")
    rows = [json.loads(x) for x in file.read_text().splitlines()]
    assert {r["controller"]: r["outcome"] for r in rows} == {"own": "finished", "zero": "finished"}
    (there / f"{module}.py").write_text(MODULE.replace("-0.5", "-0.1"))
    assert cli.main(["compare", "--config", "there/tiny.yaml"]) == 2
    assert "--force" in capsys.readouterr().err


def network(size=2, seed=0):
    return PolicyNetwork(NetworkConfig((4,)), size, np.array([-1.0]), np.array([0.5]), seed=seed)


def test_a_folder_is_the_policy_in_it(toy, tmp_path):
    made = network()
    checkpoint.save(made, tmp_path / "policy")
    seen = np.array([0.6, 0.2])
    plan = make(toy, str(tmp_path / "policy")).plan(seen, ControllerState())
    np.testing.assert_array_equal(plan.actions[0], NetworkPolicy(made)(seen))


def test_a_motor_policy_s_folder_acts_too(toy, tmp_path):
    policy = MLPPolicy(MLPPolicyConfig(hidden=(3,)), Body(1, slice(0, 1), 1.0, None, 2))
    motor.save(policy, tmp_path / "policy")
    seen = np.array([0.1, -0.2])
    expected = policy(torch.from_numpy(seen), policy.initial_state())[0].detach().numpy()
    plan = make(toy, str(tmp_path / "policy")).plan(seen, ControllerState())
    np.testing.assert_allclose(plan.actions[0], np.clip(expected, -1.0, 0.5), atol=1e-6)


def test_a_policy_for_other_sizes_is_refused_with_what_it_was_trained_on(toy, tmp_path):
    meta = {"env_id": "Somewhere-v0", "env_kwargs": {"links": 3}}
    checkpoint.save(network(size=5), tmp_path / "policy", meta)
    with pytest.raises(ConfigError) as error:
        make(toy, str(tmp_path / "policy"))
    said = str(error.value)
    assert "observations of 5 numbers and gives actions of 1, the environment has 2 and 1" in said
    assert "trained on 'Somewhere-v0' with {'links': 3}" in said


def test_a_run_with_a_policy_that_is_nowhere_is_refused_before_anything(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    text = cli_runs.config("""
controllers: {own: {kind: policy, path: there/policy}}
evaluate: {episodes: 1, steps: 3, workers: 1, planned_states: 0, clips: 0}
""")
    Path("tiny.yaml").write_text(text)
    assert cli.main(["run", "--config", "tiny.yaml"]) == 2
    assert "controllers.own.path: 'there/policy' is no folder" in capsys.readouterr().err
    assert not Path("runs").exists()


def test_what_a_policy_s_folder_holds_counts_not_where_it_lies(toy, tmp_path):
    setting = Setting("sparsectl/PiecewiseAffine-v0", {}, TaskConfig(), 4, 3, None, 0)
    digests = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        checkpoint.save(network(seed=seed), tmp_path / name, {"made_by": name})
        entry = {"kind": "policy", "path": str(tmp_path / name)}
        found = further_digests(setting, toy.task, "own", entry)
        digests.append(Player(setting, "m", "m", "own", entry, "d", found).key)
    assert digests[0] == digests[1] != digests[2]
