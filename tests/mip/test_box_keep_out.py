"""Keep-out regions in the search over action boxes: sound, and proved as SCIP proves it."""

import time
from dataclasses import replace

import numpy as np
import oracle
import pytest
import random_problems

from sparsectl.mip import Limits, anytime, solve
from sparsectl.mip.ocp import OCP
from sparsectl.mip.prepare import bound_neurons, prepare
from sparsectl.mip.search.boxes import BoxSearch, slopes
from sparsectl.mip.search.boxes.dual import ascend
from sparsectl.mip.search.boxes.keep_out import Places
from sparsectl.mip.search.boxes.relaxation import Relaxation
from sparsectl.mip.search.pool import Pool
from sparsectl.program.crown import Lines
from sparsectl.task.constraints import Constraints, KeepOut
from sparsectl.types import Status


def region(center, radius: float, faces: int, P=None) -> KeepOut:
    angle = 2 * np.pi * (np.arange(faces) + 0.5) / faces
    A = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return KeepOut(np.eye(2) if P is None else P, A, A @ center + radius, f"{faces} faces")


def case(seed: int, hidden=(3, 2), horizon=2, norm="l1", radius=0.12):
    """A hexagon around where a good plan ends and a triangle around where it goes first."""
    rng = np.random.default_rng([seed, horizon, *hidden])
    program = random_problems.dynamics(rng, 2, 2, hidden)
    problem = random_problems.problem(rng, 2, 2, horizon, norm, False)
    plans = rng.uniform(problem.u_low, problem.u_high, (500, horizon, 2))
    states = program.rollout(problem.x0, plans)
    path = states[np.argmin(problem.cost(states, plans))]
    P = np.eye(2) + 0.3 * rng.normal(size=(2, 2))
    regions = (region(path[-1], radius, 6), region(P @ path[1], radius / 2, 3, P))
    none = np.zeros((0, 2)), np.zeros(0)
    return program, replace(problem, constraints=Constraints(*none, regions))


def planned(program, problem, starts=(), **options):
    settings = anytime.Options(backend="boxes", explore=0, **options)
    return anytime.plan(program, problem, lambda end: list(starts), settings)


@pytest.mark.parametrize("norm", ["l1", "linf", "l2sq"])
def test_agrees_with_the_exact_solver(norm):
    closed, near = 0, 0
    for seed in range(5):
        program, problem = case(seed, norm=norm)
        exact = solve(program, problem, limits=Limits(gap=1e-8, seconds=60.0))
        found = planned(program, problem, nodes=4_000)
        if exact.actions is None:
            assert found.actions is None
            continue
        assert found.bound <= exact.cost + 1e-6
        assert found.cost >= exact.cost - 1e-6
        assert problem.constraints.violation(found.states) <= 1e-6
        assert found.cost == pytest.approx(exact.cost, rel=1e-2)
        good = found.cost == pytest.approx(exact.cost, rel=2e-4)
        assert good or found.status is not Status.OPTIMAL
        near, closed = near + good, closed + (found.status is Status.OPTIMAL)
    assert near >= 4
    assert closed >= 3


@pytest.mark.parametrize("seed", range(4))
def test_agrees_with_enumeration(seed):
    rng = np.random.default_rng([7, seed])
    program = random_problems.dynamics(rng, 2, 2, (3,))
    problem = random_problems.problem(rng, 2, 2, 2, "l1", True)
    problem = replace(
        problem,
        constraints=Constraints(np.zeros((0, 2)), np.zeros(0), problem.constraints.keep_out),
    )
    expected = oracle.best_cost(program, problem)
    found = planned(program, problem, nodes=8_000)
    assert found.bound <= expected + 1e-6
    assert found.cost == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("norm", ["l1", "linf", "l2sq"])
def test_what_changes_from_step_to_step_agrees_with_enumeration(norm):
    """Moving targets, limits in windows, regions that move and hold between planned steps."""
    closed, segments = 0, 0
    for seed in range(16):
        rng = np.random.default_rng([8, seed])
        program = random_problems.dynamics(rng, 2, 2, (3,))
        problem = random_problems.hybrid(rng, 2, 2, 2, norm)
        problem = replace(
            problem, inputs=None, u_low=-np.ones(2), u_high=np.ones(2),
            cost=replace(problem.cost, priced=None),
        )  # fmt: skip
        if seed % 2:  # regions alone
            regions = random_problems.limits(rng, problem.x0, 2).keep_out
            alone = Constraints(np.zeros((0, 2)), np.zeros(0), regions)
            problem = replace(problem, constraints=alone)
        expected = oracle.best_cost(program, problem)
        found = planned(program, problem, nodes=1_500)
        if np.isinf(expected):
            assert not found.status.has_plan
            continue
        assert found.bound <= expected + 1e-6 * (1 + abs(expected))
        assert found.cost >= expected - 1e-5
        closed += found.status is Status.OPTIMAL and "SCIP" not in found.message
        segments += any(k.between for k in problem.constraints.keep_out)
    assert closed >= 5
    assert segments >= 3


def boxes_of(rng, program, problem, count=32):
    """Random sub-boxes of the action box with their neurons' lines and keep-out rows."""
    bounds = bound_neurons(program, problem, "crown")
    relaxation = Relaxation(program, problem.x0, problem.horizon)
    places = Places(relaxation, problem, bounds)
    center = rng.uniform(problem.u_low, problem.u_high, (count, problem.horizon, 2))
    width = rng.choice([0.05, 0.3, 1.0], size=(count, 1, 1))
    low = np.clip(center - width, problem.u_low, problem.u_high)
    high = np.clip(center + width, problem.u_low, problem.u_high)
    lines = Lines.of(*(np.tile(v, (count, 1, 1)) for v in (bounds.pre_low, bounds.pre_high)))
    relaxation.tighten(lines, low, high)
    forms = np.tile(places.low, (count, 1)), np.tile(places.high, (count, 1))
    places.tighten(lines, *forms, low, high)
    duals = slopes.build(problem, bounds, len(places))
    return relaxation, places, duals, lines, low, high, places.rows(*forms)


def test_inequalities_and_bounds_hold_for_all_plans_outside():
    """Bounds for random multipliers and after ascent; an empty box holds no such plan."""
    rng, several, empty, better = np.random.default_rng(0), 0, 0, 0
    for seed in range(6):
        program, problem = case(seed, hidden=(5, 4), horizon=3, radius=0.25)
        relaxation, places, duals, lines, low, high, rows = boxes_of(rng, program, problem)
        start = np.tile(duals.start, (len(low), 1))
        best = {}
        for name, active in (("without", None), ("with", rows)):
            points = None if active is None else places.points
            best[name] = ascend(
                relaxation, duals, lines, low, high, start, 1e2, 30, points, active
            ).value
        start[:, -len(places) :] = rng.exponential(size=(len(low), len(places)))
        drawn = ascend(relaxation, duals, lines, low, high, start, 1e2, 0, places.points, rows)
        empty += rows.empty.sum()
        several += (rows.possible.sum(-1) > 1).sum()
        better += (best["with"] > best["without"] + 1e-3).sum()
        for k in range(len(low)):
            plans = rng.uniform(low[k], high[k], (500, 3, 2))
            states = program.rollout(problem.x0, plans)
            fine = problem.constraints.violation(states) <= 0
            assert not (rows.empty[k] and fine.any())
            if fine.any():
                at = states[fine, 1:].reshape(fine.sum(), -1) @ places.points.T
                along = (at.reshape(len(at), -1, 2) * rows.direction[k]).sum(-1)
                assert (along >= rows.side[k] - 1e-9).all()
                cost = problem.cost(states, plans)[fine].min()
                assert cost >= max(drawn.value[k], best["with"][k]) - 1e-9
    assert min(several, empty, better) > 5, (several, empty, better)


def test_a_start_inside_the_region_is_repaired_or_left():
    program, problem = case(0)
    best = planned(program, problem, nodes=4_000)
    rng = np.random.default_rng(0)
    plans = rng.uniform(problem.u_low, problem.u_high, (2_000, 2, 2))
    depth = problem.constraints.violation(program.rollout(problem.x0, plans))
    assert depth.max() > 1e-3
    found = planned(program, problem, [plans[int(depth.argmax())]], nodes=4_000)
    assert found.status is best.status
    assert found.cost == pytest.approx(best.cost, rel=2e-4)


def test_no_way_out_is_proved():
    """Bounds of the states along the axes do not show it, those along the faces do."""
    program, problem = case(1)
    around = replace(problem.constraints, keep_out=(region(problem.x0, 20.0, 8),))
    problem = replace(problem, constraints=around)
    bounds = bound_neurons(program, problem, "crown")
    ocp = OCP(program, problem)
    pool = Pool(ocp, prepare(ocp, bounds), time.perf_counter())
    assert BoxSearch(pool, bounds).run(Limits(nodes=50), None).bound == np.inf
    assert pool.actions is None
    assert planned(program, problem).status is Status.INFEASIBLE


def test_a_region_out_of_reach_costs_nothing():
    program, problem = case(2)
    far = replace(problem.constraints, keep_out=(region(problem.x0 + 100.0, 1.0, 5),))
    problem = replace(problem, constraints=far)
    bounds = bound_neurons(program, problem, "crown")
    assert len(Places(Relaxation(program, problem.x0, 2), problem, bounds)) == 0
