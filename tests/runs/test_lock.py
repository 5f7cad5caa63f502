"""A folder is one process's at a time, and a folder in which nothing came of it is gone."""

from __future__ import annotations

import resource
import subprocess
import sys

import pytest

from sparsectl.errors import ConfigError
from sparsectl.runs import held

OTHER = """
import sys, time
from sparsectl.runs import held
with held(sys.argv[1]):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def other(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", OTHER, str(tmp_path / "run")], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()


def test_a_second_process_is_told_who_works_there_and_may_once_the_first_is_killed(other, tmp_path):
    with pytest.raises(ConfigError, match=rf"another process \({other.pid}\) works on"):
        held(tmp_path / "run").__enter__()
    other.kill()
    other.wait()
    with held(tmp_path / "run"):
        pass


def test_it_nests_within_a_process_and_is_given_back(tmp_path):
    for _ in range(2):
        with held(tmp_path), held(tmp_path), held(tmp_path / "sub"):
            (tmp_path / "result").write_text("1")
    assert [p.name for p in tmp_path.iterdir()] == ["result"]


def test_a_new_folder_in_which_a_check_failed_is_not_left_behind(tmp_path):
    with pytest.raises(ValueError), held(tmp_path / "a" / "b"):
        raise ValueError
    assert not (tmp_path / "a").exists()
    with held(tmp_path / "a" / "b"):
        (tmp_path / "a" / "b" / "x").touch()
    assert (tmp_path / "a" / "b" / "x").exists()


def test_a_full_disk_is_met_by_what_is_written_and_not_by_the_lock(tmp_path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        with held(tmp_path):
            assert (tmp_path / ".lock").exists()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
