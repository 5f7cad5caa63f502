"""Settings out of range."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pytest

from sparsectl.checks import choices, whole, within
from sparsectl.errors import ConfigError


@dataclass(frozen=True)
class Some:
    value: object = None
    method: Literal["adam", "sgd"] = "adam"


@pytest.mark.parametrize("value", [None, 1e-9, 3, 0.5, (0.1, 7)])
def test_numbers_inside_and_none_pass(value):
    within(Some(value), "some", "(0, inf)", "value")


@pytest.mark.parametrize(
    ("interval", "value", "text"),
    [
        ("(0, inf)", 0, "some: value is 0, expected a number above 0"),
        ("(0, inf)", float("inf"), "value is inf, expected a number above 0"),
        ("[0, inf)", -1e-9, "value is -1e-09, expected a number of at least 0"),
        ("[0, 1)", 1, "value is 1, expected a number from 0 to below 1"),
        ("(0, 1]", float("nan"), "value is nan, expected a number above 0 and at most 1"),
        ("(0, inf)", "2", "value is '2', expected a number above 0"),
        ("(0, inf)", True, "value is True"),
        ("[0, 1)", (0.9, 1.0), r"value is \[0.9, 1.0\], expected a number from 0 to below 1"),
    ],
)
def test_numbers_outside_are_refused_with_what_is_expected(interval, value, text):
    with pytest.raises(ConfigError, match=text):
        within(Some(value), "some", interval, "value")


@pytest.mark.parametrize("value", [0, 33, 1.0, False])
def test_whole_numbers_only(value):
    whole(Some(32), "some", "[1, 32]", "value")
    with pytest.raises(ConfigError, match="expected a whole number from 1 to 32"):
        whole(Some(value), "some", "[1, 32]", "value")


def test_choices_name_the_nearest():
    choices(Some(), "some")
    with pytest.raises(ConfigError, match=r"some: method is 'adamm' \(did you mean 'adam'"):
        choices(Some(method="adamm"), "some")
