"""Whole files or none; nothing overwritten silently."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from unittest.mock import Mock

import pytest

from sparsectl import files
from sparsectl.checkpoint import save_tensors
from sparsectl.config import load_yaml
from sparsectl.errors import CheckpointError, ConfigError
from sparsectl.files import FileError


def test_write_atomic_replaces_the_whole_file(tmp_path):
    path = tmp_path / "new" / "a.txt"
    files.write_atomic(path, "first, long")
    files.write_atomic(path, b"second")
    assert path.read_bytes() == b"second"
    assert [p.name for p in path.parent.iterdir()] == ["a.txt"]
    assert stat.S_IMODE(path.stat().st_mode) & 0o400


def test_a_failed_write_keeps_the_old_file_and_no_rest(tmp_path, monkeypatch):
    path = files.write_atomic(tmp_path / "a.txt", "old")

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(FileError, match="no space left"):
        files.write_atomic(path, "new")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_append_line_repairs_a_torn_last_line_and_the_reader_skips_it(tmp_path):
    path = tmp_path / "rows.jsonl"
    files.append_line(path, json.dumps({"i": 0}))
    with open(path, "a") as file:
        file.write('{"i": 1, "tor')
    files.append_line(path, json.dumps({"i": 2}))
    assert files.read_json_lines(path) == [{"i": 0}, {"i": 2}]
    assert files.read_json_lines(tmp_path / "none.jsonl") == []


def test_json_round_trip_and_its_errors(tmp_path):
    path = files.write_json(tmp_path / "a.json", {"x": [1, 2.5, None]})
    assert files.read_json(path) == {"x": [1, 2.5, None]}
    with pytest.raises(FileError, match="cannot be written as JSON"):
        files.write_json(path, {"x": float("nan")})
    assert files.read_json(path) == {"x": [1, 2.5, None]}
    path.write_text("{")
    with pytest.raises(FileError, match="not valid JSON"):
        files.read_json(path)
    path.write_text("[]")
    with pytest.raises(FileError, match="expected a mapping, got list"):
        files.read_json(path)
    with pytest.raises(FileError, match="cannot read"):
        files.read_json(tmp_path / "b.json")


def test_fresh_folder_never_takes_a_full_one_unless_forced(tmp_path):
    folder = files.fresh_folder(tmp_path / "runs" / "rope")
    assert folder.is_dir()
    assert files.fresh_folder(folder) == folder
    (folder / "result").touch()
    (tmp_path / "runs" / "rope-2").mkdir()
    with pytest.raises(FileError, match="rope-3"):
        files.fresh_folder(folder)
    assert files.fresh_folder(folder, force=True) == folder
    assert (folder / "result").exists()


@pytest.mark.parametrize("act", [files.fresh_folder, lambda p: files.write_atomic(p / "x", "")])
def test_a_file_in_the_way_is_named(act, tmp_path):
    (tmp_path / "taken").touch()
    with pytest.raises(FileError, match=r"cannot write '.*taken.*'"):
        act(tmp_path / "taken" / "inside")


def test_what_the_system_refuses_says_what_to_do(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match=r"cannot write '.*'.*; choose a folder that you can"):
        save_tensors(tmp_path / "file" / "model", {}, {})
    monkeypatch.setattr(
        Path, "read_text", Mock(side_effect=PermissionError(13, "Permission denied"))
    )
    with pytest.raises(ConfigError, match=r"cannot read '.*file': permission denied"):
        load_yaml(tmp_path / "file")


@pytest.mark.skipif(not Path("/proc/version").exists(), reason="needs a folder root cannot write")
def test_a_read_only_folder_is_named():
    with pytest.raises(FileError, match="choose a folder that you can write to"):
        files.fresh_folder("/proc/sparsectl-output")


def test_rows_of_a_table_may_have_different_columns():
    assert files.csv_text([{"a": 1}, {"b": "x,y"}]) == 'a,b\n1,\n,"x,y"\n'


def test_the_working_directory_stays_and_may_be_gone(tmp_path, monkeypatch):
    folder = tmp_path / "gone"
    folder.mkdir()
    monkeypatch.chdir(folder)
    with files.same_folder():
        os.chdir(tmp_path)
    assert os.getcwd() == str(folder)
    folder.rmdir()
    with files.same_folder():
        os.chdir(tmp_path)
    assert os.getcwd() == str(tmp_path)
