"""Bounds contain every reachable value: dense sampling, corners and the exact simulator."""

import dataclasses
import itertools

import numpy as np
import pytest
import random_problems
import random_steps
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsectl.errors import ConfigError, NonFiniteError
from sparsectl.mip import bound_neurons
from sparsectl.program import bounds as bounds_module
from sparsectl.program import crown
from sparsectl.program.bounds import Box, propagate
from sparsectl.program.crown import Lines
from sparsectl.program.prefix import Prefix, rows
from sparsectl.task.constraints import Constraints

METHODS = ("interval", "crown", "lp")


def _case(seed, nx, nu, hidden, horizon):
    rng = np.random.default_rng(seed)
    program = random_problems.dynamics(rng, nx, nu, hidden, scale=1.0)
    return rng, program, random_problems.problem(rng, nx, nu, horizon, "l1", constrained=False)


def _samples(rng, problem, count):
    shape = (count, problem.horizon, problem.nu)
    actions = rng.uniform(problem.u_low, problem.u_high, size=shape)
    corners = np.where(rng.random(shape) < 0.5, problem.u_low, problem.u_high)
    return np.concatenate([actions, corners])


def _contained(program, problem, bounds, actions):
    states = program.rollout(problem.x0, actions)
    assert (states >= bounds.x_low).all()
    assert (states <= bounds.x_high).all()
    inputs = np.concatenate([states[:, :-1], actions], axis=-1)
    pre = program.evaluate(inputs)[1]
    assert (pre >= bounds.pre_low).all()
    assert (pre <= bounds.pre_high).all()


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    nx=st.integers(1, 4),
    nu=st.integers(1, 2),
    hidden=st.sampled_from([(3,), (6,), (4, 4), (3, 3, 3)]),
    horizon=st.integers(1, 4),
    method=st.sampled_from(METHODS),
)
def test_sampled_and_corner_rollouts_stay_inside(seed, nx, nu, hidden, horizon, method):
    rng, program, problem = _case(seed, nx, nu, hidden, horizon)
    bounds = bound_neurons(program, problem, method)
    _contained(program, problem, bounds, _samples(rng, problem, 400))


def test_each_method_is_at_least_as_tight_as_the_one_before():
    _, program, problem = _case(3, 4, 2, (12, 12), 5)
    interval, crown, lp = (bound_neurons(program, problem, m) for m in METHODS)
    for looser, tighter in ((interval, crown), (crown, lp)):
        slack = 1e-6 * (1 + abs(looser.pre_low))
        assert (tighter.pre_low >= looser.pre_low - slack).all()
        assert (tighter.pre_high <= looser.pre_high + slack).all()
    widths = [(b.pre_high - b.pre_low).mean() for b in (interval, crown, lp)]
    assert widths[0] > 1.2 * widths[1] > 1.2 * widths[2]
    assert interval.unstable.sum() >= crown.unstable.sum() >= lp.unstable.sum()


def test_steps_after_a_time_get_interval_bounds_which_are_sound(monkeypatch):
    """Bounding ended when it was done: 40 of 100 ms over 30 steps, twice."""
    rng, program, problem = _case(3, 4, 2, (12, 12), 6)
    interval, crown = (bound_neurons(program, problem, m) for m in METHODS[:2])
    ticks = itertools.count()
    monkeypatch.setattr(bounds_module.time, "perf_counter", lambda: next(ticks))
    for method in ("crown", "lp"):
        late = bound_neurons(program, problem, method, until=next(ticks) + 4)
        np.testing.assert_array_equal(late.pre_low[:3], crown.pre_low[:3])
        assert (late.pre_low[4:] < crown.pre_low[4:]).any()
        assert (late.x_low >= interval.x_low - 1e-9).all()
        _contained(program, problem, late, _samples(rng, problem, 400))


def test_a_start_box_is_covered():
    rng, program, problem = _case(5, 3, 1, (5, 5), 3)
    from sparsectl.mip import start_box

    box = dataclasses.replace(start_box(problem), x0_low=problem.x0 - 0.1, x0_high=problem.x0 + 0.1)
    bounds = propagate(program, box, 3)
    for _ in range(20):
        moved = dataclasses.replace(problem, x0=problem.x0 + rng.uniform(-0.1, 0.1, 3))
        _contained(program, moved, bounds, _samples(rng, moved, 100))


def test_state_limits_shrink_the_boxes_of_allowed_plans_only():
    rng, program, problem = _case(7, 3, 2, (6,), 3)
    limit = abs(problem.x0).max() + 0.5
    G, h = np.vstack([np.eye(3), -np.eye(3)]), np.full(6, limit)
    labels = tuple(f"limit {i}" for i in range(6))
    problem = dataclasses.replace(problem, constraints=Constraints(G, h, (), labels))
    bounds = bound_neurons(program, problem, "crown")
    assert bounds.x_high.max() <= limit
    actions = _samples(rng, problem, 4000)
    allowed = problem.constraints.violation(program.rollout(problem.x0, actions)) == 0
    assert allowed.any()
    _contained(program, problem, bounds, actions[allowed])


@pytest.mark.parametrize("hidden", [(5,), (4, 3)])
@pytest.mark.parametrize("activation", ["relu", "step"])
def test_the_prefix_says_what_the_batched_pass_says(hidden, activation):
    """Two readers of one relaxation, where nothing is known of states on the way."""
    rng, horizon, n = np.random.default_rng(4), 6, 4
    program = random_steps.dynamics(rng, 3, 1, hidden, activation)
    one, low, high = np.ones((horizon, 1)), np.zeros(3), np.full(3, 0.1)
    known = propagate(program, Box(low, high, -one, one, -9e9 * np.ones(3), 9e9 * np.ones(3)), 6)
    assert known.unstable.sum() > horizon
    lines = Lines.of(known.pre_low[None], known.pre_high[None], program.step)
    actions, start = (0 * one[None], one[None]), ((low + high)[None, None] / 2,) * 2
    prefix, forms = Prefix(program, -one, one), np.eye(n)
    for t in range(horizon):
        prefix.begin(low, high)
        found = prefix.bounds(rows(forms, np.ones(n), n))
        both = np.concatenate([forms, -forms])[None], np.repeat([1.0, -1.0], n)[None]
        least = crown.backward(program, lines, t, both, 0, actions, start)[0]
        np.testing.assert_allclose(np.concatenate(found), least * both[1][0], rtol=1e-9)
        for i, level in enumerate(program.levels):
            here = slice(level.start, level.stop)
            prefix.note(i, prefix.neurons(i), known.pre_low[t, here], known.pre_high[t, here])
        prefix.end()
        low, high = np.full(3, -1e6), np.full(3, 1e6)


def test_refuses_infinite_boxes_and_unknown_methods():
    _, program, problem = _case(9, 2, 1, (3,), 2)
    wide = dataclasses.replace(problem, u_high=np.array([np.inf]))
    with pytest.raises(NonFiniteError, match="u_high"):
        bound_neurons(program, wide, "crown")
    with pytest.raises(ConfigError, match="crown"):
        bound_neurons(program, problem, "crwn")
