"""`nearest` and the exception tree."""

from __future__ import annotations

import pytest

from sparsectl import errors


def test_nearest_suggests_the_close_name():
    assert errors.nearest("horizno", ["horizon", "seed"]) == " (did you mean 'horizon'?)"


def test_nearest_lists_the_names_when_none_is_close():
    assert errors.nearest("zzz", ["b", "a"]) == " (known: a, b)"


def test_nearest_without_names_says_nothing():
    assert errors.nearest("x", []) == ""


@pytest.mark.parametrize(
    "cls", [c for c in vars(errors).values() if isinstance(c, type) and c is not errors.Iterable]
)
def test_every_exception_has_the_common_base(cls):
    assert issubclass(cls, errors.SparsectlError)
    assert cls.__doc__
