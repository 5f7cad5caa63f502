"""Workers that die, hang or cannot answer; Ctrl-C and SIGTERM."""

from __future__ import annotations

import builtins
import importlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import parallel_units as units
import pytest

from sparsectl import parallel
from sparsectl.errors import MissingExtra, SparsectlError, Terminated
from sparsectl.parallel import process, ray_engine

TESTS = Path(__file__).parents[1]
RAY = pytest.param("ray", marks=pytest.mark.ray)


@pytest.mark.parametrize("engine", ["process", RAY], indirect=True)
def test_a_killed_worker_costs_only_its_unit(engine, tmp_path):
    items = [(str(tmp_path), i) for i in range(8)]
    outcomes = parallel.run(units.die, items, engine=engine, workers=2, retries=1)
    assert [o.value for o in outcomes] == [0, 1, 2, None, 4, 5, 6, 7]
    assert "worker process died" in outcomes[3].error
    if engine == "process":
        assert "SIGKILL: most often the memory was used up; use fewer workers" in outcomes[3].error
    attempts = [Path(tmp_path, f"unit-{i}").stat().st_size for i in range(8)]
    assert attempts == [1, 1, 1, 2, 1, 2, 1, 1]


@pytest.mark.parametrize("engine", ["process", RAY], indirect=True)
def test_a_hanging_unit_is_stopped(engine):
    # Ray counts the start of its workers, which are there then.
    parallel.run(units.hang, [0.5, 0.5], engine=engine, workers=2)
    items = [0.0, 60.0, 0.0]
    outcomes = parallel.run(units.hang, items, engine=engine, workers=2, timeout=2.0)
    assert [o.error is None for o in outcomes] == [True, False, True]
    assert "no result within" in outcomes[1].error


def test_sigterm_is_no_failure_of_a_unit_in_this_process():
    with pytest.raises(Terminated), parallel.sigterm_as_exit():
        parallel.run(lambda item: os.kill(os.getpid(), signal.SIGTERM), [0], engine="serial")


@pytest.mark.parametrize("comes", [False, True], ids=["later", "while Ray starts"])
def test_sigterm_stays_ours_where_ray_puts_a_handler_in_its_place(comes):
    def init(**options):
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(15))
        if comes:
            signal.raise_signal(signal.SIGTERM)

    def start():
        ray_engine._connect(SimpleNamespace(init=init), workers=1)
        signal.raise_signal(signal.SIGTERM)

    with pytest.raises(Terminated), parallel.sigterm_as_exit():
        start()


def test_workers_start_where_temporary_files_have_long_names(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / ("x" * 100)))
    assert process._context().get_start_method() == "spawn"


def test_fewer_workers_than_asked_for_do_it_and_none_at_all_is_one_line(monkeypatch):
    real, left = process.ProcessEngine._spawn, [1]

    def spawn(engine):
        if not left.pop():
            raise BlockingIOError(11, "Resource temporarily unavailable")
        left.append(0)
        return real(engine)

    monkeypatch.setattr(process.ProcessEngine, "_spawn", spawn)
    found = parallel.run(units.square, range(3), engine="process", workers=2)
    assert [o.value for o in found] == [0, 1, 4]
    left[:] = [0]
    with pytest.raises(SparsectlError, match="Resource temporarily unavailable"):
        parallel.run(units.square, range(3), engine="process", workers=2)


def test_units_and_results_that_cannot_be_sent_are_errors():
    outcomes = parallel.run(units.unsendable, [0, 1, 0], workers=1)
    assert [o.value for o in outcomes] == [0, None, 0]
    assert "cannot be sent" in outcomes[1].error
    (outcome,) = parallel.run(units.square, [threading.Lock()], workers=1)
    assert "cannot be pickled" in outcome.error


def test_a_failing_initializer_is_reported_for_each_unit_without_looping():
    outcomes = parallel.run(units.square, [1, 2], workers=1, initializer=units.broken_setup)
    assert all("no licence" in o.error for o in outcomes)


def test_missing_ray_names_the_pip_command(monkeypatch):
    real = builtins.__import__

    def without_ray(name, *args, **kwargs):
        if name == "ray":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_ray)
    with pytest.raises(MissingExtra, match=r"pip install 'sparsectl\[ray\]'"):
        parallel.run(units.square, [1], engine="ray")


UNGUARDED = """
import sys
from pathlib import Path

sys.path.insert(0, {tests!r})
Path({folder!r}, "runs").open("a").write("x")
import gymnasium
from sparsectl import environment, parallel


class Own(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(-1, 1, (2,))
    action_space = gymnasium.spaces.Box(-1, 1, (1,))


gymnasium.register("Own-v0", entry_point=Own, max_episode_steps=3)


def observed(item):
    return environment.make("Own-v0").observation_space.shape, Own


shape, kind = parallel.run(observed, [0], engine={engine!r}, workers=1)[0].value
assert kind is Own and shape, (kind, shape)
first, second = parallel.run(lambda x: 2 * x, [1, 2], engine={engine!r}, workers=2)
print(first.value + second.value)
"""


@pytest.mark.parametrize("engine", ["process", RAY])
@pytest.mark.parametrize("way", ["file", "standard input", "-c"])
def test_a_script_without_a_guard_runs_once_and_its_own_environments_are_known(
    way, engine, tmp_path, request, monkeypatch
):
    if engine == "ray":
        request.getfixturevalue("cluster")
        address = importlib.import_module("ray").get_runtime_context().gcs_address
        monkeypatch.setenv("RAY_ADDRESS", address)
    text = UNGUARDED.format(tests=str(TESTS), folder=str(tmp_path), engine=engine)
    (tmp_path / "script.py").write_text(text)
    words = {"file": [tmp_path / "script.py"], "standard input": ["-"], "-c": ["-c", text]}[way]
    done = subprocess.run(
        [sys.executable, *words], input=text if way == "standard input" else "", text=True,
        capture_output=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout == "6\n"
    assert (tmp_path / "runs").read_text() == "x"


SCRIPT = """
import sys
sys.path.insert(0, sys.argv[1])
import parallel_units as units
from pathlib import Path
from sparsectl import parallel

def keep(outcome):
    with open(Path(sys.argv[2]) / "rows", "a") as file:
        file.write(f"{outcome.index}\\n")

if __name__ == "__main__":
    items = [(sys.argv[2], 0.0), (sys.argv[2], 300.0), (sys.argv[2], 300.0)]
    try:
        with parallel.sigterm_as_exit():
            parallel.run(units.mark_and_wait, items, workers=2, on_result=keep)
    except KeyboardInterrupt:
        sys.exit(130)
"""


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -signal.SIGKILL)],
)
def test_a_stopped_run_keeps_finished_units_and_leaves_no_children(number, code, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    process = subprocess.Popen(
        [sys.executable, script, TESTS, tmp_path], stderr=subprocess.PIPE, start_new_session=True
    )
    # Unit 0 is finished and the two long units run: its worker took one of them.
    assert _eventually(
        lambda: (tmp_path / "rows").exists() and len(list(tmp_path.glob("started-*"))) == 2
    )
    children = [int(p.name.removeprefix("started-")) for p in tmp_path.glob("started-*")]
    time.sleep(0.3)
    process.send_signal(number)
    assert process.wait(20) == code
    assert _eventually(lambda: not any(_alive(pid) for pid in children))
    assert (tmp_path / "rows").read_text() == "0\n"


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    try:
        return status.read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def _eventually(condition, seconds: float = 20.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return False
