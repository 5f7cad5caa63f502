"""The planner with two models, on small networks whose plans can be checked exactly."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from sparsectl import dynamics
from sparsectl.config import from_dict
from sparsectl.control import ControllerState, Supervised, SupervisedConfig, build, checkpoints
from sparsectl.control.settings import TwoModelsConfig
from sparsectl.dynamics import GraphConfig, MLPConfig
from sparsectl.dynamics.lower import lower, programs
from sparsectl.task import CostConfig, ObservationConfig, Task, TaskConfig, TermConfig
from sparsectl.task.constraints import BoxConfig, ConstraintsConfig
from sparsectl.task.cost import ActionCostConfig
from sparsectl.types import Plan, Status

HORIZON = 4
NAMES = {"position": slice(0, 2), "velocity": slice(2, 4)}
FEW = {
    "gradient": {"refine": "gradient", "gradient": {"starts": 4, "steps": 3, "rounds": 1}},
    "cem": {"refine": "cem", "cem": {"samples": 8, "elites": 4, "iterations": 2}},
}
FEW["both"] = {**FEW["gradient"], **FEW["cem"], "refine": "both"}
"""Refinement too short to get anywhere by itself."""
EXACT = {"seconds": None, "mip": {"starts": [], "nodes": 30, "seconds": None}}
"""Limits on work instead of time."""


def task(**constraints) -> Task:
    config = TaskConfig(
        ObservationConfig({"position": "0:2", "velocity": "2:4"}),
        CostConfig(
            [TermConfig("position", [0.5, -0.5], "l1", 1.0, 3.0)], ActionCostConfig("l1", 0.01)
        ),
        ConstraintsConfig(**constraints),
    )
    return Task(config, 4, -np.ones(2), np.ones(2))


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """(dense model, checkpoint of the sparse one); they differ."""
    dense = dynamics.build(MLPConfig(hidden=(12, 12)), NAMES, 4, 2, seed=3)
    sparse = dynamics.build(MLPConfig(hidden=(3, 3)), NAMES, 4, 2, seed=3)
    path = tmp_path_factory.mktemp("sparse") / "3"
    return dense, dynamics.save(sparse, path, {"env_id": "Toy-v0"})


def controller(models, goal=None, **entry):
    dense, path = models
    entry = {"kind": "two_models", "sparse": str(path), **EXACT, **entry}
    return build("both", entry, goal or task(), dense, lower(dense), HORIZON, "cpu")


def start(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=4)


def exact(models, goal, observation, actions) -> float:
    problem, program = goal.problem(observation, HORIZON), lower(models[0])
    return float(problem.cost(program.rollout(problem.x0, actions), actions))


@pytest.mark.parametrize("refine", FEW)
def test_the_cost_is_the_dense_model_s_and_nothing_is_claimed_about_it(models, refine):
    plan = controller(models, **FEW[refine]).plan(start(0))
    assert (plan.status, plan.bound, plan.gap) == (Status.HEURISTIC, None, None)
    assert plan.source == "two_models"
    assert plan.cost == pytest.approx(exact(models, task(), start(0), plan.actions), rel=1e-12)
    sparse, _ = dynamics.load(models[1])
    mip = build("mip", EXACT["mip"], task(), sparse, lower(sparse), HORIZON, "cpu")
    alone = mip.plan(start(0))
    assert plan.info["sparse_cost"] == pytest.approx(alone.cost)
    assert plan.info["sparse_gap"] == pytest.approx(alone.gap)
    assert plan.info["sparse_status"] == str(alone.status)
    there = exact(models, task(), start(0), alone.actions)
    assert plan.info["unrefined"] == pytest.approx(there)
    assert plan.info["improvement"] == pytest.approx(there - plan.cost)


@pytest.mark.parametrize("refine", FEW)
def test_never_worse_than_the_global_plan_nor_than_the_last_plan_moved_on(models, refine):
    it, gains = controller(models, **FEW[refine]), []
    for seed in range(6):
        state = ControllerState(seed=seed)
        plan, following = it.decide(start(seed), state)
        gains.append(plan.info["improvement"])
        assert plan.cost <= plan.info["unrefined"] + 1e-12
        moved_on = following.shifted(HORIZON, np.zeros(2))
        after = it.plan(plan.states[1], following)
        assert after.cost <= exact(models, task(), plan.states[1], moved_on) + 1e-12
    assert max(gains) > 1e-3, "where the models differ, refinement must pay at some start"


@pytest.mark.parametrize("refine", FEW)
def test_with_one_model_twice_the_proved_optimum_is_kept(models, refine):
    model, _ = dynamics.load(models[1])
    it = controller((model, models[1]), **FEW[refine], mip={**EXACT["mip"], "nodes": 2000})
    plan = it.plan(start(5))
    assert plan.info["sparse_status"] == "optimal"
    assert plan.cost <= plan.info["sparse_cost"] + 1e-9
    assert plan.cost >= plan.info["sparse_bound"] - 1e-6
    kind = "gradient" if refine == "both" else refine
    few = FEW[refine][kind]
    alone = build(kind, few, task(), model, lower(model), HORIZON, "cpu").plan(start(5))
    assert alone.cost > 1.01 * plan.cost


@pytest.mark.parametrize("refine", FEW)
def test_plans_that_are_limited_by_work_repeat_exactly(models, refine):
    one, two = (controller(models, **FEW[refine]) for _ in range(2))
    state = ControllerState(seed=7)
    first, second = one.plan(start(1), state), two.plan(start(1), state)
    np.testing.assert_array_equal(first.actions, second.actions)
    assert one.plan(start(1), replace(state, seed=8)).info["sparse_cost"] == pytest.approx(
        first.info["sparse_cost"]
    )


def test_given_plans_are_refined_too(models):
    it = controller(models, **FEW["gradient"])
    good = controller(models, refine="gradient", gradient={"steps": 80, "rounds": 3}).plan(start(2))
    problem = task().problem(start(2), HORIZON)
    plan = it.solve(problem, ControllerState(), starts=[good.actions])[0]
    assert plan.cost <= good.cost + 1e-12


def test_time_ends_the_decision_and_more_of_it_is_used(models):
    it = controller(models, mip={})
    now = time.perf_counter()
    passed = it.plan(start(0), deadline=now - 1)
    ample = it.plan(start(0), deadline=time.perf_counter() + 0.3)
    assert passed.status.has_plan
    assert ample.info["samples"] > passed.info["samples"]
    assert controller(models, seconds=0.05, mip={}).plan(start(0)).status.has_plan


def test_what_cem_remembers_comes_back_to_it(models):
    it = controller(models, **FEW["cem"])
    plan, state = it.decide(start(0))
    assert state.memory.refiners[0].shape[1:] == (HORIZON, 2)
    with_memory = it.plan(plan.states[1], state)
    without = it.plan(plan.states[1], replace(state, memory=None))
    assert with_memory.info["samples"] > without.info["samples"]


def test_constraints_are_kept_as_samplers_keep_them(models):
    seed = 14  # a start in which the constraint matters
    free = controller(models).plan(start(seed))
    idle = lower(models[0]).rollout(start(seed), np.zeros((HORIZON, 2)))
    lowest, possible = free.states[1:, 0].min(), idle[1:, 0].min()
    assert possible > lowest + 0.1
    goal = task(boxes=[BoxConfig("position[0:1]", (lowest + possible) / 2, 50.0)])
    plan = controller(models, goal).plan(start(seed))
    assert plan.info["violation"] < 1e-3
    assert plan.cost > free.cost - 1e-3


def test_works_under_supervision_and_over_an_episode(models):
    limits = SupervisedConfig(budget=0.15)
    it = Supervised(controller(models, mip={}), lower(models[0]), limits)
    state, x = ControllerState(seed=1), start(3)
    for _ in range(3):
        plan, state = it.decide(x, state)
        assert plan.fallback is None
        x = plan.states[1]
    assert state.step == 3


def test_graph_models_plan_with_the_program_of_the_state(tmp_path):
    names = {"red": slice(0, 2), "blue": slice(2, 4)}
    dense, sparse = (
        dynamics.build(
            GraphConfig(radius=0.6, edge=(w,), message=2, node=(w,), origin=0, gain=0.3),
            names, 4, 4, seed=w,
        )
        for w in (5, 2)
    )  # fmt: skip
    path = dynamics.save(sparse, tmp_path / "sparse")
    config = TaskConfig(
        ObservationConfig({"red": "0:2", "blue": "2:4"}), CostConfig([TermConfig("red", [0.3, 0])])
    )
    goal = Task(config, 4, -np.ones(4), np.ones(4))
    entry = {"kind": "two_models", "sparse": str(path), **EXACT}
    it = build("both", entry, goal, dense, programs(dense), 1, "cpu")
    observation = np.array([0.1, 0.2, 0.3, 0.1])
    plan = it.plan(observation)
    problem = goal.problem(observation, 1)
    with torch.no_grad():
        x, u = (torch.tensor(v, dtype=torch.float32)[None] for v in (problem.x0, plan.actions))
        reached = dense.float().rollout(x, u)[0].numpy()
    assert plan.cost == pytest.approx(float(problem.cost(reached, plan.actions)), rel=1e-4)
    assert plan.cost <= plan.info["unrefined"] + 1e-12


def test_a_part_s_settings_keep_its_defaults_here():
    config = from_dict(TwoModelsConfig, {"sparse": "a", "gradient": {"starts": 8}})
    assert config.gradient.near == TwoModelsConfig("a").gradient.near
    assert config.gradient.starts == 8


def test_an_entry_says_which_checkpoints_it_needs():
    assert checkpoints("both", {"kind": "two_models", "sparse": "sparse/24"}) == {
        "sparse": "sparse/24"
    }
    assert checkpoints("two_models", {"sparse": "x"}) == {"sparse": "x"}
    assert checkpoints("mip", None) == {}


@pytest.mark.parametrize("kind", ["mppi", "cem", "gradient"])
def test_samplers_are_never_worse_than_plans_they_are_given(models, kind):
    few = {"starts": 4, "steps": 1, "rounds": 1} if kind == "gradient" else {"iterations": 1}
    it = build(kind, few, task(), models[0], lower(models[0]), HORIZON, "cpu")
    problem = task().problem(start(4), HORIZON)
    good = controller(models).plan(start(4))
    useless = np.full((HORIZON, 2), np.nan)
    given = [good.actions, -good.actions, useless]
    plan, _ = it.solve(problem, ControllerState(), starts=given)
    assert plan.cost <= good.cost + 1e-5


def test_gradient_draws_around_every_given_plan(models):
    """With nearly no noise and no step, each start is one of the given plans."""
    entry = {"starts": 9, "steps": 1, "rounds": 1, "far": 0.0, "near": [0.0, 0.0], "rate": 0.003}
    it = build("gradient", entry, task(), models[0], lower(models[0]), HORIZON, "cpu")
    bases = torch.tensor([[[0.1, 0.1]] * HORIZON, [[0.2, 0.2]] * HORIZON, [[0.3, 0.3]] * HORIZON])
    from sparsectl.control.samplers.objective import Objective

    objective = Objective(it.dynamics, task().problem(start(0), HORIZON))
    drawn = it._draw(np.random.default_rng(0), objective, bases, 5)
    np.testing.assert_allclose(drawn[:, 0, 0], [0.3, 0.2, 0.1, 0.3, 0.2])


def test_the_last_plan_of_another_horizon_is_no_obstacle(models):
    old = Plan(np.ones((2, 2)), np.zeros((3, 4)), Status.HEURISTIC, 0.0)
    plan = controller(models, **FEW["gradient"]).plan(start(0), ControllerState().after(old, None))
    assert plan.horizon == HORIZON


@pytest.mark.parametrize(("seconds", "used"), [(0.1, ["CEM"]), (None, ["CEM", "Gradient"])])
def test_auto_leaves_the_gradient_out_where_time_is_short(models, monkeypatch, seconds, used):
    few = {**FEW["both"], "refine": "auto"}
    it, seen = controller(models, **few), []
    for refiner in it._refiners:
        name, real = type(refiner).__name__, refiner.solve
        monkeypatch.setattr(
            refiner,
            "solve",
            lambda *a, name=name, real=real, **k: (seen.append(name), real(*a, **k))[1],
        )
    deadline = None if seconds is None else time.perf_counter() + seconds
    problem = task().problem(start(0), HORIZON)
    plan, _ = it.solve(problem, ControllerState(seed=0), deadline=deadline)
    assert (seen, plan.status) == (used, Status.HEURISTIC)
