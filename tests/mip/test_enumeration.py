"""Every plan, where there are few: against solvers, and what it leaves to others."""

from __future__ import annotations

import time
from dataclasses import replace

import disc
import numpy as np
import pytest

from sparsectl.mip import anytime, solve
from sparsectl.mip.ocp import OCP
from sparsectl.mip.search import enumeration
from sparsectl.task import ActionConfig
from sparsectl.types import Status

JETS = ActionConfig(levels=[-1.0, 0.0, 1.0])


@pytest.mark.parametrize("action", [JETS, replace(JETS, blocks=2), replace(JETS, rate=1.0)])
@pytest.mark.parametrize("seed", range(3))
def test_few_plans_are_all_tried_and_agree_with_a_solver(seed, action):
    small = disc.problem(seed, 4, action)
    found = anytime.plan(disc.program(), small, lambda _: [])
    exact = solve(disc.program(), small, backend="scip")
    assert found.status is exact.status is Status.OPTIMAL
    assert found.certificate == enumeration.BY_ALL_PLANS
    assert found.cost == pytest.approx(exact.cost, rel=1e-6)
    assert found.bound == pytest.approx(found.cost)


def test_all_plans_are_there_once():
    small = disc.problem(0, 3, JETS)
    every = enumeration.plans(small)
    assert len(np.unique(every, axis=0)) == len(every) == len(disc.every_plan(small)) == 9**3


def test_no_plan_of_all_is_proved_infeasible():
    small = disc.problem(0, 3, ActionConfig(levels=[-1.0, 1.0]))
    fast = replace(small, x0=np.array([0.0, 0.0, 5.0, 0.0]))
    found = anytime.plan(disc.program(), fast, lambda _: [])
    assert found.status is Status.INFEASIBLE
    assert "none of all 64 plans" in found.message
    assert solve(disc.program(), fast, backend="scip").status is Status.INFEASIBLE


def test_many_plans_and_other_inputs_are_left_to_searches():
    assert enumeration.plans(disc.problem(0, 12, JETS)) is None
    assert enumeration.plans(disc.problem(0, 2, ActionConfig(semicontinuous=0.5))) is None
    assert enumeration.plans(disc.problem(0, 2, ActionConfig())) is None
    ocp = OCP(disc.program(), disc.problem(0, 6, replace(JETS, blocks=3)))
    assert len(enumeration.plans(ocp.problem)) == 81


def test_where_time_does_not_suffice_for_all_plans_a_search_has_it(monkeypatch):
    small = disc.problem(0, 4, JETS)
    started = time.perf_counter()
    monkeypatch.setattr(OCP, "costs", slow := Slow(OCP.costs))
    found = anytime.plan(disc.program(), small, lambda _: [], deadline=started + 1)
    assert slow.most < len(enumeration.plans(small))
    assert found.certificate != enumeration.BY_ALL_PLANS
    assert enumeration.best(OCP(disc.program(), small), enumeration.plans(small), started) is None


class Slow:
    """Costs of plans, 1 ms for each, and how many were asked for at once."""

    def __init__(self, costs):
        self.costs, self.most = costs, 0

    def __get__(self, ocp, _=None):
        def costs(actions):
            self.most = max(self.most, actions.ndim == 3 and len(actions))
            time.sleep(0.001 * (len(actions) if actions.ndim == 3 else 1))
            return self.costs(ocp, actions)

        return costs
