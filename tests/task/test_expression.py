"""Linear expressions of named entries."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparsectl.errors import ConfigError
from sparsectl.task.expression import matrix

NAMES = {"points": slice(0, 6), "pusher": slice(6, 8), "speed": slice(8, 9)}
SIZE = 9
X = np.arange(SIZE) ** 1.5


def value(expression: str) -> list[float]:
    return list(matrix(expression, NAMES, SIZE) @ X)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("pusher", X[6:8]),
        ("-pusher", -X[6:8]),
        (" points[2:4] ", X[2:4]),
        ("points[5]", X[5:6]),
        ("points[0:2] - pusher", X[0:2] - X[6:8]),
        ("mean(points)", X[:6].reshape(3, 2).mean(0)),
        ("pusher - mean( points )", X[6:8] - X[:6].reshape(3, 2).mean(0)),
        ("points[0] + points[1] - speed", X[0:1] + X[1:2] - X[8:9]),
        ("pusher-pusher", [0.0, 0.0]),
        ("2.5*pusher", 2.5 * X[6:8]),
        ("speed - .5 * points[0] + 1e-2*points[1]", X[8:9] - 0.5 * X[0:1] + 0.01 * X[1:2]),
        ("-3*mean(points)", -3 * X[:6].reshape(3, 2).mean(0)),
        ("pusher[0] - speed, pusher[1]", [X[6] - X[8], X[7]]),
    ],
)
def test_value(expression, expected):
    np.testing.assert_allclose(value(expression), expected)


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("", "empty expression"),
        ("  ", "cannot read"),
        ("pushr", "unknown state entry 'pushr' (did you mean 'pusher'?)"),
        ("pusher speed", "cannot read"),
        ("pusher -", "cannot read"),
        ("pusher * 2", "cannot read"),
        ("2 pusher", "cannot read"),
        ("2 * * pusher", "cannot read"),
        ("2 * 3 * pusher", "cannot read"),
        ("pusher + 2", "cannot read"),
        ("points[1", "cannot read"),
        ("points[4:9]", "has 6 entries, [4:9] is outside"),
        ("points[3:3]", "is outside"),
        ("points[-1]", "cannot read"),
        ("pusher + speed", "adds 2 and 1 entries"),
        ("mean(speed)", "needs planar points"),
        ("mean(nothing)", "unknown state entry 'nothing'"),
        ("__import__(1)", "unknown state entry"),
    ],
)
def test_errors(expression, words):
    with pytest.raises(ConfigError) as caught:
        matrix(expression, NAMES, SIZE)
    assert words in str(caught.value)


@given(st.lists(st.tuples(st.sampled_from("+-"), st.integers(0, 5)), min_size=1, max_size=8))
def test_sums_are_linear(terms):
    expression = " ".join(f"{sign} points[{i}]" for sign, i in terms)
    expected = sum((1 if sign == "+" else -1) * X[i] for sign, i in terms)
    np.testing.assert_allclose(value(expression), [expected], atol=1e-9)
