"""Policies of one's own as controllers: `{kind: policy, path: "my_module:act"}`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import cli_runs
import numpy as np
import pytest

from sparsectl import cli
from sparsectl.control import ControllerState, build
from sparsectl.errors import ConfigError

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
        ("{}", "expected `module:name`"),
        ("{}:", "expected `module:name`"),
        ("{}:akt", "has no 'akt' (did you mean 'act'?)"),
        ("{}:number", "is int, expected a function"),
        ("nowhere_at_all:act", "module 'nowhere_at_all' cannot be imported: ModuleNotFoundError"),
        ("json:JSONEncoder", "class 'json:JSONEncoder' has no `predict`"),
    ],
)
def test_what_cannot_act_is_refused_at_once(toy, module, path, says):
    with pytest.raises(ConfigError) as error:
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
