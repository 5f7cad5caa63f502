"""Planners where actions are levels, semicontinuous, limited in their rate or held over blocks."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsectl.control import ControllerState, build
from sparsectl.control.candidates import exact_costs
from sparsectl.control.samplers.objective import Objective, frozen
from sparsectl.dynamics.base import Dynamics
from sparsectl.errors import ConfigError
from sparsectl.program import ReluProgram
from sparsectl.task import (
    ActionConfig,
    CostConfig,
    ObservationConfig,
    Task,
    TaskConfig,
    TermConfig,
)
from sparsectl.task.constraints import BoxConfig, ConstraintsConfig
from sparsectl.task.cost import ActionCostConfig
from sparsectl.task.levels import MOST

FEW = {
    "mppi": {"samples": 64, "iterations": 4, "levels": {"factor": 1}},
    "cem": {"samples": 64, "iterations": 4, "levels": {"factor": 1}},
    "gradient": {"starts": 8, "rounds": 1, "steps": 5},
    "random": {},
}
HORIZON = 6


class Two(Dynamics):
    """x' = x + u, two entries each."""

    def __init__(self) -> None:
        super().__init__()
        self.nx = self.nu = 2
        self.register_buffer("one", torch.ones(1))

    def forward(self, x, u):
        return x + u


def two(action: ActionConfig) -> tuple[Task, ReluProgram]:
    import scipy.sparse as sp

    eye = np.hstack([np.eye(2), np.eye(2)])
    program = ReluProgram(4, sp.csr_array((0, 4)), np.zeros(0), sp.csr_array(eye), np.zeros(2))
    config = TaskConfig(
        ObservationConfig({"place": "0:2"}),
        CostConfig([TermConfig("place", [0.3, -0.7])], ActionCostConfig("l2sq", 0.05)),
        ConstraintsConfig(boxes=[BoxConfig("place", -2.0, 2.0)]),
        action,
    )
    return Task(config, 2, -np.ones(2), np.ones(2)), program


PER_ENTRY = st.sampled_from([[-1.0, 0.0, 1.0], [-0.5, 0.75], [0.25], None])


@st.composite
def actions(draw) -> ActionConfig:
    semi = draw(st.sampled_from([None, 0.3]))
    levels = None if semi else [draw(PER_ENTRY), draw(PER_ENTRY)]
    return ActionConfig(
        levels=levels if levels and any(levels) else None,
        semicontinuous=semi and [semi, None],
        rate=draw(st.sampled_from([None, [1.0, 2.0], 1.3])),
        blocks=draw(st.sampled_from([None, 2, 4, [1, 2, 3]])),
    )


@pytest.mark.parametrize("kind", FEW)
@settings(deadline=None, max_examples=15)
@given(actions(), st.integers(0, 2**16))
def test_every_plan_is_admissible_and_costs_what_was_promised(kind, action, seed):
    task, program = two(action)
    it = build("it", {"kind": kind, **FEW[kind]}, task, Two(), program, HORIZON, "cpu")
    observation, state = np.array([1.0, 0.5]), ControllerState(seed=seed)
    for _ in range(3):
        last = state.applied(it)
        problem = task.problem(observation, HORIZON, step=state.step, last=last)
        plan, state = it.decide(observation, state)
        if problem.inputs is not None:
            assert problem.inputs.excess(plan.actions) <= 1e-9
        assert (abs(plan.actions) <= 1).all()
        if plan.trace:
            paid = plan.cost + 1e3 * plan.info["violation"]
            assert plan.trace[-1][1] == pytest.approx(paid, rel=1e-3, abs=1e-3)
        observation = plan.states[1]


@pytest.mark.parametrize("kind", ["cem", "mppi"])
@pytest.mark.parametrize("blocks", [None, [1, 2, 3]])
def test_a_small_problem_is_solved_to_the_optimum(kind, blocks, toy_factory, start):
    """All 729 plans (27 with blocks) are tried by hand."""
    levels = [-1.0, -0.25, 0.5]
    action = ActionConfig(levels=levels, blocks=blocks)
    toy = toy_factory(norm="l1", action=action, boxes=[BoxConfig("position", 0.2, 10.0)])
    problem = toy.problem((1.0, -0.5))
    plans = np.array(list(itertools.product(levels, repeat=HORIZON)))[..., None]
    if blocks:
        plans = plans[problem.inputs.excess(plans) == 0]
    best = exact_costs(toy.program, problem, plans).min()
    entry = {"kind": kind, "samples": 64, "iterations": 20, "levels": {"factor": 1}}
    it = build("it", entry, toy.task, toy.dynamics, toy.program, HORIZON, "cpu")
    for seed in range(5):
        plan = it.solve(problem, ControllerState(seed=seed))[0]
        paid = plan.cost + 1e3 * plan.info["violation"]
        assert paid == pytest.approx(best, rel=1e-9)


@pytest.mark.parametrize("kind", ["cem", "mppi"])
def test_semicontinuous_entries_come_close_to_the_best_of_their_pieces(kind, toy_factory, start):
    toy = toy_factory(norm="l1", action=ActionConfig(semicontinuous=0.4))
    problem = toy.problem()
    # Signs by hand: the best plan for each pattern of pieces of a fine grid.
    grid = np.array([-1.0, -0.8, -0.6, -0.4, 0.0, 0.4, 0.5])
    plans = np.array(list(itertools.product(grid, repeat=HORIZON)))[..., None]
    best = exact_costs(toy.program, problem, plans).min()
    entry = {"kind": kind, "samples": 64, "iterations": 30}
    it = build("it", entry, toy.task, toy.dynamics, toy.program, HORIZON, "cpu")
    plan = it.solve(problem, start)[0]
    assert plan.cost <= 1.0005 * best


def test_the_same_state_gives_the_same_plan(toy_factory, start):
    toy = toy_factory(action=ActionConfig(levels=[-1, 0, 0.5]))
    for kind in ("cem", "mppi", "gradient"):
        entry = {"kind": kind, **FEW[kind]}
        one, two = (
            build("it", entry, toy.task, toy.dynamics, toy.program, HORIZON, "cpu").solve(
                toy.problem(), start
            )[0]
            for _ in range(2)
        )
        np.testing.assert_array_equal(one.actions, two.actions)


def test_a_block_is_one_decision(toy_factory):
    toy = toy_factory(action=ActionConfig(blocks=[1, 2, 3]))
    problem = toy.problem()
    objective = Objective(frozen(toy.dynamics, "cpu"), problem)
    plans = problem.admit(np.random.default_rng(0).uniform(-1, 0.5, (5, HORIZON, 1)))
    z = objective.unit(plans)
    assert z.shape == (5, 3, 1)
    np.testing.assert_allclose(objective.actions(z).numpy(), plans, atol=1e-12)


def test_gradients_reach_levels(toy_factory):
    toy = toy_factory(action=ActionConfig(levels=[-1, 0, 0.5]))
    objective = Objective(frozen(toy.dynamics, "cpu"), toy.problem())
    z = torch.zeros((1, HORIZON, 1), dtype=torch.float64, requires_grad=True)
    objective(z).sum().backward()
    assert (z.grad != 0).all()


def test_very_many_levels_are_searched_like_a_range(toy_factory, start):
    levels = np.linspace(-1, 0.5, MOST + 1)
    toy = toy_factory(action=ActionConfig(levels=levels.tolist()))
    free = toy_factory()
    entry = {"kind": "cem", "samples": 128, "iterations": 20}
    plan, best = (
        build("it", entry, t.task, t.dynamics, t.program, HORIZON, "cpu").solve(t.problem(), start)[
            0
        ]
        for t in (toy, free)
    )
    assert np.isin(plan.actions.round(9), levels.round(9)).all()
    assert plan.cost <= 1.1 * best.cost


@pytest.mark.parametrize(
    ("field", "value"), [("elites", 1), ("moved", 1.0), ("floor", 0.0), ("price", 0.0)]
)
def test_settings_out_of_range_are_refused(field, value, toy):
    entry = {"kind": "cem", "levels": {field: value}}
    with pytest.raises(ConfigError, match=field):
        build("it", entry, toy.task, toy.dynamics, toy.program, HORIZON, "cpu")
