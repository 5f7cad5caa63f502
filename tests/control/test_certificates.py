"""Which plans are certificates, and the program of the nearest one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import random_problems

from sparsectl.control.certificates import drawn_in, judge, rollout
from sparsectl.control.nearest import WithAction, distance, nearest
from sparsectl.program import algebra
from sparsectl.task import Constraints, Inputs

LEVELS = np.array([[-1.0, -1.0], [1.0, 1.0]])


def test_the_state_of_the_nearest_problem_is_that_of_the_model_and_the_action_before():
    program, problem = random_problems.case(3, constrained=True)
    rng = np.random.default_rng(0)
    wish, plans = rng.uniform(-1, 1, 2), rng.uniform(-1, 1, (20, 3, 2))
    near = nearest(problem, wish, problem.constraints)
    states = WithAction(program, 2).at(near).rollout(near.x0, plans)
    plain = program.rollout(problem.x0, plans)
    np.testing.assert_allclose(states[..., :4], plain, atol=1e-12)
    np.testing.assert_allclose(states[:, 1:, 4:], plans, atol=1e-12)
    np.testing.assert_allclose(near.cost(states, plans), abs(plans[:, 0] - wish).sum(-1))
    np.testing.assert_allclose(near.cost(states, plans), distance(problem, plans[:, 0], wish))
    for plan, whole in zip(plain, states, strict=True):
        assert near.constraints.violation(whole) == problem.constraints.violation(plan)


def test_boxes_are_drawn_in_on_either_side_and_other_limits_stay():
    G = np.array([[1.0, 0], [-1, 0], [1, 1], [0, 1], [0, -1]])
    h = np.array([[3.0, -1, 5, 2, np.inf], [7.0, -1, 5, 2, 4]])
    tight = drawn_in(Constraints(G, h), 0.5, 2)
    np.testing.assert_allclose(tight.h, [[2.5, -1.5, 5, 2, np.inf], [5.5, -2.5, 5, 0.5, 2.5]])


def which(x) -> int:
    return int(10 * abs(x[0])) % 2


class Switching:
    """Programs that are another one at every state, and say so."""

    def __init__(self, programs) -> None:
        self.programs = programs

    def at(self, problem):
        return self.programs[which(problem.x0)]

    def exact_at(self, problem) -> bool:
        return problem.horizon == 1


def test_a_model_that_changes_on_the_way_is_rolled_out_step_by_step():
    rng = np.random.default_rng(1)
    programs = Switching([random_problems.dynamics(rng, 2, 1, (3,), 1.0) for _ in range(2)])
    problem = random_problems.problem(rng, 2, 1, 4, "l1", constrained=False)
    plans = rng.uniform(-1, 1, (6, 4, 1))
    states = rollout(programs, problem, plans)
    for trail, plan in zip(states, plans, strict=True):
        x = problem.x0
        for t, u in enumerate(plan):
            x = programs.programs[which(x)](np.concatenate([x, u]))
            np.testing.assert_array_equal(trail[t + 1], x)
    assert {which(x) for x in states[:, :-1].reshape(-1, 2)} == {0, 1}


def test_what_is_not_finite_or_out_of_reach_of_the_last_action_is_no_certificate():
    program, problem = random_problems.case(3)
    program = algebra.add_linear(program, 50 * np.eye(4, 6))
    free, plans = Constraints(np.zeros((0, 4)), np.zeros(0)), np.ones((1, 3, 2))
    for here, certified in (
        (problem, True),
        (replace(problem, x0=np.full(4, 1e308)), False),
        (replace(problem, inputs=Inputs((LEVELS,) * 2, np.full(2, 2.5))), True),
        (replace(problem, inputs=Inputs((LEVELS,) * 2, np.full(2, 0.5), np.zeros(2))), False),
    ):
        known = judge(program, here, free, ["it"], plans, plans[0, 0])
        assert known.certified[0] == known.settled == certified
