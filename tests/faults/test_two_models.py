"""The planner with two models when one of them, or its planner, cannot be used."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch

from sparsectl import dynamics
from sparsectl.control import ControllerState, Supervised, SupervisedConfig, build, check
from sparsectl.dynamics import MLPConfig
from sparsectl.dynamics.base import Dynamics
from sparsectl.dynamics.lower import lower
from sparsectl.errors import CheckpointError, ConfigError
from sparsectl.task import CostConfig, ObservationConfig, Task, TaskConfig, TermConfig
from sparsectl.task.constraints import BoxConfig, ConstraintsConfig
from sparsectl.types import Plan, Status

NAMES = {"position": slice(0, 2), "velocity": slice(2, 4)}
OBSERVATION = np.array([1.0, 0.3, -0.2, 0.1])
HORIZON = 3


def task(**constraints) -> Task:
    config = TaskConfig(
        ObservationConfig({"position": "0:2", "velocity": "2:4"}),
        CostConfig([TermConfig("position", [0.5, -0.5], "l1", 1.0, 3.0)]),
        ConstraintsConfig(**constraints),
    )
    return Task(config, 4, -np.ones(2), np.ones(2))


class Nowhere(Dynamics):
    """Returns NaN."""

    def __init__(self) -> None:
        super().__init__()
        self.nx, self.nu = 4, 2

    def forward(self, x, u):
        return x * torch.nan


def model(names=NAMES, nx=4, nu=2, hidden=(3, 3)):
    return dynamics.build(MLPConfig(hidden=hidden), names, nx, nu, seed=1)


@pytest.fixture(scope="module")
def sparse(tmp_path_factory):
    return dynamics.save(model(), tmp_path_factory.mktemp("sparse") / "3")


def controller(sparse, dense=None, program=None, goal=None, **entry):
    dense = dense or model(hidden=(8,))
    few = {
        "mip": {"starts": [], "nodes": 20, "seconds": 1.0},
        "cem": {"samples": 16, "elites": 4, "iterations": 3},
    }
    entry = {"kind": "two_models", "sparse": str(sparse), "seconds": None, **few, **entry}
    program = program or lower(dense)
    return build("both", entry, goal or task(), dense, program, HORIZON, "cpu")


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ({}, "controllers.both: missing key 'sparse'"),
        ({"sparse": " "}, "folder of a checkpoint"),
        ({"sparse": 3}, "sparse: expected str"),
        ({"sparse": "a", "share": 0.0}, "share is 0.0, expected a number above 0 and below 1"),
        ({"sparse": "a", "share": 1.0}, "share is 1.0"),
        ({"sparse": "a", "plans": 0}, "plans is 0, expected a whole number of at least 1"),
        ({"sparse": "a", "seconds": 0.0}, "seconds is 0.0"),
        ({"sparse": "a", "refine": "gradiant"}, "did you mean 'gradient'"),
        ({"sparse": "a", "spars": "b"}, "did you mean 'sparse'"),
        ({"sparse": "a", "mip": {"starts": ["two_models"]}}, "expected any of cem, gradient, mppi"),
        ({"sparse": "a", "gradient": {"near": [0.5, 0.1]}}, "near from 0 or more upwards"),
        ({"sparse": "a", "gradient": {"near": [0.5]}}, "expected 2 values, got 1"),
        ({"sparse": "a", "gradient": {"far": 1.5}}, "far in"),
    ],
)
def test_bad_settings_are_refused_before_a_checkpoint_is_looked_for(entry, says):
    with pytest.raises(ConfigError) as caught:
        check("both", {"kind": "two_models", **entry}, HORIZON)
    assert says in str(caught.value)


def test_a_checkpoint_that_is_missing_damaged_or_of_other_sizes_is_named(sparse, tmp_path):
    damaged = tmp_path / "damaged"
    shutil.copytree(sparse, damaged)
    (damaged / "model.safetensors").write_bytes(b"nothing")
    other = {"position": slice(0, 1), "velocity": slice(1, 4)}
    cases = {
        "there is no such folder": tmp_path / "nowhere",
        "checksum": damaged,
        "has 5 states and 2 actions": dynamics.save(
            model({"position": slice(0, 5)}, nx=5), tmp_path / "nx"
        ),
        "has 4 states and 1 actions": dynamics.save(model(nu=1), tmp_path / "nu"),
        "position 0:1, velocity 1:4": dynamics.save(model(other), tmp_path / "names"),
    }
    for says, path in cases.items():
        with pytest.raises(CheckpointError) as caught:
            controller(path)
        assert says in str(caught.value)
        assert "controllers.both.sparse" in str(caught.value)


def test_without_a_plan_of_the_sparse_model_the_candidates_are_refined(sparse):
    goal = task(boxes=[BoxConfig("position", 50.0, 60.0)])
    it = controller(sparse, goal=goal, mip={"starts": [], "soft_penalty": None})
    plan = it.plan(OBSERVATION)
    assert plan.status is Status.HEURISTIC
    assert plan.info["sparse_status"] == "infeasible"
    assert "limit" in plan.info["sparse_message"]
    assert plan.info["unrefined"] is None
    assert plan.info["improvement"] is None
    assert plan.info["violation"] > 1.0


@pytest.mark.parametrize("error", [RuntimeError("solver"), Exception("SCIP: error in LP solver!")])
def test_a_solver_that_fails_leaves_the_refinement(sparse, monkeypatch, error):
    def fail(*_, **__):
        raise error

    it = controller(sparse)
    monkeypatch.setattr(it._global, "solve", fail)
    plan = it.plan(OBSERVATION)
    assert plan.status.has_plan
    assert str(error) in plan.info["sparse_message"]
    assert plan.info["chosen"] in ("refined", "warm")


def test_a_refinement_that_fails_leaves_the_global_plan(sparse, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("out of memory")

    it = controller(sparse)
    for refiner in it._refiners:
        monkeypatch.setattr(refiner, "solve", fail)
    plan = it.plan(OBSERVATION)
    assert plan.info["chosen"] == "sparse"
    assert "out of memory" in plan.info["refinement"]
    assert plan.cost <= plan.info["unrefined"]
    assert np.isfinite(plan.cost)


def test_a_dense_model_that_is_nan_in_torch_only_leaves_the_global_plan(sparse):
    plan = controller(sparse, Nowhere(), lower(model(hidden=(8,)))).plan(OBSERVATION)
    assert plan.info["chosen"] == "sparse"
    assert "NaN" in plan.info["refinement"]
    assert np.isfinite(plan.cost)


def test_a_dense_model_that_is_not_finite_at_all_acts_by_the_sparse_one(sparse):
    program = lower(model(hidden=(8,)))
    program.d[:] = np.inf
    it = controller(sparse, Nowhere(), program)
    with np.errstate(invalid="ignore"):
        plan = it.plan(OBSERVATION)
        assert plan.cost == np.inf
        assert plan.info["chosen"] == "sparse"
        assert "not finite" in plan.info["message"]
        assert np.isfinite(plan.actions).all()
        acted = Supervised(it, program, SupervisedConfig(budget=1.0)).plan(OBSERVATION)
        assert (acted.fallback, acted.source) == (None, "two_models")


def test_neither_model_is_a_failure_not_a_crash(sparse, monkeypatch):
    program = lower(model(hidden=(8,)))
    program.d[:] = np.inf
    it = controller(sparse, Nowhere(), program)
    monkeypatch.setattr(it._global, "solve", lambda *_, **__: int("no"))
    with np.errstate(invalid="ignore"):
        plan = it.plan(OBSERVATION)
    assert plan.status is Status.FAILED
    assert "not finite" in plan.info["message"]
    assert plan.info["sparse_message"].startswith("ValueError")


def test_a_bad_setting_found_while_planning_is_no_outcome(sparse, monkeypatch):
    def refuse(*_, **__):
        raise ConfigError("this engine cannot plan here")

    it = controller(sparse)
    monkeypatch.setattr(it._global, "solve", refuse)
    with pytest.raises(ConfigError, match="engine"):
        it.plan(OBSERVATION)


def test_bugs_pass(sparse, monkeypatch):
    it = controller(sparse)
    monkeypatch.setattr(it._refiners[0], "solve", lambda *_, **__: {}["missing"])
    with pytest.raises(KeyError):
        it.plan(OBSERVATION)


def test_acts_within_a_hopeless_budget(sparse):
    limits = SupervisedConfig(budget=1e-4, margin=1e-5, sampler_budget=0.0)
    it = controller(sparse, mip={})
    plan = Supervised(it, lower(model(hidden=(8,))), limits).plan(OBSERVATION)
    assert plan.status.has_plan
    assert plan.info["overrun"] > 0


def test_a_non_finite_last_plan_is_forgotten(sparse):
    bad = Plan(np.full((HORIZON, 2), np.nan), np.zeros((4, 4)), Status.HEURISTIC, 0.0)
    plan = controller(sparse).plan(OBSERVATION, ControllerState().after(bad, None))
    assert plan.status.has_plan
    assert np.isfinite(plan.actions).all()
