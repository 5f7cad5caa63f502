"""Planners that are told the last transitions."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from sparsectl import environment
from sparsectl.config import from_dict
from sparsectl.continual import closed_loop
from sparsectl.continual.experiment import ContinualExperiment
from sparsectl.continual.history import WithHistory, with_past
from sparsectl.continual.run import run
from sparsectl.continual.streams import build
from sparsectl.continual.streams.past import past
from sparsectl.control.base import Controller, ControllerState
from sparsectl.errors import ConfigError
from sparsectl.task import Task, TaskConfig
from sparsectl.types import Plan, Status

TASK = from_dict(
    TaskConfig, {"observation": {"state": {"place": "0:2"}}, "cost": {"terms": [{"of": "place"}]}}
)
MAKE = partial(Task, u_low=-np.ones(1), u_high=np.ones(1))


class Spy(Controller):
    """Plans one random action, counts decisions in its memory, and notes what it is told."""

    name, horizon = "spy", 1

    def __init__(self, task: Task) -> None:
        self.task, self.seen, self.counts = task, [], []

    def solve(self, problem, state, *, deadline=None, starts=()):
        self.seen.append(problem.x0)
        self.counts.append(state.memory)
        action = np.random.default_rng(len(self.seen)).uniform(-1, 1, (1, 1))
        states = np.stack([problem.x0, problem.x0])
        plan = Plan(action, states, Status.HEURISTIC, 0.0, source="spy")
        return plan, 1 + (state.memory or 0)


@pytest.mark.parametrize("history", [1, 3])
def test_it_is_told_what_the_stream_would_read(history):
    plain, task = with_past(TASK, 3, history, MAKE)
    spy = Spy(task)
    player, state = WithHistory(spy, plain, history), None
    observations = np.random.default_rng(0).normal(size=(6, 3))
    actions = []
    for o in observations:
        action, state = player.predict(o, state)
        actions.append(action)
    told = np.array(spy.seen)
    np.testing.assert_array_equal(told[:, :2], observations[:, :2])
    expected = past(observations[:, :2], np.array(actions[:-1]), history)
    np.testing.assert_array_equal(told[:-1, 2:], expected)
    assert spy.counts == [None, 1, 2, 3, 4, 5]  # the planner's own memory comes through


def test_an_episode_forgets_the_one_before():
    plain, task = with_past(TASK, 3, 2, MAKE)
    spy = Spy(task)
    player = WithHistory(spy, plain, 2)
    _, state = player.predict(np.ones(3))
    player.predict(np.zeros(3), state, episode_start=np.array([True]))
    np.testing.assert_array_equal(spy.seen[1], np.zeros(2 + 2 * 3))


def test_tasks_with_and_without_a_past():
    plain, task = with_past(TASK, 3, 0, MAKE)
    assert plain is task
    named = {"observation": {"state": {"past": "0:2"}}}
    with pytest.raises(ConfigError, match="'past' is the past's name"):
        with_past(from_dict(TaskConfig, named), 3, 1, MAKE)
    _, whole = with_past(TaskConfig(), 3, 1, MAKE)
    assert whole.map.names == {"observation": slice(0, 3), "past": slice(3, 7)}


def test_a_network_that_reads_history_swims(tmp_path):
    settings = {
        "name": "tiny",
        "stream": {
            "kind": "dynamics", "name": "tiny", "env": "sparsectl/Swim-v0", "history": 2,
            "bodies": {"normal": {}, "light": {"density": 500.0}}, "state": "0:8",
            "data": {"transitions": 300, "episode_steps": 50},
        },
        "network": {"hidden": [8], "constant": 1},
        "learners": {"field": {"kind": "field"}},
        "keep_tasks": True, "epochs": 2,
        "control": {
            "task": {"observation": {"state": {"all": "0:8"}},
                     "cost": {"terms": [{"of": "all[6:7]", "target": -1.0}]}},
            "controller": {"kind": "mip", "seconds": 0.2}, "horizon": 2, "steps": 4, "episodes": 1,
        },
    }  # fmt: skip
    experiment = from_dict(ContinualExperiment, settings)
    folder = tmp_path / "tiny"
    assert run(experiment, folder, progress=False) == []
    stream = build(experiment.stream, 0, tmp_path / "streams")
    wanted = closed_loop.jobs(folder, stream, ["field"], [0])
    rows = closed_loop.run(folder, experiment.control, stream, wanted)
    assert [r["outcome"] for r in rows] == ["finished"] * 3
    planner = closed_loop.controller(wanted[0], experiment.control, stream)
    env = environment.make("sparsectl/Swim-v0")
    observation, _ = env.reset(seed=0)
    plan = planner.plan(observation, ControllerState())
    env.close()
    assert plan.status in (Status.OPTIMAL, Status.FEASIBLE)  # SCIP or HiGHS, on the exact program
    assert plan.states.shape == (3, 8 + 2 * (8 + 5))
