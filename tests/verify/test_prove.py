"""Worst cases are those of all patterns; bounds hold in any unit; maps tell the truth."""

from __future__ import annotations

import dataclasses
import time
import types
from typing import Any

import closed_loops as loops
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from sparsectl.mip import Limits, solve
from sparsectl.program.algebra import add_linear, affine, from_layers
from sparsectl.types import Status
from sparsectl.verify import regret, search, worst
from sparsectl.verify.bounds import Bounds
from sparsectl.verify.cases import Case, Parts, least_of_cut
from sparsectl.verify.config import VerifyConfig
from sparsectl.verify.loop import close
from sparsectl.verify.prove import prove
from sparsectl.verify.result import Verdict
from sparsectl.verify.starts import Starts
from sparsectl.verify.sweep import TimeUp

LOW, HIGH = np.array([-0.7, -0.5]), np.array([0.6, 0.9])
LEVELS = {"action": {"levels": [[-1, 0.2, 1]]}}
RICH: list[dict[str, Any]] = [
    {"cost": {"terms": [{"of": "x", "norm": "linf", "dead_zone": 0.1}]}},
    {"cost": {"terms": [{"of": "x", "norm": "l1", "dead_zone": 0.3}]}},
    {"cost": {"terms": [{"of": "x", "norm": "l2sq"}], "action": {"norm": "l2sq", "weight": 0.3}}},
    {"cost": {"terms": [{"of": "x[0] - x[1]", "dead_zone": 0.2, "weight": 0.0,
                         "terminal_weight": 3.0}]}},
    {"constraints": {"half_spaces": [{"of": "x", "normal": [1, 1], "offset": 0.2, "price": 4.0}],
                     "boxes": [{"of": "x", "low": -0.5, "high": 0.5, "when": "terminal"}]}},
    {"constraints": {"keep_out": [{"of": "x", "box": [0.2, 0.1, 0.5, 0.4]}]}},
    {"constraints": {"keep_out": [{"of": "x", "polygon": [[0, 0], [0.5, 0], [0, 0.5]],
                                   "between": False, "price": 2.0},
                                  {"of": "x", "box": [-0.4, -0.4, -0.1, 0.2],
                                   "when": [[1, 2]]}]}},
    LEVELS,
]  # fmt: skip


def boxes(low: np.ndarray, high: np.ndarray) -> Parts:
    return Parts.of([Case.box(*ends) for ends in zip(low, high, strict=True)])


def worst_cost(made: loops.Pair, gap: float, splits: np.ndarray | None = None) -> worst.Worst:
    bounds = Bounds(made.loop, LOW, HIGH, splits=splits)
    return worst.maximise(
        made.loop.costs, bounds.worst_costs, LOW, HIGH, gap=gap, deadline=None, nodes=6000,
    )  # fmt: skip


def worst_violation(made: loops.Pair, gap: float, splits: np.ndarray | None = None) -> worst.Worst:
    bounds = Bounds(made.loop, LOW, HIGH, cost=False, splits=splits)
    constraints = made.loop.problem.constraints
    return worst.maximise(
        lambda points: constraints.worst(made.loop.rollout(points)[0]), bounds.violations,
        LOW, HIGH, gap=gap, deadline=None, nodes=6000,
    )  # fmt: skip


@pytest.mark.parametrize("parts", [{}, LEVELS], ids=["relus", "steps"])
@pytest.mark.parametrize("seed", range(5))
def test_the_worst_case_is_that_of_all_patterns(seed: int, parts: dict[str, Any]) -> None:
    made = loops.pair(seed, hidden=(3, 3), **parts)
    splits = np.ones(made.loop.program.m, dtype=bool) if seed == 2 else None  # ReLUs too
    assert made.dynamics.m + made.policy.m <= 10
    cost, excess = loops.worst_of_patterns(made, LOW, HIGH)
    for found, truth in (
        (worst_cost(made, 1e-6, splits), cost),
        (worst_violation(made, 1e-6, splits), excess),
    ):
        if truth <= 1e-6:
            assert found.value <= 1e-9
            assert found.bound >= truth
            continue
        assert found.bound >= truth * (1 - 1e-9)
        assert found.value <= truth * (1 + 1e-9)
        gap = 2e-5 if parts else 2e-6  # a start beside a step is as near as boxes are small
        assert found.bound - found.value <= gap * found.bound, found
        if parts:  # which cutting edges alone does not reach
            assert found.boxes < 3000
        assert found.value >= truth * (1 - gap)
    again = made.loop.costs(worst_cost(made, 1e-6).start[None])[0]
    assert again == pytest.approx(worst_cost(made, 1e-6).value, rel=1e-12)


@pytest.mark.parametrize("parts", RICH)
@given(seed=st.integers(0, 10_000), power=st.integers(-6, 6))
@settings(max_examples=8, deadline=None)
def test_no_start_is_beyond_its_bounds_in_any_unit(
    parts: dict[str, Any], seed: int, power: int
) -> None:
    unit = 10.0**power
    made = loops.pair(seed, horizon=3, unit=unit, **_scaled(parts, unit))
    rng = np.random.default_rng(seed)
    ends = np.sort(rng.uniform(-1, 1, (2, 6, 2)) * rng.choice([1, 0.1, 1e-3], (6, 1)), axis=0)
    low, high = unit * ends[0], unit * ends[1]
    bounds = Bounds(made.loop, low.min(0), high.max(0))
    parts = boxes(low, high)
    below, above, _ = bounds.costs(parts)
    sweep, least, most = bounds.start(parts)
    points = low[:, None] + rng.random((6, 40, 2)) * (high - low)[:, None]
    points[:, 0], points[:, 1] = low, high
    states, actions = made.loop.rollout(points)
    costs = made.loop.problem.cost(states, actions)
    assert (costs <= above.most(parts)[0][:, None]).all()
    negative = dataclasses.replace(below, a=-below.a, b=-below.b)
    assert (-costs <= negative.most(parts)[0][:, None]).all()
    excess = made.loop.problem.constraints.excess(states)
    for t in range(1, 4):
        bounds.advance(sweep, least, most)
        lower, upper = bounds.measures.excess(least, most, t)
        assert (excess[:, :, t - 1] <= np.maximum(upper, 0.0)[:, None]).all()
        assert (excess[:, :, t - 1] >= np.maximum(lower, 0.0)[:, None]).all()
        now = made.loop.problem.constraints.violated(states)[:, :, t - 1]
        assert not now[bounds.kept(sweep, least, most)].any()
        assert now.any(-1)[bounds.broken(sweep, least, most)].all()


def test_bounds_are_close_where_boxes_are_small_in_any_unit() -> None:
    for unit in (1e-6, 1.0, 1e6):
        made = loops.pair(0, unit=unit, **_scaled({}, unit))
        middle = unit * np.array([[0.31, -0.22]])
        low, high = middle - 1e-7 * unit, middle + 1e-7 * unit
        bounds = Bounds(made.loop, unit * LOW, unit * HIGH)
        upper = bounds.worst_costs(boxes(low, high))[0]
        assert upper[0] == pytest.approx(made.loop.costs(middle)[0], rel=1e-5)


def test_bounds_that_overflow_are_no_bounds() -> None:
    """They counted as zero: what cancels, and its bounds multiply by 1e9 a step."""
    here = loops.task(cost={"terms": [{"of": "x", "weight": 0.0, "terminal_weight": 1.0}]})
    net = from_layers(
        [1e9 * np.eye(1, 3).repeat(2, axis=0), np.array([[1.0, -1.0], [0.0, 0.0]])],
        [np.zeros(2), np.zeros(2)],
    )
    dynamics = add_linear(net, 0.5 * np.eye(2, 3))
    loop = close(dynamics, affine(np.zeros((1, 2)), np.zeros(1)), here.problem(LOW, 40, loose=True))
    with np.errstate(over="ignore", invalid="ignore"):
        upper = Bounds(loop, LOW, HIGH).worst_costs(boxes(LOW[None], HIGH[None]))[0]
    assert loop.costs(HIGH) > 0
    assert upper == np.inf


def _scaled(parts: dict[str, Any], unit: float) -> dict[str, Any]:
    """Targets, limits and regions in another unit of the state."""
    keys = {"target", "low", "high", "offset", "dead_zone", "box", "polygon", "levels"}

    def times(value: Any) -> Any:
        return [times(v) for v in value] if isinstance(value, list) else value * unit

    def go(value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {k: go(v, k) for k, v in value.items()}
        if key in keys:
            return times(value)
        return [go(v) for v in value] if isinstance(value, list) else value

    return go({"cost": loops.COST, "constraints": loops.LIMITS} | parts)


@pytest.mark.parametrize("seed", [1, 3])
@pytest.mark.parametrize("parts", [{}, RICH[5], LEVELS], ids=["box", "keep-out", "steps"])
def test_a_map_tells_the_truth_about_every_box(seed: int, parts: dict[str, Any]) -> None:
    made = loops.pair(seed, **parts)
    bounds = Bounds(made.loop, LOW, HIGH, cost=False)
    found = search.draw_map(bounds, LOW, HIGH, edge=1 / 16, deadline=None)
    assert found.finished
    assert sum(found.shares.values()) == pytest.approx(1)
    volume = np.prod((found.high - found.low) / (HIGH - LOW), axis=1)
    assert volume.sum() == pytest.approx(1)
    rng, limits = np.random.default_rng(seed), made.loop.problem.constraints
    points = found.low + rng.random((200, len(volume), 2)) * (found.high - found.low)
    bad = limits.violated(made.loop.rollout(points)[0]).any((-1, -2))
    assert not bad[:, found.kind == search.SAFE].any()
    assert bad[:, found.kind == search.BROKEN].all()
    states = made.loop.rollout(found.start)[0]
    claimed = found.worst > 0
    assert claimed[found.kind == search.MIXED].all()
    np.testing.assert_allclose(limits.worst(states)[claimed], found.worst[claimed], atol=1e-9)
    decided = found.shares["safe"] + found.shares["violates"]
    assert decided > 0.6


def test_answers_are_the_same_however_they_are_spread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "_DEALT", 4)
    monkeypatch.setattr(time, "time", lambda: 0.0)  # the clock on the wall is set; deadlines stay
    made = loops.pair(3, **RICH[5])
    found = []
    for workers in (1, 2):
        config = VerifyConfig(seconds=300.0, edge=1 / 16, gap=0.3, workers=workers)
        box = Starts(LOW, HIGH, ("x[0]", "x[1]"))
        found.append(prove(made.loop, made.dynamics, None, box, config))
    one, two = found
    assert two.cpu_seconds > 0.5 * one.cpu_seconds, "the time of other processes counts"
    assert one.map is not None
    assert two.map is not None
    assert one.map.finished
    assert len(one.map.kind) > 8
    for what in ("low", "high", "kind", "worst", "start", "boxes"):
        np.testing.assert_array_equal(getattr(one.map, what), getattr(two.map, what))
    for this, other in ((one.cost, two.cost), (one.violation, two.violation)):
        assert this is not None
        assert other is not None
        assert (this.value, this.bound, this.boxes) == (other.value, other.bound, other.boxes)


def test_regret_is_bounded_from_both_sides() -> None:
    made = loops.pair(2, constraints={})
    problem = made.task.problem(np.zeros(2), 2)
    bounds = Bounds(made.loop, LOW, HIGH)
    ask = regret.Regret(bounds, made.dynamics, problem, 5.0)
    middle = ((LOW + HIGH) / 2)[None]
    found = worst.maximise(
        ask.of, ask.bound, LOW, HIGH, gap=0.05, deadline=None, starts=middle, batch=1, nodes=60,
        scout=made.loop.costs,
    )  # fmt: skip
    rng = np.random.default_rng(0)
    starts = LOW + rng.random((12, 2)) * (HIGH - LOW)
    for start in starts:
        plan = solve(made.dynamics, dataclasses.replace(problem, x0=start), limits=Limits(gap=1e-6))
        own = float(made.loop.costs(start)) - plan.cost
        assert own <= found.bound + 1e-7
        assert own >= -1e-6
    assert 0 < found.value <= found.bound
    assert found.gap is not None
    assert found.gap < 0.3
    at = dataclasses.replace(problem, x0=found.start)
    best = solve(made.dynamics, at, limits=Limits(gap=1e-6))
    own = float(made.loop.costs(found.start)) - best.cost
    assert found.value == pytest.approx(own, abs=2e-3 * (1 + abs(own)))


def test_an_edge_is_cut_along_which_the_value_is_even() -> None:
    low, high = np.array([-1.0, -1.0]), np.array([1.0, 1.0])

    def value(x: np.ndarray) -> np.ndarray:
        return np.asarray(x[:, 0] + x[:, 1] ** 2 - abs(x[:, 1]))

    def bound(parts: Parts) -> tuple[np.ndarray, np.ndarray, list[None]]:
        ends = np.stack([parts.low[:, 1], parts.high[:, 1]])
        least = np.where(ends.prod(axis=0) < 0, 0.0, abs(ends).min(axis=0))
        return parts.high[:, 0] + (ends**2).max(axis=0) - least, parts.high, [None] * len(least)

    found = worst.maximise(value, bound, low, high, gap=0.1, deadline=None, nodes=300)
    assert found.closed
    assert found.value == pytest.approx(1.0)


def test_a_bound_without_end_is_not_closed_and_time_that_is_up_leaves_the_last() -> None:
    asked = 0

    def bound(parts: Parts) -> tuple[np.ndarray, np.ndarray, list[None]]:
        nonlocal asked
        asked += 1
        if asked > 6:
            raise TimeUp
        wide = (parts.high - parts.low).max(axis=1) > 1.3
        return np.where(wide, np.inf, parts.high.sum(1)), parts.low, [None] * len(wide)

    found = worst.maximise(
        lambda x: x.sum(1), bound, LOW, HIGH - 0.2, gap=0.0, deadline=None, nodes=20, batch=1
    )
    assert asked > 6
    assert not found.closed
    assert HIGH.sum() - 0.4 - 1e-9 <= found.bound < np.inf


def test_bounds_stop_in_the_middle_of_a_batch_when_time_is_up() -> None:
    made = loops.pair(1)
    bounds, past = Bounds(made.loop, LOW, HIGH), time.perf_counter() - 1.0
    for ask in (bounds.worst_costs, bounds.violations):
        with pytest.raises(TimeUp):
            ask(boxes(LOW[None], HIGH[None]), past)
    found = search.draw_map(bounds, LOW, HIGH, edge=0.1, deadline=past)
    assert not found.finished
    assert set(found.kind) <= {search.MIXED, 3}
    plans = made.task.problem(np.zeros(2), 2)
    ask = regret.Regret(bounds, made.dynamics, plans, 5.0, past)
    assert np.isneginf(ask.of(LOW[None])).all()


def test_the_regret_of_one_start_is_one_program_with_all_the_time(monkeypatch) -> None:
    made = loops.pair(2, constraints={})
    problem, middle = made.task.problem(np.zeros(2), 2), (LOW + HIGH) / 2
    ask = regret.Regret(Bounds(made.loop, LOW, HIGH), made.dynamics, problem, 1e-9)
    found = regret.worst(ask, middle, middle, 0.01, middle[None], time.perf_counter() + 5.0)
    assert found.closed
    assert 0 < found.value <= found.bound < found.value + 1e-4 * float(made.loop.costs(middle))
    cost = float(made.loop.costs(middle)) * (1 - 1e-13)
    plan = types.SimpleNamespace(status=Status.OPTIMAL, cost=cost, bound=cost)
    monkeypatch.setattr(regret, "solve", lambda *_, **__: plan)
    assert ask.at(middle, 1.0).value == 0.0  # rounding is no regret


def test_wide_networks_are_bounded_in_small_batches() -> None:
    assert Bounds(loops.pair(1).loop, LOW, HIGH).batch == 64
    assert Bounds(loops.pair(1, hidden=(3, 600)).loop, LOW, HIGH).batch == 1


def test_a_start_that_is_free_is_the_best_of_all_starts() -> None:
    made = loops.pair(4)
    problem = made.task.problem(np.zeros(2), 2)
    a = np.array([0.7, -0.4])
    free = regret.free_start(made.dynamics, problem, LOW, HIGH, a)
    plan = solve(*free[:2], limits=Limits(gap=1e-6))
    at = LOW + (plan.actions[0, 1:] - 1) * (HIGH - LOW)
    own = solve(made.dynamics, dataclasses.replace(problem, x0=at), limits=Limits(gap=1e-6))
    assert plan.cost - free[2] == pytest.approx(own.cost - a @ at, abs=1e-5)
    starts = LOW + np.random.default_rng(0).random((15, 2)) * (HIGH - LOW)
    for start in starts:
        other = solve(made.dynamics, dataclasses.replace(problem, x0=start))
        if other.status.has_plan:
            assert other.cost - a @ start >= plan.bound - free[2] - 1e-6


@pytest.mark.parametrize(
    ("limit", "verdict"),
    [(50.0, Verdict.SAFE), (0.5, Verdict.COUNTEREXAMPLE), (None, Verdict.UNCONSTRAINED)],
)
def test_all_questions_at_once(limit: float | None, verdict: Verdict) -> None:
    boxes = [] if limit is None else [{"of": "x", "low": -limit, "high": limit}]
    made = loops.pair(1, constraints={"boxes": boxes})
    config = VerifyConfig(seconds=1.5, edge=0.1, gap=0.02, workers=1)
    plans = made.task.problem(np.zeros(2), 2) if limit == 50.0 else None
    found = prove(made.loop, made.dynamics, plans, Starts(LOW, HIGH, ("x[0]", "x[1]")), config)
    assert found.verdict is verdict
    assert found.cost is not None
    assert found.cost.value <= found.cost.bound
    assert (found.regret is not None) == (plans is not None)
    facts = found.facts()
    assert facts["verdict"] == verdict
    if verdict is Verdict.COUNTEREXAMPLE:
        assert found.violation is not None
        states, _ = made.loop.rollout(found.violation.start)
        worst = float(made.loop.problem.constraints.worst(states))
        assert worst == pytest.approx(found.violation.value, abs=1e-9)
        assert facts["map"]["shares"]["violates"] > 0


@pytest.mark.parametrize("parts", [{}, LEVELS], ids=["relus", "steps"])
@given(seed=st.integers(0, 10_000))
@settings(max_examples=6, deadline=None)
def test_cases_hold_all_starts_and_know_their_neurons(parts: dict[str, Any], seed: int) -> None:
    made, rng = loops.pair(seed, horizon=3, **parts), np.random.default_rng(seed)
    program = made.loop.program
    bounds = Bounds(made.loop, LOW, HIGH, splits=np.ones(program.m, dtype=bool))
    low, high = np.sort(rng.uniform(LOW, HIGH, (2, 2)), axis=0)
    points = low + rng.random((300, 2)) * (high - low)
    states, actions = made.loop.rollout(points)
    before = np.concatenate([0 * actions[:, :1], actions], axis=1)
    on = program.evaluate(np.concatenate([states, before], axis=-1)[:, :-1])[1] >= 0
    costs, violated = made.loop.costs(points), made.loop.problem.constraints.worst(states)
    cases = [Case.box(low, high)]
    for _ in range(6):
        parts_ = Parts.of(cases)
        upper, _, turns = bounds.worst_costs(parts_)
        worst = bounds.violations(parts_)[0]
        seen = np.zeros(len(points), dtype=bool)
        for k, case in enumerate(cases):
            inside = np.ones(len(points), dtype=bool)
            for t, i, is_on in case.known:
                inside &= on[:, t, i] == is_on
            kept = points[inside]
            assert (kept >= case.low).all()
            assert (kept <= case.high).all()
            assert (kept @ case.rows.T + case.sides >= 0).all()
            assert (costs[inside] <= upper[k]).all()
            assert (violated[inside] <= worst[k]).all()
            seen |= inside
        assert seen.all()
        cases = [part for case, turn in zip(cases, turns, strict=True)
                 for part in (turn.cases(case) if turn else [case])]  # fmt: skip


@given(seed=st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_multipliers_of_cuts_bound_a_form_from_below(seed: int) -> None:
    rng = np.random.default_rng(seed)
    form, constant = rng.normal(size=(1, 3, 3)), rng.normal(size=(1, 3))
    rows, sides = rng.normal(size=(1, 2, 3)), rng.normal(size=(1, 2)) * 0.5
    low, high = -np.ones((1, 3)), np.ones((1, 3))
    found = least_of_cut(form, constant, low, high, rows, sides)[0]
    one = least_of_cut(form, constant, low, high, rows[:, :1], sides[:, :1])[0]
    for k in range(3):
        both = linprog(form[0, k], -rows[0], sides[0], bounds=(-1, 1))
        first = linprog(form[0, k], -rows[0, :1], sides[0, :1], bounds=(-1, 1))
        if first.status == 0:
            assert one[k] == pytest.approx(first.fun + constant[0, k], abs=1e-6)
        if both.status == 0:
            assert found[k] <= both.fun + constant[0, k] + 1e-6
