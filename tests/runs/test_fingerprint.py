"""What counts as the same settings, and how a change is told."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from sparsectl.errors import ConfigError
from sparsectl.runs import beyond_defaults, changes, digest, require_same


@dataclass(frozen=True)
class Inner:
    rate: float = 0.1
    sizes: tuple[int, ...] = (8, 8)


@dataclass(frozen=True)
class Outer:
    name: str
    inner: Inner = field(default_factory=Inner)
    extra: float | None = None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, 1.0),
        ((1, 2), [1.0, 2]),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        (Path("x/y"), "x/y"),
        (np.float64(0.5), 0.5),
        (np.arange(3), [0, 1, 2]),
        (float("inf"), float("inf")),
    ],
)
def test_two_spellings_of_one_thing_are_the_same(one, other):
    assert digest(one) == digest(other)
    assert changes({"x": one}, {"x": other}) == []


@pytest.mark.parametrize(
    ("one", "other"), [(1, 2), (1, True), ("1", 1), ([1, 2], [2, 1]), (0, None)]
)
def test_another_meaning_is_another(one, other):
    assert digest(one) != digest(other)
    assert changes({"x": one}, {"x": other}) == [f"x ({one} -> {other})"]


def test_changes_are_named_with_their_place():
    before = {"train": {"rate": 0.1, "old": 1}, "data": "ab"}
    now = {"train": {"rate": 0.2, "new": 3}, "data": "cd"}
    told = changes(before, now, named={"data": "the data"})
    train = ["train.rate (0.1 -> 0.2)", "train.new (None -> 3)", "train.old (1 -> None)"]
    assert told == [*train, "the data"]
    with pytest.raises(ConfigError, match=r"run in 'here' was made with other.*the data.*--force"):
        require_same(before, now, "here", named={"data": "the data"})
    require_same(now, now, "here")


def test_a_default_that_is_given_is_as_one_left_out():
    assert beyond_defaults(Outer("a", Inner(0.1, (8, 8)))) == {"name": "a"}
    assert beyond_defaults(Outer("a", Inner(rate=1.0), 2)) == {
        "name": "a",
        "inner": {"rate": 1},
        "extra": 2,
    }
