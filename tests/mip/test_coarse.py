"""Ways among regions under an affine stand-in, and plans of the program along them."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest

from scripts.mip import hybrid
from sparsectl.mip import anytime
from sparsectl.mip.ocp import OCP
from sparsectl.mip.prepare import prepare
from sparsectl.mip.scale import random_plans, scaled
from sparsectl.mip.search import coarse, regions
from sparsectl.mip.search.polish import Polisher
from sparsectl.program import algebra

_LAST_WALL = 1.5


def _slalom(kind: str = "slalom", norm: str = "l1") -> tuple[OCP, Polisher]:
    program, problem = hybrid.make(kind, 4, 15, 2)
    terms = tuple(replace(t, norm=norm) for t in problem.cost.terms)
    ocp = scaled(OCP(program, replace(problem, cost=replace(problem.cost, terms=terms))))[0]
    return ocp, Polisher(ocp, prepare(ocp))


@pytest.mark.parametrize(("kind", "norm"), [("slalom", "l1"), ("slalom-priced", "l2sq")])
def test_it_finds_the_way_through_three_gaps(kind, norm):
    ocp, polisher = _slalom(kind, norm)
    plan = coarse.plan(ocp, polisher.model, polisher, None)
    states = ocp.rollout(plan)
    every = coarse._linear(ocp.problem).constraints  # also those that have a price
    assert every.worst(states) <= 1e-6
    assert np.isfinite(ocp.costs(plan))
    assert states[-1, 0] > _LAST_WALL
    # A plan along that way, from any other, goes beyond the same faces.
    model = polisher.model
    way = model.assign(states, plan)
    found = polisher.along(way, np.zeros_like(plan))
    values = model.assign(ocp.rollout(found), found)
    faces = np.setdiff1d(np.flatnonzero(model.binary), model.neurons[:, 4])
    values[faces] = way[faces]
    assert model.violation(values) <= 1e-6


def test_it_is_what_plans_in_little_time_where_a_solver_takes_long(monkeypatch):
    program, problem = hybrid.make("slalom", 4, 15, 2)
    options = anytime.Options(explore=1, nodes=1, backend="scip")
    monkeypatch.setattr(regions.lattice, "plans", lambda *_, **__: [])
    monkeypatch.setattr(anytime, "explore", lambda *_, **__: [])
    monkeypatch.setattr(regions, "_LARGE", 100)
    with_it = anytime.plan(program, problem, lambda _: [], options)
    monkeypatch.setattr(regions.coarse, "plan", lambda *_: None)
    without = anytime.plan(program, problem, lambda _: [], options)
    assert with_it.states[-1, 0] > _LAST_WALL > without.states[-1, 0]
    assert with_it.bound <= with_it.cost < without.cost


def test_a_program_that_no_affine_one_is_near_has_none():
    """Thrust to one side does nothing."""
    ocp = _slalom()[0]
    thrust, kept = np.eye(1, 6, 4), np.eye(4, 6)
    one_way = algebra.from_layers([thrust, np.eye(4, 1)], [np.zeros(1), np.zeros(4)])
    bent = replace(ocp, program=algebra.add_linear(one_way, kept))
    straight = replace(ocp, program=algebra.affine(kept + np.eye(4, 1) @ thrust, np.zeros(4)))
    plans = random_plans(ocp.problem)
    assert coarse.fit(bent, plans, coarse._FITS) is None
    assert coarse.fit(straight, plans, 1e-6) is not None


def test_without_time_there_is_no_way():
    ocp, polisher = _slalom()
    assert coarse.plan(ocp, polisher.model, polisher, time.perf_counter()) is None
