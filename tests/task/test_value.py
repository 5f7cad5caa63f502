"""Value networks on disk and in a task."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sparsectl.checkpoint import save_tensors
from sparsectl.errors import CheckpointError, ConfigError
from sparsectl.policies.config import FitConfig, ValueConfig
from sparsectl.policies.value import fit_value
from sparsectl.task import CostConfig, ObservationConfig, Task, TaskConfig, TermConfig
from sparsectl.task.value import KIND, ValueNetwork, load, save

TERMS = [TermConfig("point", "target", terminal_weight=3.0)]
PLAIN = TaskConfig(
    ObservationConfig({"point": "0:2"}, {"target": "2:4"}), CostConfig(TERMS)
)  # fmt: skip


def task(value: str | None = None, config: TaskConfig = PLAIN) -> Task:
    own = replace(config, cost=replace(config.cost, value=value))
    return Task(own, 5, -np.ones(1), np.ones(1))


def network(seed: int = 0) -> ValueNetwork:
    rng = np.random.default_rng(seed)
    layers = (
        (rng.normal(size=(6, 4)), rng.normal(size=6)),
        (rng.normal(size=(1, 6)) + 0.5, np.ones(1)),
    )
    return ValueNetwork(layers, {"point": 2}, {"target": 2})


@pytest.fixture
def saved(tmp_path) -> str:
    return str(save(network(), tmp_path / "value", {"env_id": "x"}))


def test_the_cost_of_a_plan_has_what_its_last_state_is_worth_under_the_goal(saved):
    observation = np.array([0.1, -0.2, 0.5, 0.7, 9.0])
    problem, plain = (task(v).problem(observation, 3) for v in (saved, None))
    rng = np.random.default_rng(1)
    states, actions = rng.normal(size=(8, 4, 2)), rng.normal(size=(8, 3, 1))
    seen = np.concatenate([states[:, -1], np.tile([0.5, 0.7], (8, 1))], axis=1)
    (W, b), (V, c) = network().layers
    worth = np.maximum(np.maximum(seen @ W.T + b, 0) @ V.T + c, 0)[:, 0]
    assert worth.any()
    extra = problem.cost(states, actions) - plain.cost(states, actions)
    np.testing.assert_allclose(extra, worth, atol=1e-12)
    assert problem.hybrid == "a value network stands at the end of the plan"
    assert task(saved).distance(observation, 2) == task().distance(observation, 2)
    assert (task().config.distance_weight, task(saved).config.distance_weight) == (None, None)
    pure = replace(TERMS[0], weight=0.0)
    pure_task = replace(PLAIN, cost=CostConfig([pure]))
    assert task(None, pure_task).config.distance_weight == 3.0
    assert task(saved, pure_task).config.distance_weight is None


def test_what_is_no_value_of_this_task_is_refused(saved, tmp_path):
    with pytest.raises(CheckpointError, match="no checkpoint"):
        task(str(tmp_path / "nothing"))
    other = replace(PLAIN, observation=ObservationConfig({"point": "0:3"}, {"target": "2:5"}))
    with pytest.raises(ConfigError, match=r"of a state of point \(2\), the task has point \(3\)"):
        task(saved, other)
    without = TaskConfig(ObservationConfig({"point": "0:2"}), CostConfig([TermConfig("point")]))
    with pytest.raises(ConfigError, match=r"a goal of target \(2\), the task has nothing"):
        task(saved, without)
    save_tensors(tmp_path / "model", {"a": np.zeros(2)}, {}, {"kind": "mlp"})
    with pytest.raises(CheckpointError, match="holds a 'mlp', expected a value network: make one"):
        task(str(tmp_path / "model"))
    layers = {"W0": np.zeros((3, 4)), "b0": np.zeros(3)}
    sizes = {"state": {"point": 2}, "goal": {"target": 2}}
    save_tensors(tmp_path / "wide", layers, sizes, {"kind": KIND})
    with pytest.raises(CheckpointError, match="layers do not fit each other, the state or one"):
        load(tmp_path / "wide")
    save_tensors(tmp_path / "odd", {"W0": np.zeros((1, 4))}, {}, {"kind": KIND})
    with pytest.raises(CheckpointError, match="do not fit"):
        load(tmp_path / "odd")


def test_a_network_learns_what_states_cost_where_it_is_little_too():
    rng = np.random.default_rng(2)
    seen = rng.uniform(-1, 1, (800, 5))
    costs = 10 * abs(seen[:, :2] - seen[:, 2:4]).sum(1)
    config = ValueConfig(hidden=(16,), fit=FitConfig(epochs=40, learning_rate=2e-2))
    found, fitted = fit_value(config, task(), seen[:, :4], costs, np.arange(800) // 20)
    assert fitted.held_out < 0.1
    near = seen.copy()
    near[:, 2:4] = near[:, :2]
    worth = [found.at({"target": o[2:4]})(o[:2]) for o in near]
    assert np.mean(worth) < 0.15 * costs.mean()


def test_settings_that_ask_for_what_is_not_there_are_refused():
    with pytest.raises(ConfigError, match="steps is 13, expected at most the horizon, 12"):
        ValueConfig(steps=13)
    with pytest.raises(ConfigError, match="rounds need episodes to play, and episodes is 0"):
        ValueConfig(rounds=1, episodes=0)
