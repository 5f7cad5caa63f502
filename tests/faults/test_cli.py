"""Interruptions of the command line: what is finished stays, and a rerun completes the rest."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from unittest.mock import Mock

import children
import pytest

from sparsectl import cli
from sparsectl.evaluate import report, unit

CONFIG = """
name: tiny
env: {id: sparsectl/PiecewiseAffine-v0}
task: {cost: {terms: [{of: observation}]}}
data: {transitions: 300, episode_steps: 10}
model: {hidden: [8]}
train: {steps: TRAIN, check_every: 100, batch_size: 32, rollout_steps: 2, device: cpu}
horizon: 2
controllers: {mppi: {samples: 16, iterations: 10}}
evaluate: {episodes: 300, steps: 20, budget: null, planned_states: 0, clips: 0}
"""


def start(folder: Path, *words: str) -> subprocess.Popen | children.Child:
    """The command in a session of its own, so that what it leaves behind can be seen."""
    if "process" not in words:  # whose workers come from a server of the command's own
        return children.Child(children.command, *words, "--config", "tiny.yaml", cwd=folder)
    return subprocess.Popen(
        [sys.executable, "-m", "sparsectl.cli", *words, "--config", "tiny.yaml"],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(process: subprocess.Popen | children.Child, ready: Callable[[], bool]) -> None:
    end = time.monotonic() + 100
    while not ready():
        if process.poll() is not None or time.monotonic() > end:
            process.kill()
            pytest.fail(f"ended before it could be interrupted: {process.communicate()[1]}")
        time.sleep(0.01)


def gone(process: subprocess.Popen | children.Child) -> bool:
    """Whether nothing of the process' session is left."""
    for _ in range(200):
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


def rows(folder: Path) -> list[dict]:
    path = folder / "runs/tiny/compare/episodes.jsonl"
    return [json.loads(x) for x in path.read_text().splitlines()] if path.exists() else []


def make(folder: Path, *, train: int = 30) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "tiny.yaml").write_text(CONFIG.replace("TRAIN", str(train)))
    return folder


def here(folder: Path, monkeypatch, *words: str) -> int:
    """The command in this process."""
    monkeypatch.chdir(folder)
    return cli.main([*words, "--config", "tiny.yaml"])


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder whose run is collected and trained."""
    folder = make(tmp_path_factory.mktemp("trained"))
    with pytest.MonkeyPatch.context() as patch:
        assert here(folder, patch, "collect") == 0
        assert here(folder, patch, "train") == 0
    return folder


@pytest.mark.parametrize(
    ("sent", "status", "word", "engine"),
    [
        (signal.SIGTERM, 143, "terminated", "process"),
        (signal.SIGINT, 130, "interrupted", "serial"),
    ],
)
def test_interrupted_comparison_keeps_its_episodes_and_resumes(
    trained, tmp_path, monkeypatch, capsys, sent, status, word, engine
):
    folder = shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    process = start(folder, "compare", "--evaluate.engine", engine, "--evaluate.workers", "1")
    wait_for(process, lambda: len(rows(folder)) >= 2)
    process.send_signal(sent)
    _, err = process.communicate(timeout=60)
    assert process.returncode == status, err
    assert err.splitlines()[-1].startswith(word)
    assert "resumes" in err.splitlines()[-1]
    assert "Traceback" not in err
    assert gone(process)
    kept = rows(folder)
    assert 2 <= len(kept) < 300

    one_more = str(1 + max(r["episode"] for r in kept) + 1)
    options = ("--evaluate.engine", "serial", "--evaluate.episodes", one_more)
    assert here(folder, monkeypatch, "run", *options) == 0
    assert "train: done before" in capsys.readouterr().err
    assert rows(folder)[: len(kept)] == kept
    assert sorted(r["episode"] for r in rows(folder)) == list(range(int(one_more)))


def test_a_comparison_of_which_every_episode_fails_is_a_failure(
    trained, tmp_path, monkeypatch, capsys
):
    folder = shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    monkeypatch.setattr(report, "write", lambda folder: folder)
    options = ("--evaluate.engine", "serial", "--evaluate.episodes", "1")
    with monkeypatch.context() as broken:
        broken.setattr(unit, "run_episode", Mock(side_effect=RuntimeError("sensor lost")))
        assert here(folder, monkeypatch, "compare", *options) == 2
    told = capsys.readouterr().err.splitlines()[-1]
    assert re.search("all 1 episodes failed.*'error': RuntimeError: sensor lost", told)
    assert here(folder, monkeypatch, "compare", *options) == 0


def test_training_killed_outright_resumes_to_the_same_model(tmp_path, monkeypatch):
    folders = make(tmp_path / "a", train=400), tmp_path / "b"
    assert here(folders[0], monkeypatch, "collect") == 0
    shutil.copytree(*folders)
    assert here(folders[0], monkeypatch, "train") == 0
    process = start(folders[1], "train")
    wait_for(process, (folders[1] / "runs/tiny/training/meta.json").is_file)
    process.kill()
    process.communicate()
    assert not (folders[1] / "runs/tiny/model").exists()
    assert here(folders[1], monkeypatch, "train") == 0
    weights = [(f / "runs/tiny/model/model.safetensors").read_bytes() for f in folders]
    assert weights[0] == weights[1]


def test_two_processes_do_not_work_on_one_run(tmp_path, monkeypatch, capsys):
    folder = make(tmp_path)
    assert here(folder, monkeypatch, "collect") == 0
    with open(folder / "runs/tiny/.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert here(folder, monkeypatch, "collect", "--force") == 2
    assert "another process works on" in capsys.readouterr().err
    assert here(folder, monkeypatch, "collect") == 0


def test_a_reader_that_leaves_early_is_no_error():
    command = f"{sys.executable} -m sparsectl.cli envs | head -n 1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=120)
    assert "Traceback" not in done.stderr
    assert done.returncode in (0, 141)


def test_a_file_that_is_here_is_meant_by_its_name_without_the_ending(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("tanks.yaml").write_text("name: tanks")
    assert cli.main(["run", "--config", "tanks"]) == 2
    assert "did you mean 'tanks.yaml'?" in capsys.readouterr().err
