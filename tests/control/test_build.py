import subprocess
import sys
import textwrap

import numpy as np
import pytest

from sparsectl.control import (
    CEM,
    MPPI,
    CEMConfig,
    Gradient,
    MPPIConfig,
    Random,
    Zero,
    build,
    check,
    config,
)
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
    zero = make(toy, "zero", {}).solve(problem, start)[0]
    np.testing.assert_array_equal(zero.actions, np.zeros((6, 1)))
    random = make(toy, "random", {}).solve(problem, start)[0]
    again = make(toy, "random", {}).solve(problem, start)[0]
    np.testing.assert_array_equal(random.actions, again.actions)
    assert (random.actions >= problem.u_low).all()
    assert (random.actions <= problem.u_high).all()
    assert len(np.unique(random.actions)) == 6


SAMPLER = """
    from dataclasses import dataclass

    from sparsectl.control import register
    from sparsectl.control.samplers.base import IteratedConfig, Sampler


    @register("shooting")
    @dataclass(frozen=True)
    class ShootingConfig(IteratedConfig):
        width: float = 1.0
        "Of the uniform distribution, 1 being the action box."

        def build(self, setup):
            return Shooting(setup, self)


    class Shooting(Sampler[ShootingConfig]):
        def search(self, decision):
            shape = (self.config.samples, *decision.first.shape[1:])
            z = decision.state.rng("shooting").uniform(-1, 1, shape) * self.config.width
            z = decision.objective.tensor(z)
            decision.best.offer(decision.first, decision.objective(decision.first))
            decision.best.offer(z, decision.objective(z))
            return {"samples": len(z)}, decision.state.step
"""


@pytest.fixture
def shooting(tmp_path, monkeypatch):
    """A sampler of one file that a user wrote."""
    (tmp_path / "shooting_module.py").write_text(textwrap.dedent(SAMPLER))
    monkeypatch.syspath_prepend(tmp_path)
    yield "shooting_module:shooting"
    config._known.pop("shooting", None)
    sys.modules.pop("shooting_module", None)


def test_a_sampler_of_ones_own_is_one_file_that_a_configuration_names(toy, start, shooting):
    entry = {"kind": shooting, "samples": 4096, "horizon": 6}
    assert check("mine", entry, 4)[:2] == (shooting, 6)
    own, rival = make(toy, "mine", entry), make(toy, "cem", {"horizon": 6})
    plan, memory = own.solve(toy.problem(), start)
    assert (plan.source, plan.info["samples"], memory) == ("shooting", 4096, start.step)
    best = rival.solve(toy.problem(), start)[0]
    assert best.cost <= plan.cost < make(toy, "zero", {}).solve(toy.problem(), start)[0].cost
    given, _ = own.solve(toy.problem(), start, starts=[best.actions])
    assert given.cost <= best.cost + 1e-6
    # what others can do with a sampler, they can do with this one
    exact = make(toy, "mip", {"starts": ["shooting"], "horizon": 6, "seconds": 1.0})
    assert exact.solve(toy.problem(), start)[0].cost <= plan.cost + 1e-9
    for bad, says in (
        ({"samples": 3}, "shooting: samples is 3, expected a whole number of at least 4"),
        ({"wide": 1.0}, "did you mean 'width'"),
    ):
        with pytest.raises(ConfigError, match=r"^controllers\.mine") as caught:
            check("mine", {"kind": shooting, **bad}, 4)
        assert says in str(caught.value)


def test_a_module_that_registers_nothing_of_that_name_is_said(toy, shooting):
    for kind, says in (
        ("no_such_module:it", "cannot import 'no_such_module'"),
        ("shooting_module:shoting", "did you mean 'shooting'"),
    ):
        with pytest.raises(ConfigError, match=r"^controllers\.mine") as caught:
            check("mine", {"kind": kind}, 4)
        assert says in str(caught.value)


def test_a_name_is_given_once():
    with pytest.raises(ConfigError, match="'cem' are CEMConfig already"):
        config.register("cem")(MPPIConfig)
    assert config.config_class("cem") is CEMConfig
    assert MPPIConfig.kind == "mppi"


@pytest.mark.parametrize(
    ("starts", "says"),
    [
        (["mip"], "mip cannot start from mip"),
        (["two_models"], "mip cannot start from two_models"),
        (["proposal"], "mip cannot start from proposal"),
        (["cem", "mppj"], "mip starts: unknown kind 'mppj' (did you mean 'mppi'?)"),
    ],
)
def test_what_mip_starts_from_is_checked_with_the_entry(starts, says):
    """Not only where a worker builds it."""
    with pytest.raises(ConfigError, match=r"^controllers\.exact") as caught:
        check("exact", {"kind": "mip", "starts": starts}, 4)
    assert says in str(caught.value)


def test_the_device_reaches_what_mip_starts_from(toy):
    with pytest.raises(ConfigError, match="device 'gpu0'"):
        build("mip", {}, toy.task, toy.dynamics, toy.program, 4, "gpu0")


def test_configs_are_read_without_torch_and_solvers():
    code = """
        import sys
        from sparsectl import control
        for kind in control.kinds():
            control.config_class(kind)
            if kind not in ("two_models", "proposal", "policy", "shield"):
                control.check("it", {"kind": kind}, 4)
        control.check("it", {"kind": "shield", "of": {"kind": "mppi"}}, 4)
        control.check("it", {"kind": "two_models", "sparse": "a"}, 4)
        heavy = {"torch", "scipy", "pyscipopt", "highspy", "clarabel", "cvxpy", "mujoco"}
        assert not heavy & set(sys.modules), heavy & set(sys.modules)
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True)
