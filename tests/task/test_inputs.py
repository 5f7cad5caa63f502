"""Which actions there are: levels, rates, blocks; what `admit` and `excess` say of them."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest
import random_problems
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsectl.errors import ConfigError
from sparsectl.task import ActionConfig, Inputs, Task, TaskConfig
from sparsectl.task.action import bind, lengths

seeds = st.integers(0, 2**31)
units = st.sampled_from([1e-9, 1e-3, 1.0, 1e6])
LEVELS = np.array([[-1.0, -1.0], [0.0, 0.0], [1.0, 1.0]])
GEARS = np.linspace(0, 1, 11)[:, None].repeat(2, axis=1)


def case(seed: int, unit: float) -> tuple[Inputs, np.ndarray]:
    """Random rules, and plans that know nothing of them."""
    rng = np.random.default_rng(seed)
    nu, horizon = int(rng.integers(1, 3)), int(rng.integers(1, 7))
    inputs = random_problems.rules(rng, nu, horizon)
    scaled = inputs.rescaled(np.zeros(nu), np.full(nu, 1 / unit))
    return scaled, unit * rng.uniform(-1.5, 1.5, (4, horizon, nu))


def values(inputs: Inputs, entry: int) -> np.ndarray:
    """Many values that an entry may take, all ends among them. Shape (n,)."""
    return np.concatenate([np.linspace(a, b, 401) for a, b in inputs.pieces[entry]])


@settings(deadline=None, max_examples=150)
@given(seeds, units)
def test_admitted_plans_keep_the_rules_and_stay_as_they_are(seed, unit):
    inputs, plans = case(seed, unit)
    admitted = inputs.admit(plans)
    size = unit * 1e-9
    assert admitted.shape == plans.shape
    assert (inputs.excess(admitted) <= size).all()
    np.testing.assert_allclose(inputs.admit(admitted), admitted, rtol=0, atol=size)
    np.testing.assert_allclose(inputs.admit(plans[0]), admitted[0], rtol=0, atol=0)
    held = admitted[:, inputs.firsts(plans.shape[1])]
    np.testing.assert_array_equal(held, admitted)
    for i in range(plans.shape[-1]):
        low, high = inputs.pieces[i].T
        inside = (admitted[..., i, None] >= low) & (admitted[..., i, None] <= high)
        assert inside.any(-1).all()
    before = admitted[:, :1] if inputs.last is None else np.tile(inputs.last, (4, 1, 1))
    changes = abs(np.diff(np.concatenate([before, admitted], axis=1), axis=1))
    assert (changes <= inputs.rate + size).all()


@settings(deadline=None, max_examples=150)
@given(seeds, units)
def test_every_step_takes_the_nearest_value_in_reach(seed, unit):
    inputs, plans = case(seed, unit)
    admitted, firsts = inputs.admit(plans), inputs.firsts(plans.shape[1])
    for t in np.unique(firsts):
        for i in range(plans.shape[-1]):
            known = values(inputs, i)
            for k in range(len(plans)):
                before = admitted[k, t - 1, i] if t else None
                if t == 0 and inputs.last is not None:
                    before = inputs.last[i]
                there = known
                if before is not None:
                    there = known[abs(known - before) <= inputs.rate[i] * (1 + 1e-9)]
                nearest = abs(there - plans[k, t, i]).min()
                assert abs(admitted[k, t, i] - plans[k, t, i]) <= nearest + 1e-12 * unit


@settings(deadline=None, max_examples=100)
@given(seeds, units)
def test_numpy_and_torch_admit_the_same(seed, unit):
    inputs, plans = case(seed, unit)
    expected = inputs.admit(plans)
    found = inputs.admit(torch.from_numpy(plans))
    np.testing.assert_allclose(found.numpy(), expected, rtol=0, atol=1e-9 * unit)
    single = inputs.admit(torch.from_numpy(plans).float())
    assert single.dtype == torch.float32
    # A wish between two values may round to the other one.
    wish, near = abs(single.numpy() - plans), abs(expected - plans)
    if not inputs.limited:
        assert (wish <= near + 1e-5 * unit).all()


@settings(deadline=None, max_examples=100)
@given(seeds, units)
def test_the_excess_is_zero_for_plans_that_keep_the_rules_only(seed, unit):
    inputs, plans = case(seed, unit)
    rng, (_, horizon, nu) = np.random.default_rng(seed), plans.shape
    plans[1:] = inputs.admit(plans[1:])
    plans[2, rng.integers(horizon), rng.integers(nu)] += 0.05 * unit
    excess = inputs.excess(plans)
    for plan, by in zip(plans, excess, strict=True):
        worst = 0.0
        before = inputs.last
        for t, first in enumerate(inputs.firsts(horizon)):
            for i in range(nu):
                pieces = inputs.pieces[i]
                out = np.maximum(pieces[:, 0] - plan[t, i], plan[t, i] - pieces[:, 1])
                worst = max(worst, out.min(), abs(plan[t, i] - plan[first, i]))
                if before is not None:
                    worst = max(worst, abs(plan[t, i] - before[i]) - inputs.rate[i])
            before = plan[t]
        assert by == pytest.approx(worst, rel=1e-9, abs=1e-12 * unit)


def test_rates_of_levels_that_are_as_far_apart_as_the_rate_are_kept():
    inputs = Inputs((GEARS,), np.array([0.1]), np.array([0.3]))
    plan = inputs.admit(np.ones((7, 1)))
    np.testing.assert_allclose(plan[:, 0], [0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0])


def test_without_a_level_in_reach_the_nearest_to_the_last_action_is_taken():
    """It was the lowest one, however far away."""
    inputs = Inputs((np.array([[-1.0, -1.0], [0.5, 0.6], [1.0, 1.0]]),), np.array([0.05]))
    for last, value in ((0.9, 1.0), (0.7, 0.6), (-0.4, -1.0), (0.45, 0.5)):
        plan = replace(inputs, last=np.array([last])).admit(np.full((3, 1), -1.0))
        assert plan[0, 0] == value


def test_thousands_of_levels_with_a_rate_take_no_time():
    levels = np.arange(-1000.0, 1001.0)
    inputs = Inputs((np.stack([levels, levels], axis=1),), np.array([3.0]))
    plans = np.random.default_rng(0).uniform(-1000, 1000, (256, 6, 1))
    began = time.process_time()
    found = inputs.admit(plans)
    inputs.admit(torch.as_tensor(plans))
    assert time.process_time() - began < 0.1  # .43 s before, for every batch
    assert (abs(np.diff(found, axis=1)) <= 3).all()
    assert np.array_equal(found, np.rint(found))


@pytest.mark.parametrize("at", range(-9, 10))
@pytest.mark.parametrize("entry", [{"levels": [k / 10 for k in range(-10, 11)]},
                                   {"semicontinuous": 0.1}])  # fmt: skip
def test_an_action_known_in_single_precision_reaches_what_it_did_in_double(entry, at):
    """Half of the levels on one side were out of reach of actions that an environment executed."""
    last = 0.1 * np.sign(at) if "semicontinuous" in entry else at / 10
    config = TaskConfig(action=ActionConfig(**entry, rate=0.1))
    task = Task(config, 1, -np.ones(1), np.ones(1))
    rules = task.problem(np.zeros(1), 1, last=np.array([np.float32(last)])).inputs
    for level in (last - 0.1, last + 0.1):
        assert rules.admit(np.array([[level]])) == pytest.approx(level, abs=2e-9)
        assert task.admit(np.array([level]), np.array([np.float32(last)])) == pytest.approx(level)


@pytest.mark.parametrize("unit", [1e-9, 1e-6, 1.0, 1e6])
def test_a_level_out_of_reach_is_out_of_reach_in_any_unit(unit):
    """The tolerance of reach was absolute: tiny actions knew no rates."""
    inputs = Inputs((unit * LEVELS,), np.array([0.9 * unit]), np.zeros(1))
    np.testing.assert_array_equal(inputs.admit(np.full((3, 1), unit)), np.zeros((3, 1)))
    single = inputs.admit(torch.full((3, 1), unit))
    np.testing.assert_array_equal(single.numpy(), np.zeros((3, 1)))


@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e6])
def test_a_level_outside_the_box_is_refused_in_any_unit(unit):
    """What counts as on the border was absolute: 2e-6 became 1e-6 without a word."""
    box = np.array([-unit]), np.array([unit])
    with pytest.raises(ConfigError, match=r"entry 0: level .* is outside"):
        bind(ActionConfig(levels=[0.0, 2 * unit]), *box)
    border = float(np.float32(unit)) * (1 + 1e-8)
    assert bind(ActionConfig(levels=[0.0, border]), *box).pieces[0][-1, 0] == unit


def test_the_sets_that_a_config_describes():
    low, high = np.array([-2.0, -1.0]), np.array([2.5, 1.0])

    def pieces(**settings):
        return [p.tolist() for p in bind(ActionConfig(**settings), low, high).pieces]

    whole = [[k, k] for k in range(-2, 3)]
    assert pieces(integer=[True, False]) == [whole, [[-1, 1]]]
    assert pieces(levels=np.array([[0, 1], [1, -1]])) == [[[0, 0], [1, 1]], [[-1, -1], [1, 1]]]
    assert pieces(levels=[[1, 0], None]) == [[[0, 0], [1, 1]], [[-1, 1]]]
    apart = [[[-2, -0.5], [0, 0], [0.5, 2.5]], [[-1, -0.5], [0, 0], [0.5, 1]]]
    assert pieces(semicontinuous=0.5) == apart
    assert pieces(integer=True, semicontinuous=[2, None])[0] == [[-2, -2], [0, 0], [2, 2]]
    rules = bind(ActionConfig(rate=[0.5, None]), low, high)
    assert rules.limited
    assert rules.rate.tolist() == [0.5, np.inf]
    assert not rules.discrete.any()
    assert bind(ActionConfig(low=-1.0), low, high) is None
    own = bind(ActionConfig(), low, high, [np.arange(-5, 6), None])
    assert own.pieces[0].tolist() == whole
    assert own.discrete.tolist() == [True, False]


def test_blocks_are_as_long_as_the_horizon():
    assert lengths(ActionConfig(), 5) is None
    assert lengths(ActionConfig(blocks=2), 5) == (2, 2, 1)
    assert lengths(ActionConfig(blocks=[1, 4]), 5) == (1, 4)
    inputs = Inputs((LEVELS,), np.full(1, np.inf), None, (2, 2, 1))
    assert inputs.firsts(5).tolist() == [0, 0, 2, 2, 4]
    assert replace(inputs, blocks=None).firsts(3).tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"levels": []}, "levels is empty: no action is left"),
        ({"levels": [[], None]}, "entry 0 is an empty set"),
        ({"levels": [[0.0], [0.0], [0.0]]}, "sets for 3 entries, actions have 2"),
        ({"levels": [0.0, 9.0]}, "level 9 is outside"),
        ({"levels": [0.0, float("nan")]}, "levels are finite numbers"),
        ({"integer": [True]}, "integer has 1 entries, actions have 2"),
        ({"low": 0.2, "high": 0.8, "integer": True}, "no whole number between 0.2 and 0.8"),
        ({"semicontinuous": 0.0}, "semicontinuous is 0.0, expected numbers above 0"),
        ({"low": 0.2, "semicontinuous": 1.5}, "nothing so far from 0 is between 0.2 and 1"),
        ({"rate": -1.0}, "rate is -1.0, expected numbers above 0"),
        ({"rate": [1.0]}, "rate has 1 entries, actions have 2"),
        ({"blocks": 0}, "expected numbers of steps, each at least 1"),
        ({"blocks": []}, "expected numbers of steps, each at least 1"),
    ],
)
def test_rules_without_meaning_are_refused(settings, words):
    with pytest.raises(ConfigError, match=words):
        Task(TaskConfig(action=ActionConfig(**settings)), 2, -np.ones(2), np.ones(2))


def test_blocks_that_do_not_add_up_are_refused():
    task = Task(TaskConfig(action=ActionConfig(blocks=[1, 2])), 2, -np.ones(1), np.ones(1))
    with pytest.raises(ConfigError, match="adds up to 3 steps, the horizon is 4"):
        task.problem(np.zeros(2), 4)


@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e6])
def test_a_last_action_that_nothing_is_in_reach_of_is_refused(unit):
    rules = ActionConfig(levels=[-unit, unit], rate=0.5 * unit)
    task = Task(TaskConfig(action=rules), 2, np.full(1, -unit), np.full(1, unit))
    task.problem(np.zeros(2), 3, last=np.array([0.6 * unit]))
    with pytest.raises(ConfigError, match="no action is within reach of the one applied last"):
        task.problem(np.zeros(2), 3, last=np.array([0.1 * unit]))
