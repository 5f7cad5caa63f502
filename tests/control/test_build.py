import numpy as np
import pytest

from sparsectl.control import CEM, MPPI, Gradient, Random, Zero, build, check
from sparsectl.errors import ConfigError


def make(toy, name, config, horizon=4):
    return build(name, config, toy.task, toy.dynamics, toy.program, horizon, "cpu")


@pytest.mark.parametrize(
    ("name", "cls"),
    [("mppi", MPPI), ("cem", CEM), ("gradient", Gradient), ("zero", Zero), ("random", Random)],
)
def test_kind_defaults_to_the_key(toy, name, cls):
    assert type(make(toy, name, {})) is cls
    assert type(make(toy, name, None)) is cls


def test_reads_kind_horizon_and_settings(toy):
    controller = make(toy, "wide", {"kind": "mppi", "samples": 512, "horizon": 7})
    assert isinstance(controller, MPPI)
    assert (controller.name, controller.horizon, controller.config.samples) == ("wide", 7, 512)


def test_mip_is_built_with_the_task_and_both_models(toy):
    controller = make(toy, "exact", {"kind": "mip"})
    assert (controller.name, controller.horizon) == ("exact", 4)


@pytest.mark.parametrize(
    ("name", "config", "says"),
    [
        ("gradiant", {}, "unknown kind 'gradiant' (did you mean 'gradient'?)"),
        ("a", {"kind": "mppj"}, "controllers.a: unknown kind 'mppj' (did you mean 'mppi'?)"),
        ("mppi", {"sample": 3}, "controllers.mppi: unknown key 'sample' (did you mean 'samples'?)"),
        ("mppi", {"samples": "many"}, "samples: expected int"),
        ("cem", {"elites": 1}, "controllers.cem: cem needs 2 <= elites"),
        ("gradient", {"rate": -1.0}, "gradient needs 0 < rate_min"),
        ("mppi", {"horizon": 0}, "horizon is 0"),
        ("mppi", {"horizon": True}, "horizon is True"),
        ("mppi", [1], "expected a mapping"),
        ("zero", {"samples": 3}, "takes no further keys, got 'samples'"),
    ],
)
def test_bad_entries_say_where_and_what(toy, name, config, says):
    for attempt in (lambda: make(toy, name, config), lambda: check(name, config, 4)):
        with pytest.raises(ConfigError) as caught:
            attempt()
        assert says in str(caught.value)


def test_unknown_device_is_a_config_error(toy):
    with pytest.raises(ConfigError, match="device 'gpu0'"):
        build("mppi", {}, toy.task, toy.dynamics, toy.program, 4, "gpu0")


def test_zero_and_random_stay_in_the_box(toy, start):
    problem = toy.problem()
    zero = make(toy, "zero", {}).solve(problem, start, None)
    np.testing.assert_array_equal(zero.actions, np.zeros((6, 1)))
    random = make(toy, "random", {}).solve(problem, start, None)
    again = make(toy, "random", {}).solve(problem, start, None)
    np.testing.assert_array_equal(random.actions, again.actions)
    assert (random.actions >= problem.u_low).all()
    assert (random.actions <= problem.u_high).all()
    assert len(np.unique(random.actions)) == 6
