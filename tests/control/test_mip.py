"""The MIP controller on a small trained-size network: warm starts, proofs, soft retry, memory."""

import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from sparsectl.control import ControllerState, build
from sparsectl.control import mip as mip_module
from sparsectl.control.candidates import exact_costs
from sparsectl.dynamics import MLPConfig
from sparsectl.dynamics import build as build_dynamics
from sparsectl.dynamics.lower import lower
from sparsectl.errors import ConfigError
from sparsectl.mip import Solution
from sparsectl.task import Task, TaskConfig, TermConfig
from sparsectl.task.constraints import BoxConfig, ConstraintsConfig
from sparsectl.task.cost import CostConfig
from sparsectl.task.observation import ObservationConfig
from sparsectl.types import Status

HORIZON = 4


@pytest.fixture(scope="module")
def parts():
    torch.manual_seed(0)
    names = {"position": slice(0, 2), "velocity": slice(2, 4)}
    dynamics = build_dynamics(MLPConfig(hidden=(6, 6)), names, 4, 2, seed=3)
    return dynamics, lower(dynamics)


def task(**constraints) -> Task:
    config = TaskConfig(
        ObservationConfig({"position": "0:2", "velocity": "2:4"}),
        CostConfig([TermConfig("position", [0.5, -0.5], "l1", 1.0, 3.0)]),
        ConstraintsConfig(**constraints),
    )
    return Task(config, 4, -np.ones(2), np.ones(2))


def controller(parts, goal=None, **entry):
    dynamics, program = parts
    entry = {"kind": "mip", "gap": 1e-4, **entry}
    return build("mip", entry, goal or task(), dynamics, program, HORIZON, "cpu")


OBSERVATION = np.array([1.0, 0.3, -0.2, 0.1])


def test_proves_its_plan_and_reports_it(parts):
    plan = controller(parts).plan(OBSERVATION)
    assert plan.status == Status.OPTIMAL
    assert plan.bound <= plan.cost <= plan.bound + 1e-4 * abs(plan.cost) + 1e-6
    assert plan.info["binaries"] > 0
    exact = parts[1].rollout(OBSERVATION, plan.actions)
    np.testing.assert_allclose(plan.states, exact, atol=1e-12)


@pytest.mark.parametrize("other", ["mppi", "cem", "gradient"])
def test_never_plans_worse_than_the_others_it_is_given(parts, other):
    dynamics, program = parts
    rival = build(other, {}, task(), dynamics, program, HORIZON, "cpu")
    mip = controller(parts, starts=[], nodes=1)
    for seed in range(3):
        x0 = OBSERVATION + np.random.default_rng(seed).normal(size=4) * 0.3
        problem, state = task().problem(x0, HORIZON), ControllerState(seed=seed)
        given = rival.solve(problem, state, deadline=time.perf_counter() + 0.1)[0]
        own = mip.solve(problem, state, starts=[given.actions])[0]
        assert own.cost <= given.cost + 1e-9


def test_node_limited_plans_repeat_exactly(parts):
    mip = controller(parts, starts=[], nodes=3, seconds=None)
    first, second = (mip.plan(OBSERVATION, ControllerState(seed=7)) for _ in range(2))
    np.testing.assert_array_equal(first.actions, second.actions)
    assert first.bound == second.bound


@pytest.mark.parametrize("backend", ["auto", "hull", "boxes", "scip", "highs"])
def test_infeasible_constraints_are_softened_and_said(parts, backend):
    goal = task(boxes=[BoxConfig("position", 50.0, 60.0)])
    plan = controller(parts, goal, backend=backend).plan(OBSERVATION)
    assert plan.status is Status.SOFTENED
    assert plan.status.has_plan
    assert plan.bound is None
    assert "limit" in plan.info["softened"]
    assert plan.info["proved_infeasible"]
    assert plan.info["violation"] > 1.0
    violated, below = plan.info["violated"], 50.0 - plan.states[1:, :2]
    step, entry = np.unravel_index(np.argmax(below), below.shape)
    assert violated["constraint"] == f"low limit of 'position'[{entry}]"
    assert (violated["step"], violated["by"]) == (step + 1, pytest.approx(below.max()))
    hard = controller(parts, goal, soft_penalty=None).plan(OBSERVATION)
    assert hard.status == Status.INFEASIBLE
    assert hard.horizon == 0


def test_works_with_both_solvers_and_every_bound(parts):
    costs = [
        controller(parts, starts=[], backend=backend, bounds=bounds).plan(OBSERVATION).cost
        for backend in ("auto", "scip", "highs")
        for bounds in ("interval", "crown", "lp")
    ]
    np.testing.assert_allclose(costs, costs[0], rtol=2e-4)


def test_returns_by_a_deadline_that_has_already_passed(parts):
    plan = controller(parts).plan(OBSERVATION, deadline=time.perf_counter() - 1.0)
    assert plan.status.has_plan
    assert plan.bound is not None


def test_predict_keeps_its_memory_in_the_state(parts):
    mip = controller(parts, nodes=2)
    action, state = mip.predict(OBSERVATION)
    assert action.shape == (2,)
    assert state.step == 1
    shifted = state.shifted(HORIZON, np.zeros(2))
    np.testing.assert_array_equal(shifted[:-1], state.plan.actions[1:])
    other = replace(state, plan=None)
    assert mip.predict(OBSERVATION, other)[1].step == 2


def test_refuses_bad_settings(parts):
    for entry, word in (
        ({"starts": ["mip"]}, "start from mip"),
        ({"gap": -1.0}, "gap"),
        ({"share": 1.0}, "share"),
        ({"backend": "gurobi"}, "backend"),
        ({"soft_penalty": 0.0}, "soft_penalty"),
        ({"explore": -1}, "explore"),
    ):
        with pytest.raises(ConfigError, match=word):
            controller(parts, **entry)


def test_no_second_search_where_there_is_no_time_for_one(parts, monkeypatch):
    """The first search found nothing until the deadline: its starting plans have to do."""
    calls = []

    def nothing(program, problem, propose, options, deadline):
        calls.append(options.soft_penalty)
        propose(time.perf_counter() + 0.05)
        return Solution(Status.NO_SOLUTION, build_seconds=0.02, message="time was up")

    monkeypatch.setattr(mip_module.anytime, "plan", nothing)
    goal = task(boxes=[BoxConfig("position", 50.0, 60.0)])
    it = controller(parts, goal)
    problem = goal.problem(OBSERVATION, HORIZON)
    given = np.zeros((HORIZON, 2))
    late = time.perf_counter() + 0.05
    plan, _ = it.solve(problem, ControllerState(seed=0), deadline=late, starts=[given])
    assert calls == [None]
    assert (plan.status, plan.bound, plan.horizon) == (Status.SOFTENED, None, HORIZON)
    assert plan.info["softened"] == "time was up"
    assert not plan.info["proved_infeasible"]
    assert plan.info["violation"] > 1.0
    program = parts[1]
    limit = exact_costs(program, problem, given[None], it.config.soft_penalty)[0]
    assert (
        exact_costs(program, problem, plan.alternatives[0][None], it.config.soft_penalty)[0]
        <= limit
    )
    ample = time.perf_counter() + 5.0
    it.solve(problem, ControllerState(seed=0), deadline=ample, starts=[given])
    assert calls == [None, None, it.config.soft_penalty]


def test_what_bounds_prove_impossible_in_most_of_the_time_is_left_to_the_starting_plans(
    parts, monkeypatch
):
    """No candidates were asked for yet, and how long it took was taken for nothing."""
    calls = []

    def impossible(program, problem, propose, options, deadline):
        calls.append(options.soft_penalty)
        return Solution(Status.INFEASIBLE, build_seconds=0.2, message="no plan can satisfy it")

    monkeypatch.setattr(mip_module.anytime, "plan", impossible)
    it = controller(parts, task(boxes=[BoxConfig("position", 50.0, 60.0)]))
    plan, state = it.decide(OBSERVATION, deadline=time.perf_counter() + 0.3)
    assert (calls, state.memory) == ([None], 0.2)
    assert (plan.status, plan.horizon) == (Status.SOFTENED, HORIZON)
    assert plan.info["softened"] == "no plan can satisfy it"
    assert plan.info["proved_infeasible"]
    it.decide(OBSERVATION, state, deadline=time.perf_counter() + 0.3)
    assert calls == [None]


def test_no_time_for_the_model_gives_all_of_it_to_the_starting_plans(parts, monkeypatch):
    planner, built = controller(parts), []
    real = mip_module.anytime.plan
    monkeypatch.setattr(
        mip_module.anytime, "plan", lambda *a, **k: (built.append(1), real(*a, **k))[1]
    )
    first, state = planner.decide(OBSERVATION, deadline=time.perf_counter() + 5)
    assert built == [1]
    assert state.memory == first.info["build_seconds"] > 0
    # as if it had taken long, which is remembered in the state and grows less with every decision
    state = replace(state, memory=0.1)
    for k in range(1, 4):
        started = time.perf_counter()
        plan, state = planner.decide(OBSERVATION, state, deadline=started + 0.1)
        assert (plan.status, plan.bound, built) == (Status.HEURISTIC, None, [1])
        assert state.memory == pytest.approx(0.1 * 0.99**k)
        assert "no branch and bound" in plan.info["message"]
    planner._known = 0.1  # an episode's first decision was late for what the last one knew
    assert (
        "no branch" in planner.plan(OBSERVATION, deadline=time.perf_counter() + 0.1).info["message"]
    )
    again = planner.plan(OBSERVATION, state, deadline=time.perf_counter() + 5)
    assert built == [1, 1]
    assert 0 < planner._known < 0.1
    assert again.status == Status.OPTIMAL
    # constraints without a price are not given up
    hard = controller(parts, task(boxes=[BoxConfig("position", -99.0, 99.0)]), soft_penalty=None)
    hard.plan(OBSERVATION, state, deadline=time.perf_counter() + 0.1)
    assert built == [1, 1, 1]
    built.pop()
    # without samplers there is nothing to give the time to
    controller(parts, starts=[]).plan(OBSERVATION, state, deadline=time.perf_counter() + 0.1)
    assert built == [1, 1, 1]


def test_a_softened_plan_that_keeps_the_constraints_refutes_what_was_claimed(parts, monkeypatch):
    real = mip_module.anytime.plan
    for said in (
        Solution(Status.INFEASIBLE, certificate="X", message="none"),
        Solution(Status.NO_SOLUTION, bound=1e6, certificate="X", message="late"),
    ):

        def plan(program, problem, propose, options, deadline, said=said):
            if options.soft_penalty is None:
                return said
            return real(program, problem, propose, options, deadline)

        monkeypatch.setattr(mip_module.anytime, "plan", plan)
        goal = task(boxes=[BoxConfig("position", -50.0, 60.0)])
        found = controller(parts, goal).plan(OBSERVATION)
        assert found.status is Status.HEURISTIC
        assert (found.bound, found.certificate) == (None, "")
        assert not found.info["proved_infeasible"]
