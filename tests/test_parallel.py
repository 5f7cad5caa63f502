"""The parallel seam: every engine gives the same outcomes in the order of the items."""

from __future__ import annotations

import importlib
import os

import parallel_units as units
import pytest

from sparsectl import parallel
from sparsectl.errors import ConfigError

RAY = pytest.param("ray", marks=pytest.mark.ray)


@pytest.mark.parametrize("engine", ["serial", "process", RAY])
def test_same_results_in_item_order_from_each_engine(engine):
    """Ray starts and stops its own cluster here; the other tests share one."""
    if engine == "ray":
        importlib.import_module("ray").shutdown()
    outcomes = parallel.run(units.noise, range(6), engine=engine, workers=2)
    assert [o.index for o in outcomes] == list(range(6))
    assert [o.value for o in outcomes] == [units.noise(i) for i in range(6)]
    assert all(o.error is None for o in outcomes)


@pytest.mark.parametrize("engine", ["serial", "process", RAY], indirect=True)
def test_an_exception_costs_only_its_unit(engine):
    seen = []
    outcomes = parallel.run(
        units.fail, range(4), engine=engine, workers=2, on_result=lambda o: seen.append(o.index)
    )
    assert sorted(seen) == [0, 1, 2, 3]
    assert [o.value for o in outcomes] == [0, None, None, 3]
    assert outcomes[1].error == "ValueError: item 1 is bad"
    assert "second line" in outcomes[1].trace
    assert outcomes[2].error == "SystemExit: 4"


@pytest.mark.parametrize("engine", ["serial", "process", RAY], indirect=True)
def test_the_initializer_runs_before_the_first_unit(engine, monkeypatch):
    monkeypatch.delenv("PARALLEL_UNITS_SETUP", raising=False)
    outcomes = parallel.run(
        units.read_setup, range(3), engine=engine, initializer=units.setup, initargs=("ready",)
    )
    assert [o.value for o in outcomes] == ["ready"] * 3


@pytest.mark.parametrize("engine", ["process", RAY], indirect=True)
def test_workers_use_one_thread_and_the_environment_here_is_untouched(engine):
    before = os.environ.get("OMP_NUM_THREADS")
    (outcome,) = parallel.run(units.threads, [0], engine=engine, workers=1)
    assert outcome.value == ("1", 1)
    assert os.environ.get("OMP_NUM_THREADS") == before


def test_workers_have_the_environment_of_now_and_numbers_of_their_own(monkeypatch):
    """Each of them comes from one process that was started earlier."""
    found = []
    for value in ("first", "second"):
        monkeypatch.setenv("PARALLEL_UNITS_SETUP", value)
        outcome = parallel.run(units.drawn, [0], workers=1)[0]
        assert outcome.value[1] == value
        found.append(outcome.value[0])
    assert found[0] != found[1]


def test_a_pool_keeps_its_workers_between_calls():
    with parallel.pool("process", workers=1) as pool:
        first = pool.map(units.pid, [0, 1])
        second = pool.map(units.pid, [0])
    assert {o.value for o in first} == {o.value for o in second}
    assert first[0].value != os.getpid()


def test_no_items_start_nothing():
    assert parallel.run(units.square, [], engine="process") == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"engine": "proces"}, "did you mean 'process'"), ({"workers": 0}, "at least 1")],
)
def test_wrong_settings_are_refused(arguments, message):
    with pytest.raises(ConfigError, match=message):
        parallel.run(units.square, [1], **arguments)
