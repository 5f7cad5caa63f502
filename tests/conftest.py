"""Settings of the whole suite."""

import functools
import gc
import inspect
import os
import signal
import sys
import types
from pathlib import Path

import hypothesis
import parallel_units
import pytest

MEMORY = Path("/dev/shm")
if os.access(MEMORY, os.W_OK):
    # What is written is synchronised as ever, only not to a disk, which takes milliseconds a file.
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))

# Tests, and the package in each of the processes that tests start, are compiled once and not in
# every process; where nothing can be written, Python goes on without.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# How long examples take says how busy the machine is, and no more.
hypothesis.settings.register_profile(
    "untimed", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("untimed")

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    # Started in the background: without this, children would inherit a Ctrl-C that does nothing.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _sources_are_read_once():
    """The options of every command look up the source of every class of settings."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inspect, "getsource", functools.cache(inspect.getsource))
        yield


@pytest.fixture(scope="session", autouse=True)
def _frozen_is_not_counted():
    """Each decision asks whether anything is frozen: it is here, and counting it takes 10 ms."""
    with pytest.MonkeyPatch.context() as patch:
        found = types.SimpleNamespace(get_freeze_count=lambda: 1)
        patch.setattr("sparsectl.evaluate.garbage.gc", found)
        yield


@pytest.fixture(scope="session", autouse=True)
def _one_thread():
    """Tests that run at once do not wait for each other, and sums always have the same order."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture
def modes_in_a_moment(monkeypatch):
    """Modes of members, where they are not what is tested, are looked for briefly."""
    for name, value in {"SECONDS": 0.05, "SAMPLES": 50, "CAP": 50}.items():
        monkeypatch.setattr(f"sparsectl.cli.family.{name}", value)
    monkeypatch.setattr("sparsectl.mip.modes.paths._SAMPLES", 100)


@pytest.fixture
def figures_in_a_moment(monkeypatch):
    """Reports are written with figures that are made and not drawn, where they are not tested."""
    monkeypatch.setattr("sparsectl.report.page.to_svg", lambda figure: "<svg></svg>")


def pytest_collection_finish(session):
    """What is there now stays: looking through it again and again takes a tenth of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def pytest_runtest_setup(item):
    if item.get_closest_marker("ray") and not parallel_units.HAS_RAY:
        pytest.skip("pip install 'sparsectl[ray]'")


@pytest.fixture
def cluster():
    """One of this machine, which tests share: engines use it as they find it."""
    parallel_units.share_cluster()


@pytest.fixture
def engine(request):
    """An engine by name; the tests with ray share a cluster."""
    if request.param == "ray":
        request.getfixturevalue("cluster")
    return request.param
