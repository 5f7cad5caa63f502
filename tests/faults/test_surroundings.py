"""Machines that lack something: a screen, OpenGL, a home, UTF-8. Each in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import children
import cli_runs
import pytest

TINY = cli_runs.config("""
controllers: {zero: {}, mppi: {samples: 16, iterations: 1}}
evaluate: {episodes: 2, steps: 4, workers: 1, engine: serial, planned_states: 2, clips: 0}
""")
HOMELESS = """
import pwd

def getpwuid(uid):
    raise KeyError("getpwuid(): uid not found")

pwd.getpwuid = getpwuid
"""


def sparsectl(folder: Path, *words: str, **variables: str | None) -> subprocess.CompletedProcess:
    settings = {**os.environ, "PYTHONPATH": str(folder), **variables}
    return subprocess.run(
        [sys.executable, "-m", "sparsectl.cli", *words],
        cwd=folder,
        env={k: v for k, v in settings.items() if v is not None},
        capture_output=True,
        timeout=200,
        check=False,
    )


@pytest.mark.parametrize(
    ("platform", "hint"),
    [("nonsense", "egl, glfw or osmesa"), ("osmesa", "libosmesa6"), ("egl", "libegl1")],
)
def test_an_opengl_platform_that_cannot_work_is_named_in_one_line(platform, hint, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(
        "import ctypes, ctypes.util\n"
        "ctypes.util.find_library = lambda name: None\n"
        "real = ctypes.CDLL.__init__\n"
        "def load(self, name=None, *more, **options):\n"
        "    if any(x in str(name) for x in ('libEGL', 'libOSMesa')): raise OSError(name)\n"
        "    real(self, name, *more, **options)\n"
        "ctypes.CDLL.__init__ = load\n"
    )
    done = sparsectl(tmp_path, "envs", MUJOCO_GL=platform, DISPLAY=None)
    err = done.stderr.decode()
    assert done.returncode == 0, err
    assert err.count("\n") == 1
    assert f"MUJOCO_GL={platform}" in err
    assert hint in err


EPISODES = """
from sparsectl.evaluate import run_episode

class Still:
    def predict(self, observation, state, episode_start, deterministic):
        return [0.0], state

for seed in range(3):
    frames = []
    row = run_episode("InvertedPendulum-v5", None, Still(), seed, steps=3, record=frames)
    assert row["return"] == 3.0, row
    assert not frames and "libegl1" in row["clip_note"], row["clip_note"]
print("played", end="")
"""


def test_without_a_screen_episodes_are_played_and_only_clips_are_missing():
    settings = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")}
    done = subprocess.run(
        [sys.executable, "-c", EPISODES], env={**settings, "MUJOCO_GL": "glfw"},
        capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "played"), done.stderr[-2000:]


WORDS = [
    ["--help"],
    ["train", "--config", "tiny.yaml", "--help"],
    ["envs"],
    ["run", "--config", "tiny.yaml"],
    ["inspect", "runs/tiny"],
    ["run", "--config", "tïny→.yaml"],
]
COMMANDS = f"""
import sys
from sparsectl import cli

for encoding in ("ascii", "latin-1"):
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding=encoding, errors="strict")
    for words in {WORDS!a}:
        try:
            status = cli.main(words)
        except SystemExit as left:
            status = left.code or 0
        assert status == (2 if len(words[-1]) == 10 else 0), (encoding, ascii(words), status)
"""


def test_every_terminal_can_print_help_tables_and_names(tmp_path):
    (tmp_path / "tiny.yaml").write_text(TINY)
    done = children.run(children.code, COMMANDS, cwd=tmp_path)
    assert "Traceback" not in done.stderr, done.stderr
    assert done.returncode == 0


WITHOUT_A_HOME = """
import os
from sparsectl import cli

tiny = ("--config", "tiny.yaml")
assert cli.main(["run", *tiny]) == 0
os.environ["MINARI_DATASETS_PATH"] = os.path.abspath("runs/tiny/data")
name = "sparsectl/piecewiseaffine/"
assert cli.main(["train", *tiny, "--name", "other", "--dataset", name + "auto-v0"]) == 0
del os.environ["MINARI_DATASETS_PATH"]
assert cli.main(["train", *tiny, "--name", "third", "--dataset", name + "none-v0"]) == 2
"""


def test_a_user_without_a_home(tmp_path):
    (tmp_path / "tiny.yaml").write_text(TINY)
    without = dict.fromkeys(("HOME", "USER", "LOGNAME", "MINARI_DATASETS_PATH"))
    done = children.run(children.code, HOMELESS + WITHOUT_A_HOME, cwd=tmp_path, env=without)
    assert done.returncode == 0, done.stderr
    assert "MINARI_DATASETS_PATH" in done.stderr.splitlines()[-1]


def test_a_closed_standard_output_is_no_crash(tmp_path):
    command = f"{sys.executable} -m sparsectl.cli --version >&-"
    done = subprocess.run(["sh", "-c", command], cwd=tmp_path, capture_output=True, check=False)
    assert b"Traceback" not in done.stderr


FULL = """
import resource, sys
from pathlib import Path
from sparsectl import cli

def there():
    return {p: p.read_bytes() for p in Path("runs/tiny/data").rglob("*") if p.is_file()}

before = there()
# The last is room for the numbers, of which there are few, and not for the file.
for size in (4_000, 60_000, 300_000):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    words = ("--config", "tiny.yaml", "--data.transitions", "400", "--force")
    status = cli.main(["collect", *words])
    print("status", status, "kept", before == there() != {}, file=sys.stderr)
"""


def test_a_full_disk_while_collecting_is_one_clear_error_and_keeps_what_was_there(
    tmp_path, monkeypatch
):
    cli_runs.home(monkeypatch, tmp_path, TINY)
    assert cli_runs.run("collect") == 0
    done = children.run(children.code, FULL)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    said = [line for line in done.stderr.splitlines() if "error:" in line or "status" in line]
    assert said[1::2] == ["status 2 kept True"] * 3, done.stderr
    assert all("free some space" in line for line in said[::2])


THREAD = """
import sys, threading, time
from sparsectl.cli import console

def main():
    print("progress", file=sys.stderr)
    threading.Thread(target=time.sleep, args=(60,), name="camera").start()
    return 2

console.main, console.PATIENCE = main, 0.05
console.console()
"""


def test_a_thread_that_does_not_end_does_not_hold_up_the_command():
    done = subprocess.run([sys.executable, "-c", THREAD], capture_output=True, timeout=30)
    assert done.returncode == 2
    assert done.stderr == b"progress\nwarning: threads that do not end are left: camera\n"


def test_progress_that_finds_its_device_full_stops_nothing():
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, "-c", THREAD], stderr=full, timeout=30)
    assert done.returncode == 2
