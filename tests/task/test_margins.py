"""Margins for model error: the quantile, its coverage, and constraints drawn in for all readers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsectl.config import from_dict
from sparsectl.errors import ConfigError
from sparsectl.mip import anytime
from sparsectl.program.network import lower_network
from sparsectl.task import (
    ConstraintsConfig,
    CostConfig,
    Margins,
    ObservationConfig,
    Task,
    TaskConfig,
    TermConfig,
)
from sparsectl.task.constraints import BoxConfig, HalfSpaceConfig, KeepOutConfig
from sparsectl.task.margins import ROLLOUTS, least, nothing_left, quantile, told
from sparsectl.types import Status

H = 4
LIMITS = ConstraintsConfig(
    [BoxConfig("p", -3.0, [1.0, 2.0])],
    [HalfSpaceConfig("p", [1.0, 1.0], 2.5, when="terminal")],
    [KeepOutConfig("p", box=(0.2, -0.5, 0.4, 0.5))],
)


def task(limits=LIMITS, coverage=None) -> Task:
    """A point that moves by its action, towards (2, 0)."""
    cost = CostConfig([TermConfig("p", [2.0, 0.0])])
    config = TaskConfig(ObservationConfig({"p": "0:2"}), cost, replace(limits, coverage=coverage))
    return Task(config, 2, -np.ones(2), np.ones(2))


def margins(n=50, coverage=0.9, seed=0, horizon=H) -> Margins:
    scale = 0.05 * np.arange(1, horizon + 1)[:, None]
    return Margins(scale * np.random.default_rng(seed).normal(size=(n, horizon, 2)), coverage)


@pytest.mark.parametrize(
    ("n", "q", "place"),
    [
        (9, 0.9, 9),  # ceil(10 * 0.9)
        (10, 0.9, 10),  # ceil(9.9)
        (19, 0.9, 18),
        (20, 0.9, 19),  # ceil(18.9)
        (4, 0.5, 3),  # ceil(2.5)
        (3, 0.5, 2),
        (99, 0.29, 29),  # 100 * 0.29 is 28.999999999999996
        (99, 0.07, 7),  # 100 * 0.07 is 7.000000000000001
        (8, 0.9, np.inf),  # ceil(8.1) is more than 8
    ],
)
def test_the_quantile_is_the_smallest_score_that_conformal_prediction_allows(n, q, place):
    scores = np.random.default_rng(0).permutation(np.arange(1.0, n + 1))
    assert quantile(scores, q) == place
    assert least(q) <= n if np.isfinite(place) else least(q) > n
    with_none = np.concatenate([scores, [np.nan] * 3])  # rollouts that ended before
    assert quantile(with_none[:, None], q) == place


@settings(deadline=None, max_examples=200)
@given(st.floats(0.01, 0.999))
def test_one_rollout_fewer_than_needed_is_too_few(q):
    n = least(q)
    assert np.isfinite(quantile(np.arange(float(n)), q))
    assert n == 1 or np.isinf(quantile(np.arange(n - 1.0), q))


@pytest.mark.parametrize(("n", "q"), [(9, 0.9), (50, 0.8), (57, 0.95)])
def test_exchangeable_errors_stay_within_margins_as_often_as_stated(n, q):
    """Also of a biased, heavy-tailed model, for rows and for the nearest of a region's faces."""
    rng, draws = np.random.default_rng(1), 2000
    plain = task().problem(np.zeros(2), 1).constraints
    region = plain.keep_out[0]
    within = np.zeros(2)
    for _ in range(draws):
        errors = 0.3 + rng.standard_t(2, size=(n + 1, 1, 2)) * [1.0, 3.0]
        found = Margins(errors[:n], q)
        new = errors[n, 0]
        margin = found.of(plain)[0]
        within[0] += plain.G[0] @ new <= margin[0]
        within[1] += (region.A @ region.P @ -new).max() <= margin[-1]
    # Coverage is at least q, and for continuous errors below q + 1 / (n + 1).
    low = scipy.stats.binom.ppf(1e-4, draws, q)
    high = scipy.stats.binom.ppf(1 - 1e-4, draws, min(1.0, q + 1 / (n + 1)))
    assert (low <= within).all()
    assert (within <= high).all()


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**31))
def test_a_state_beyond_its_margin_keeps_the_tasks_own_constraints_whatever_the_error(seed):
    rng, found = np.random.default_rng(seed), margins(seed=seed)
    problem = task().with_margins(found).problem(np.array([-1.0, 0.0]), H)
    drawn, own = problem.constraints, problem.own
    assert own.sides(H) == pytest.approx(task().problem(problem.x0, H).constraints.sides(H))
    for t in range(H):
        sides, region, margin = drawn.sides(H)[t], drawn.keep_out[0], found.of(own)[t]
        x = rng.normal(size=(2000, 2))
        for e in found.errors[rng.integers(len(found.errors), size=3), t]:
            held = own.G @ e <= margin[:-1]
            held[-1] = False  # terminal
            inside = x @ drawn.G.T <= sides
            assert ((x + e) @ own.G.T <= own.sides(H)[t] + 1e-9)[inside & held].all()
            if (region.A @ -e).max() <= margin[-1]:
                out = (x @ region.A.T >= region.sides(H)[t + 1]).any(axis=1)
                real = (x + e) @ region.A.T >= own.keep_out[0].sides(H)[t + 1] - 1e-9
                assert real.any(axis=1)[out].all()


def test_margins_draw_in_every_step_but_the_present_and_keep_what_is_absent():
    problem = task().with_margins(margins()).problem(np.array([-1.0, 0.0]), H)
    own, drawn = problem.own, problem.constraints
    gap = own.sides(H) - np.where(np.isfinite(own.sides(H)), drawn.sides(H), -np.inf)
    assert (gap[:, :-1] > 0).all()
    assert np.array_equal(drawn.sides(H)[:, -1], own.sides(H)[:, -1])  # the terminal half-space
    assert np.isfinite(own.sides(H)[-1, -1])
    regions = drawn.keep_out[0].sides(H) - own.keep_out[0].sides(H)
    assert (regions[0] == 0).all()
    assert (np.diff(regions, axis=0) > 0).all()  # errors that grow
    assert drawn.names == own.names


def test_a_window_that_opens_at_the_last_planned_step_is_drawn_in_there():
    """It was taken for a terminal constraint."""
    windows = ConstraintsConfig(half_spaces=[HalfSpaceConfig("p", [1.0, 1.0], 2.5, [(9, 20)])])
    for step in (5, 6, 9):
        problem = task(windows).with_margins(margins()).problem(np.zeros(2), H, step=step)
        own, drawn = problem.own.sides(H), problem.constraints.sides(H)
        assert np.isfinite(own[-1, 0])
        assert (drawn < own)[np.isfinite(own)].all()


def test_a_model_that_errs_to_the_safe_side_gets_no_looser_constraints():
    problem = task().with_margins(Margins(np.full((50, H, 2), -0.3), 0.9))
    found = problem.problem(np.array([-1.0, 0.0]), H)
    assert (found.constraints.sides(H) <= found.own.sides(H)).all()
    upper = [n.startswith("high") for n in found.own.names[:4]]
    assert (found.constraints.sides(H)[:, :4] == found.own.sides(H)[:, :4])[:, upper].all()


@pytest.mark.parametrize("backend", ["highs", "scip"])
def test_all_readers_plan_with_the_same_margins(backend):
    """The optimum of the mixed-integer program lies on drawn-in limits, as numpy and torch say."""
    limits = ConstraintsConfig([BoxConfig("p", -3.0, [1.0, 2.0])], [], LIMITS.keep_out)
    drawn = task(limits).with_margins(Margins(margins().errors / 4, 0.9))
    problem = drawn.problem(np.array([-0.6, 0.1]), H)
    program = lower_network([(np.c_[np.eye(2), np.eye(2)], np.zeros(2))])
    options = anytime.Options(backend=backend, gap=1e-6)
    found = anytime.plan(program, problem, lambda _: [], options, None)
    assert found.status is Status.OPTIMAL
    states, constraints = found.states, problem.constraints
    assert not constraints.violated(states).any()
    last = states[-1] @ constraints.G[0]
    assert last == pytest.approx(constraints.sides(H)[-1, 0], abs=1e-6)  # at the limit x <= 1
    free = anytime.plan(program, task(limits).problem(problem.x0, H), lambda _: [], options, None)
    assert free.cost < found.cost - 1e-3
    assert constraints.violation(free.states) > 1e-3
    assert problem.own.violation(free.states) == pytest.approx(0, abs=1e-6)
    batch = torch.as_tensor(np.stack([states, free.states]))
    np.testing.assert_allclose(
        constraints.violation(batch).numpy(), constraints.violation(batch.numpy()), atol=1e-12
    )


def test_visited_states_are_held_against_the_tasks_own_constraints():
    tight = task().with_margins(Margins(np.full((50, H, 2), 0.3), 0.9))
    before, after = np.array([0.9, 1.0]), np.array([0.95, 1.0])
    constraints, states = tight.visited(before, after, 3)
    assert not constraints.violated(states)[0].any()
    assert tight.problem(before, H).constraints.violated(np.stack([after] * (H + 1))).any()


@pytest.mark.parametrize("value", [0, 1, -0.1, 1.5, float("nan")])
def test_a_coverage_that_is_no_probability_is_refused(value):
    with pytest.raises(ConfigError, match=r"coverage is .*, expected above 0 and below 1"):
        task(coverage=value)


def test_a_coverage_that_the_rollouts_cannot_give_is_refused_when_it_is_read():
    entry = {"constraints": {"coverage": 0.9995, "boxes": [{"of": "p", "low": 0, "high": 1}]}}
    with pytest.raises(ConfigError, match=f"1999 held-out rollouts are needed and {ROLLOUTS}"):
        from_dict(TaskConfig, entry)


def test_a_coverage_of_nothing_is_refused():
    with pytest.raises(ConfigError, match="no hard constraint to draw in"):
        task(ConstraintsConfig([BoxConfig("p", 0.0, 1.0, price=3.0)]), coverage=0.9)


def test_too_few_rollouts_are_refused_with_the_number_needed():
    with pytest.raises(ConfigError, match="9 held-out rollouts are needed at every planned step"):
        margins(n=8)
    ended = margins(n=20).errors
    ended[8:, 2:] = np.nan
    with pytest.raises(ConfigError, match="8 of 20 go on to step 3"):
        Margins(ended, 0.9)


def test_margins_of_the_next_steps_leave_a_plan_where_errors_of_all_steps_leave_none():
    """Errors treble every step: a rollout is within its margins at the steps that count."""
    errors = 0.1 * 3.0 ** np.arange(H)[:, None] * margins().errors[:, :1]
    limits = ConstraintsConfig([BoxConfig("p", -0.1, 0.1)])
    program = lower_network([(np.c_[np.eye(2), np.eye(2)], np.zeros(2))])
    plans = {}
    for steps in (None, 2, 1, H, H + 3):
        found = Margins(errors, 0.9, steps)
        problem = task(limits).with_margins(found).problem(np.zeros(2), H)
        drawn = found.of(problem.own)
        whole = Margins(errors, 0.9).of(problem.own)
        counted = min(steps or H, H)
        np.testing.assert_array_equal(drawn[:counted], whole[:counted])
        assert (drawn[counted:] == drawn[counted - 1]).all()
        options = anytime.Options(backend="highs")
        plans[steps] = anytime.plan(program, problem, lambda _: [], options, None).status
        assert (nothing_left(problem.constraints, H) == "") == plans[steps].has_plan
    assert plans[1] is plans[2] is Status.OPTIMAL
    assert plans[None] is plans[H] is plans[H + 3] is Status.INFEASIBLE


def test_margins_of_the_next_steps_need_rollouts_that_last_so_long():
    ended = margins(n=20).errors
    ended[8:, 2:] = np.nan
    found = Margins(ended, 0.9, 2).of(task().problem(np.zeros(2), H).constraints)
    assert np.isfinite(found).all()
    with pytest.raises(ConfigError, match=r"8 of 20 go on to step 3.*coverage_steps"):
        Margins(ended, 0.9, 3)


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ({"coverage": 0.9, "coverage_steps": 0}, "coverage_steps is 0, expected 1 or more"),
        ({"coverage_steps": 1}, "coverage_steps is 1 without a coverage"),
    ],
)
def test_steps_of_margins_that_cannot_be_are_refused(entry, why):
    with pytest.raises(ConfigError, match=why):
        from_dict(
            TaskConfig, {"constraints": {"boxes": [{"of": "p", "low": 0, "high": 1}], **entry}}
        )


def test_margins_of_fewer_steps_than_the_plan_are_refused():
    with pytest.raises(ConfigError, match="margins of 4 steps cannot be those of a plan of 5"):
        task().with_margins(margins()).problem(np.zeros(2), H + 1)
    assert task().with_margins(margins()).problem(np.zeros(2), H - 1).constraints.h.ndim == 2


def test_limits_that_margins_leave_nothing_between_are_named():
    limits = ConstraintsConfig([BoxConfig("p", [-0.2, -9.0], [0.2, 9.0])])
    wide = task(limits).with_margins(margins()).problem(np.zeros(2), 1).constraints
    assert nothing_left(wide, 1) == ""
    slow = Margins(margins().errors * 3, 0.9)  # grows from .15 a step
    tight = task(limits).with_margins(slow).problem(np.zeros(2), H).constraints
    room = tight.sides(H)[:, 0] + tight.sides(H)[:, 2]
    assert tight.names[:3:2] == ("high limit of 'p'[0]", "low limit of 'p'[0]")
    step = int(np.argmax(room < 0)) + 1
    assert nothing_left(tight, H) == f"high limit of 'p'[0] at step {step}"


def test_the_largest_margins_are_told_by_kind():
    drawn = {"high limit of 'p'[0]": [0.1, 0.2], "keep-out of 'p' point 0": [0.3, 0.01]}
    assert told(drawn) == (
        "high limit of 'p'[0] by up to 0.2 at step 2, keep-out of 'p' point 0 by up to 0.3 at step "
        "1"
    )
