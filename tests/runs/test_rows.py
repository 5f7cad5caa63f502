"""Rows after a kill in the middle of a write."""

from __future__ import annotations

import pytest

from sparsectl.runs import rows


@pytest.mark.parametrize("torn", ['{"a": 2, "b', '{"a": 2, "b\n', "\0\0\0", "17\n", '{"a": 2}'])
def test_what_is_torn_is_gone_and_all_else_stays(tmp_path, torn):
    path = tmp_path / "rows.jsonl"
    rows.add(path, {"a": 1})
    with open(path, "a") as file:
        file.write(torn)
    whole = [{"a": 1}] + [{"a": 2}] * torn.endswith("2}")
    assert rows.mend(path) == whole
    rows.add(path, {"a": 3})
    assert rows.read(path) == [*whole, {"a": 3}]
    assert path.read_text().count("\n") == len(whole) + 1


def test_a_whole_file_is_left_alone(tmp_path):
    path = tmp_path / "rows.jsonl"
    rows.write(path, [{"a": 1}, {"b": "line\u2028break"}])
    before = path.stat()
    assert rows.mend(path) == [{"a": 1}, {"b": "line\u2028break"}]
    assert path.stat().st_ino == before.st_ino
    assert rows.mend(tmp_path / "none") == []
    assert not (tmp_path / "none").exists()


def test_what_is_set_aside_overwrites_nothing(tmp_path):
    path = tmp_path / "rows.jsonl"
    for i in range(2):
        rows.add(path, {"a": i})
        rows.set_aside(path)
    assert [rows.read(tmp_path / f"rows.{n}.jsonl") for n in (1, 2)] == [[{"a": 0}], [{"a": 1}]]
    assert rows.set_aside(path) is None
