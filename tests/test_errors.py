"""`nearest` and the exception tree."""

from __future__ import annotations

import pytest

from sparsectl import errors


def test_nearest_suggests_the_close_name():
    assert errors.nearest("horizno", ["horizon", "seed"]) == " (did you mean 'horizon'?)"


def test_nearest_lists_the_names_when_none_is_close():
    assert errors.nearest("zzz", ["b", "a"]) == " (known: a, b)"


def test_an_unknown_name_and_the_place_of_an_error_are_told():
    with (
        pytest.raises(errors.ConfigError, match=r"^here: no task 'roep' .did you mean 'rope'"),
        errors.prefixed("here", errors.ConfigError),
    ):
        errors.one_of("roep", ("rope", "push"), "no task")
    with (
        pytest.raises(errors.DataError, match=r"^no part 1"),
        errors.prefixed("here", errors.ConfigError),
    ):
        raise errors.DataError("no part 1")


def test_nearest_without_names_says_nothing():
    assert errors.nearest("x", []) == ""


@pytest.mark.parametrize(
    "cls",
    [c for c in vars(errors).values() if isinstance(c, type) and c.__module__ == errors.__name__],
)
def test_every_exception_has_the_common_base(cls):
    """But for the end of the process, which no handler of errors is to take for a failure."""
    assert issubclass(cls, errors.SparsectlError) != issubclass(cls, SystemExit)
    assert cls.__doc__
