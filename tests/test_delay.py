"""Latency: made by a wrapper, found in data, learned past, and planned for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cli_runs
import numpy as np
import pytest
import yaml

from sparsectl import control, data, dynamics, environment
from sparsectl.config import from_dict
from sparsectl.data import CollectConfig, latency
from sparsectl.dynamics import Trajectories
from sparsectl.errors import ConfigError, DataError
from sparsectl.program.algebra import affine
from sparsectl.task import ObservationConfig, StateMap, Task, TaskConfig

ENV = "sparsectl/PiecewiseAffine-v0"
POLE = "InvertedPendulum-v5"


def late(actions=0, observations=0):
    return {"delay": {"actions": actions, "observations": observations}}


def played(kwargs, actions, env_id=ENV):
    with environment.make(env_id, kwargs) as env:
        seen = [env.reset(seed=3)[0]]
        for action in actions:
            seen.append(env.step(np.array([action], env.action_space.dtype))[0])
    return np.stack(seen)


def test_late_actions_and_late_observations_are_the_same_motion_later():
    actions = [0.5, -1.0, 0.3, 0.8, -0.2]
    plain = played({}, [0.0, 0.0, *actions])
    assert np.allclose(played(late(actions=2), [*actions, 9.0, 9.0]), plain)
    seen = played(late(observations=2), [0.0, 0.0, *actions, 0.0, 0.0])
    assert np.allclose(seen[2:], plain)
    assert np.allclose(seen[:3], plain[0])


@pytest.mark.parametrize(
    ("delay", "said"),
    [({"action": 1}, "did you mean 'actions'?"), ({"actions": 1.5}, "expected whole steps from 0")],
)
def test_a_wrong_delay_is_refused(delay, said):
    with pytest.raises(ConfigError) as error:
        environment.make(ENV, {"delay": delay})
    assert said in str(error.value)


@pytest.mark.parametrize("correlation", [0.0, 0.5])
@pytest.mark.parametrize("kwargs", [{}, late(1), late(2, 1), late(0, 2)])
def test_the_latency_is_found(kwargs, correlation):
    config = CollectConfig(600, 30, "random", correlation)
    episodes = data.collect(config, POLE, {**kwargs, "max_episode_steps": 30}, seed=1)
    found = latency(episodes.observations, episodes.actions)
    steps = sum(kwargs.get("delay", {}).values())
    assert found.steps == steps
    assert found.told.startswith(f"actions act {steps} steps late" if steps else "actions act at o")


def test_nothing_is_found_where_actions_do_nothing_or_data_are_few():
    draw = np.random.default_rng(0)
    states = [np.cumsum(draw.normal(size=(31, 3)), axis=0) for _ in range(20)]
    actions = [draw.normal(size=(30, 2)) for _ in range(20)]
    assert latency(states, actions).steps == 0
    assert latency(states[:3], actions[:3]) is None
    assert latency([s[:5] for s in states], [a[:4] for a in actions]) is None
    assert latency([np.ones((31, 3))] * 20, actions) is None


def test_models_learn_with_the_actions_that_act():
    episodes = data.collect(CollectConfig(40, 8, "random"), ENV, late(2), seed=0)
    state_map = StateMap(ObservationConfig(delay=2), 2)
    read = Trajectories.of(episodes, state_map)
    for i, (states, actions) in enumerate(zip(read.states, read.actions, strict=True)):
        assert np.array_equal(states, episodes.observations[i][2:])
        assert np.array_equal(actions, episodes.actions[i][:-2])
    with pytest.raises(DataError, match="no episode is longer than the delay of 9 steps"):
        Trajectories.of(episodes, StateMap(ObservationConfig(delay=9), 2))
    with pytest.raises(ConfigError, match="delay is -1"):
        ObservationConfig(delay=-1)


DRIFT, PUSH = np.array([[1.0, 0.1], [0.0, 0.9]]), np.array([[0.0], [0.2]])


@pytest.mark.parametrize("kind", ["mppi", "mip"])
def test_a_plan_begins_where_the_actions_under_way_lead(kind):
    """On the true model every decision's first state is what is seen that many steps later."""
    D, program = 3, affine(np.hstack([DRIFT, PUSH]), np.zeros(2))
    config = {"observation": {"delay": D}, "cost": {"terms": [{"of": "observation", "norm": "l1"}]}}
    task = Task(from_dict(TaskConfig, config), 2, np.array([-1.0]), np.array([1.0]))
    entry = {"nodes": 50, "starts": []} if kind == "mip" else {"samples": 16}
    model = dynamics.from_program(program, task.map.names)
    plans = control.build(kind, entry, task, model, program, 2, "cpu")
    x, sent, memory = np.array([1.0, -0.5]), [np.zeros(1)] * D, control.ControllerState()
    begun, seen = [], [x]
    for t in range(6):
        plan, memory = plans.decide(seen[-1], memory)
        begun.append(plan.states[0])
        applied = 0.5 * plans.first_action(plan)  # something else than planned is executed
        memory = replace(memory, executed=applied)
        sent.append(applied)
        seen.append(DRIFT @ seen[-1] + PUSH @ sent[t])
    assert np.allclose(begun[: len(seen) - D], seen[D:])
    assert memory.step == 6


def test_goals_that_count_from_now_are_those_of_then():
    """As numbers that count steps of the episode are: a preview, a door and a path."""
    goal = {"preview": "2:8", "door": "8:10", "drift": "10:18"}
    region = {"of": "observation[0], observation[1]", "box": [0, 0, 1, 1]}
    rows = [[float(k), -float(k)] for k in range(9)]

    def problem(target, path, when):
        config = {
            "observation": {"state": {"observation": "0:2"}, "goal": goal, "delay": 2},
            "cost": {"terms": [{"of": "observation", "target": target}]},
            "constraints": {"keep_out": [{**region, "path": path, "when": when}]},
        }
        task = Task(from_dict(TaskConfig, config), 18, np.array([-1.0]), np.array([1.0]))
        zero = control.build("zero", {}, task, None, affine(np.eye(2, 3), np.zeros(2)), 3, "cpu")
        step = 4  # the goals say what is at steps 5 to 7, 5 to 6, 4 to 7
        seen = [0.0, 0.0, *np.ravel(rows[5:8]), 1.0, 2.0, *np.ravel(rows[4:8])]
        return zero.problem(np.array(seen), control.ControllerState(step=step))

    told, known = problem("preview", "drift", "door"), problem(rows[:8], rows[:8], [[5, 6]])
    (a,), (b,) = told.cost.terms, known.cost.terms
    assert np.array_equal(a.target, b.target)
    assert np.array_equal(a.target[:, 0], [7, 7, 7])  # the last row is held
    (a,), (b,) = told.constraints.keep_out, known.constraints.keep_out
    assert np.array_equal(a.b, b.b)
    assert np.isfinite(a.b).all(axis=1).tolist() == [True, False, False, False]


def test_without_a_delay_nothing_is_kept():
    task = Task(TaskConfig(), 2, np.array([-1.0]), np.array([1.0]))
    zero = control.build("zero", {}, task, None, affine(np.eye(2, 3), np.zeros(2)), 2, "cpu")
    _, memory = zero.decide(np.zeros(2))
    assert zero.decide(np.zeros(2), memory)[1].pending == ()


RUN = cli_runs.config("""
env: {id: sparsectl/PiecewiseAffine-v0, kwargs: {delay: {actions: 1, observations: 1}}}
controllers: {mppi: {samples: 16, iterations: 1}}
evaluate: {episodes: 1, steps: 3, workers: 1, engine: serial, planned_states: 0, clips: 0}
""")


def test_a_run_says_what_it_finds_and_with_auto_uses_it(monkeypatch, tmp_path, capsys):
    cli_runs.home(monkeypatch, tmp_path, RUN)
    assert cli_runs.run("collect") == 0
    told = capsys.readouterr().err
    assert "actions act 2 steps late" in told
    assert "give `task.observation.delay: 2`, or `auto`" in told
    auto = ("--name", "auto", "--task.observation.delay", "auto")
    assert cli_runs.run("train", *auto) == 2
    assert "auto is found by `sparsectl collect`" in capsys.readouterr().err
    assert cli_runs.run("run", *auto) == 0
    saved = yaml.safe_load(Path("runs/auto/config.yaml").read_text())
    assert saved["task"]["observation"]["delay"] == 2
    capsys.readouterr()
    assert cli_runs.run("train", *auto) == 0
    assert "done before" in capsys.readouterr().err
    given = ("--name", "auto", "--task.observation.delay", "1")
    assert cli_runs.run("train", *given) == 2
    assert "made with another config: delay (2 -> 1)" in capsys.readouterr().err
    assert cli_runs.run("run", *auto, "--dataset", "mine/data-v0") == 2
    assert "give the number of steps" in capsys.readouterr().err
