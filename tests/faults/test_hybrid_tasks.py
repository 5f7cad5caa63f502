"""Hybrid tasks that cannot be: one line that says what and where, before anything is created."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import yaml

from sparsectl import control, environment
from sparsectl.config import from_dict, put
from sparsectl.errors import ConfigError
from sparsectl.experiment import load
from sparsectl.mip import anytime
from sparsectl.program.algebra import affine
from sparsectl.task import ActionConfig, Task, TaskConfig
from sparsectl.types import Status

GOOD: dict[str, Any] = {
    "name": "hybrid",
    "env": {"id": "Reacher-v5"},  # 50 steps, actions of two entries in [-1, 1]
    "task": {
        "observation": {"state": {"angles": "0:4", "tip": "8:10"}, "goal": {"target": "4:6"}},
        "cost": {"terms": [{"of": "tip"}]},
    },
    "horizon": 4,
    "controllers": {"mip": {}, "cem": {"horizon": 6}},
}
TIP = {"of": "tip", "box": [0, 0, 1, 1]}


def written(tmp_path, changes: dict[str, Any]):
    data = yaml.safe_load(yaml.safe_dump(GOOD))
    for name, value in changes.items():
        put(data, name, value)
    path = tmp_path / "hybrid.yaml"
    path.write_text(yaml.safe_dump(data))
    return path


REFUSED = {
    "a level outside the box": (
        {"task.action.levels": [-1, 0, 2]},
        "task.action.levels of entry 0: level 2 is outside -1 to 1",
    ),
    "an empty level set": ({"task.action.levels": []}, "task.action.levels is empty"),
    "an empty set of one entry": (
        {"task.action.levels": [[0, 1], []]},
        "task.action.levels of entry 1 is an empty set",
    ),
    "levels of a third entry": (
        {"task.action.levels": [[0, 1], None, [0]]},
        "task.action.levels has sets for 3 entries, actions have 2",
    ),
    "no whole number": (
        {"task.action": {"low": 0.2, "high": 0.8, "integer": True}},
        "task.action.integer of entry 0: there is no whole number between 0.2 and 0.8",
    ),
    "nothing far enough from zero": (
        {"task.action": {"low": 0.1, "semicontinuous": 2.0}},
        "task.action.semicontinuous of entry 0 is 2",
    ),
    "nothing but zero far enough from zero": (
        {"task.action.semicontinuous": [0.5, 2.0]},
        "task.action.semicontinuous of entry 1 is 2: nothing so far from 0 is between -1 and 1",
    ),
    "no limit in a list of limits": ({"task.action.low": []}, "task.action.low has 0 entries"),
    "a later target that is not finite": (
        {"task.cost.terms": [{"of": "tip", "target": [[0, 0]] * 9 + [[0, float("inf")]]}]},
        "cost term 'tip': its target is not finite",
    ),
    "later limits the wrong way round": (
        {"task.constraints.boxes": [{"of": "tip", "low": [[0, 0]] * 9 + [[0, 2]], "high": 1}]},
        "box of 'tip': low 2.0 is above high 1.0",
    ),
    "a path that ends nowhere": (
        {"task.constraints.keep_out": [{**TIP, "path": [[0, 0]] * 9 + [[0, float("inf")]]}]},
        "keep_out of 'tip': path is not finite",
    ),
    "limits that no number keeps": (
        {"task.constraints.boxes": [{"of": "tip", "low": -float("inf"), "high": -float("inf")}]},
        "box of 'tip': low is inf or high is -inf",
    ),
    "one number for the sine and the cosine of an angle": (
        {
            "task.observation.state.turn": {"entries": "0", "encode": "sincos"},
            "task.constraints.boxes": [{"of": "turn", "low": -0.3, "high": 0.3}],
        },
        "box of 'turn': -0.3 would limit sines and cosines alike, not the angle",
    ),
    "a wall without an end": (
        {"task.constraints.keep_out": [{"of": "tip", "box": [0, 0, 1, float("inf")]}]},
        "keep_out of 'tip': a corner is not finite",
    ),
    "a misspelt time": (
        {"task.constraints.keep_out": [{**TIP, "when": "allways"}]},
        "unknown goal 'allways' (did you mean 'always'?)",
    ),
    "a rate of nothing": ({"task.action.rate": 0}, "task.action.rate is 0"),
    "a rate of three entries": (
        {"task.action.rate": [0.1, 0.2, 0.3]},
        "task.action.rate has 3 entries, actions have 2",
    ),
    "blocks that do not add up": (
        {"task.action.blocks": [1, 1, 2]},
        "controllers.cem (horizon 6): task.action.blocks adds up to 4 steps, the horizon is 6",
    ),
    "a block of no step": ({"task.action.blocks": [4, 0]}, "task.action.blocks is [4, 0]"),
    "blocks that do not add up online": (
        {
            "task.action.blocks": [2, 4],
            "horizon": 6,
            "online": {"rounds": 1, "controller": {"kind": "cem", "horizon": 3}},
        },
        "online.controller (horizon 3): task.action.blocks adds up to 6 steps",
    ),
    "a list of targets that is too short": (
        {"task.cost.terms": [{"of": "tip", "target": [[0, 0]] * 5}]},
        "controllers.cem (horizon 6): cost term 'tip': target: the list has 5 steps, less than",
    ),
    "a row of targets of another length": (
        {"task.cost.terms": [{"of": "tip", "target": [[0, 0], [0]] * 5}]},
        "cost term 'tip': target: a row of the list has 1 entries, expected 2",
    ),
    "a preview of another horizon": (
        {
            "task.observation.goal": {"preview": "0:8"},
            "task.cost.terms": [{"of": "tip", "target": "preview"}],
        },
        "controllers.cem (horizon 6): cost term 'tip'",
    ),
    "limits of another length": (
        {"task.constraints.boxes": [{"of": "tip", "low": [0, 0, 0], "high": 1}]},
        "box of 'tip': low: expected 2 values, got 3",
    ),
    "a list of limits that is too short": (
        {"task.constraints.boxes": [{"of": "tip", "low": -1, "high": [[1, 1]] * 3}]},
        "controllers.cem (horizon 6): box of 'tip': high: the list has 3 steps",
    ),
    "a path of three entries": (
        {"task.constraints.keep_out": [{**TIP, "path": [[0, 0, 0]] * 9}]},
        "keep_out of 'tip': path: a row of the list has 3 entries, expected 2",
    ),
    "a window that ends before it begins": (
        {"task.constraints.keep_out": [{**TIP, "when": [[0, 3], [9, 4]]}]},
        "the window of steps 9 to 4 never opens",
    ),
    "a window before the episode": (
        {"task.constraints.half_spaces": [
            {"of": "tip", "normal": [1, 0], "offset": 1, "when": [[-5, -1]]}]},
        "half-space of 'tip': the window of steps -5 to -1 never opens",
    ),
    "a window of the start alone": (
        {"task.constraints.boxes": [{"of": "tip", "low": 0, "high": 1, "when": [[0, 0]]}]},
        "box of 'tip': the window of steps 0 to 0 never opens",
    ),
    "a window after the episode": (
        {"task.constraints.boxes": [{"of": "tip", "low": 0, "high": 1, "when": [[51, 90]]}]},
        "task.constraints.boxes.0 of 'tip': the window of steps 51 to 90 never opens: episodes end "
        "after 50 steps",
    ),
    "a window after the episode that is asked for": (
        {"task.constraints.keep_out": [{**TIP, "when": [[20, 30]]}], "evaluate.steps": 10},
        "task.constraints.keep_out.0 of 'tip': the window of steps 20 to 30 never opens",
    ),
    "no window": (
        {"task.constraints.keep_out": [{**TIP, "when": []}]},
        "`when` is an empty list",
    ),
    "a window of three ends": (
        {"task.constraints.keep_out": [{**TIP, "when": [[0, 3, 4]]}]},
        "task.constraints.keep_out",
    ),
    "windows of a goal that is not there": (
        {"task.constraints.keep_out": [{**TIP, "when": "dor"}],
         "task.observation.goal": {"door": "4:6"}},
        "unknown goal 'dor' (did you mean 'door'?)",
    ),
    "windows of an odd goal": (
        {"task.constraints.keep_out": [{**TIP, "when": "door"}],
         "task.observation.goal": {"door": "4:7"}},
        "keep_out of 'tip': goal 'door' has 3 entries, windows need two each",
    ),
    "boxes of a goal of six": (
        {"task.constraints.keep_out": [{"of": "tip", "boxes": "obstacles"}],
         "task.observation.goal": {"obstacles": "0:6"}},
        "keep_out of 'tip': goal 'obstacles' has 6 entries, boxes need four each",
    ),
    "a price of nothing": (
        {"task.constraints.keep_out": [{**TIP, "price": 0}]},
        "keep_out of 'tip': price is 0",
    ),
    "a door for a planner that cannot take it": (
        {
            "task.constraints.keep_out": [{**TIP, "when": "door"}],
            "task.observation.goal": {"door": "4:6"},
            "controllers.global": {"kind": "mip", "backend": "hull"},
        },
        "controllers.global (horizon 4): backend 'hull' cannot plan here: keep-out regions need "
        "binaries of their own",
    ),
    "a priced window for a planner that cannot take it": (
        {
            "task.constraints.keep_out": [{**TIP, "when": [[40, 45]], "price": 3}],
            "controllers.global": {"kind": "mip", "backend": "boxes"},
        },
        "controllers.global (horizon 4): backend 'boxes' cannot plan here: some constraints have a",
    ),
    "regions of a goal for a planner that cannot take them": (
        {
            "task.constraints.keep_out": [{"of": "tip", "boxes": "obstacles", "between": False}],
            "task.observation.goal": {"obstacles": "0:8"},
            "controllers.global": {"kind": "mip", "backend": "hull"},
        },
        "controllers.global (horizon 4): backend 'hull' cannot plan here: keep-out regions",
    ),
    "levels for a planner that cannot take them": (
        {
            "task.action.levels": [-1, 0, 1],
            "controllers": {"two_models": {"sparse": "x", "mip": {"backend": "hull"}}},
        },
        "controllers.two_models (horizon 4): mip: backend 'hull' cannot plan here: its inputs have",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_is_refused_in_one_line_and_nothing_is_made(tmp_path, name):
    changes, words = REFUSED[name]
    path = written(tmp_path, changes)
    with pytest.raises(ConfigError) as caught:
        load(path)
    message = str(caught.value)
    assert words in message
    assert "\n" not in message
    assert [p.name for p in tmp_path.iterdir()] == ["hybrid.yaml"]


ACCEPTED = {
    "limits of a goal beside numbers": {
        "task.observation.goal": {"most": "4:6"},
        "task.constraints.boxes": [{"of": "tip", "low": 0.5, "high": "most"}],
    },
    "a window that begins in the episode": {
        "task.constraints.keep_out": [{**TIP, "when": [[50, 90]]}],
    },
    "blocks that a number makes": {"task.action.blocks": 4},
    "blocks beside a policy, which does not look ahead": {
        "task.action.blocks": [1, 3],
        "controllers": {"mip": {}, "still": {"kind": "policy", "path": "math:fsum"}},
    },
    "a planner of one's own with goals that do not change over the plan": {
        "task.observation.goal": {"target": "4:6"},
        "task.cost.terms": [{"of": "tip", "target": "target"}],
        "controllers": {"mip": {"backend": "hull"}},
    },
    "online without rounds": {
        "task.action.blocks": [1, 3],
        "online": {"controller": {"kind": "cem", "horizon": 3}},
        "controllers": {"mip": {}},
    },
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_what_is_possible_is_taken(tmp_path, name):
    load(written(tmp_path, ACCEPTED[name]))


class Still:
    """A policy of its own for a task of blocks and a preview."""

    def predict(self, observation, state=None, episode_start=None, deterministic=False):
        return np.zeros(2), None


def test_a_policy_plays_a_task_whose_blocks_and_preview_are_for_planners(tmp_path):
    experiment = load(
        written(
            tmp_path,
            {
                "task.action.blocks": [1, 3],
                "task.observation.goal": {"preview": "0:8"},
                "task.cost.terms": [{"of": "tip", "target": "preview"}],
                "controllers": {"mip": {}},
            },
        )
    )
    with environment.make("Reacher-v5") as env:
        task = Task.of(experiment.task, env)
        observation, _ = env.reset(seed=0)
    controller = control.PolicyController("still", task, Still())
    np.testing.assert_array_equal(controller.plan(observation).actions, np.zeros((1, 2)))


def test_limits_of_the_observation_may_leave_no_room_at_a_step():
    """It ended the episode, as a wrong configuration."""
    goal = {"least": "1", "most": "2"}
    config = {
        "observation": {"state": {"place": "0"}, "goal": goal},
        "constraints": {"boxes": [{"of": "place", "low": "least", "high": "most"}]},
    }
    task = Task(from_dict(TaskConfig, config), 3, -np.ones(1), np.ones(1))
    problem = task.problem(np.array([0.0, 0.5, -0.5]), 2)
    found = anytime.plan(affine(np.array([[1.0, 0.3]]), np.zeros(1)), problem, lambda end: [])
    assert found.status == Status.INFEASIBLE
    assert problem.constraints.worst(np.zeros((3, 1))) == 0.5


def test_a_rate_that_the_last_action_breaks_is_named():
    task = Task(TaskConfig(action=ActionConfig(low=0.5, rate=0.1)), 4, -np.ones(2), np.ones(2))
    last = np.array([0.5, -0.7])
    with pytest.raises(ConfigError) as caught:
        task.problem(np.zeros(4), 3, last=last)
    assert str(caught.value) == (
        "task.action.rate of entry 1 is 0.1: no action is within reach of the one applied last, "
        "-0.7; the nearest is 0.5"
    )
