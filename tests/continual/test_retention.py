"""Shares of what a network could do just after a body."""

from __future__ import annotations

import numpy as np
import pytest

from sparsectl.continual.retention import percent, retained


def row(body, when, value, episode=0, seed=0):
    own = {"label": "a", "seed": seed, "episode": episode}
    return {**own, "body": body, "when": when, "score": value}


def test_what_is_retained():
    rows = [
        row("one", "at_training", 10.0),
        row("one", "at_training", 30.0, 1),
        row("one", "final", 15.0),
        row("two", "at_training", -1.0),
        row("two", "final", 2.0),
        row("last", "at_training", 7.0),
    ]
    one, two, last, earlier = retained(rows)
    assert (one["at_training"], one["final"], one["retention"]) == (20.0, 15.0, 0.75)
    assert two["retention"] is None  # no share of a return that is not above 0
    assert last["final"] is None
    assert last["retention"] is None
    assert earlier["body"] is None
    assert earlier["retention"] == pytest.approx(8.5 / 9.5)
    assert [percent(line) for line in (one, two, last)] == ["75 %", "–", "–"]


def test_pairs_of_the_same_start_have_a_narrow_interval():
    """Starts differ a hundredfold, networks lose a tenth everywhere."""
    scores = np.random.default_rng(0).uniform(1, 100, size=(3, 8))
    rows = [
        row(body, when, share * scores[seed, i], i, seed)
        for seed in range(3)
        for i in range(8)
        for body in ("one", "two")
        for when, share in (("at_training", 1.0), ("final", 0.9))
    ]
    line = retained(rows)[-1]
    assert line["pairs"] == 48
    for key in ("retention", "low", "high"):
        assert line[key] == pytest.approx(0.9)
    assert percent(line) == "90 % (90 to 90)"


def test_the_interval_covers_the_truth_as_often_as_it_says():
    rng, inside = np.random.default_rng(1), 0
    for _ in range(60):
        draws = rng.normal((10.0, 8.0), 3.0, size=(24, 2))
        rows = [row("one", w, d[k], i) for i, d in enumerate(draws)
                for k, w in enumerate(("at_training", "final"))]  # fmt: skip
        line = retained(rows)[0]
        inside += line["low"] <= 0.8 <= line["high"]
    assert inside >= 50


def test_a_share_of_what_may_be_nothing_has_no_interval():
    rows = [row("one", w, v, i) for w in ("at_training", "final")
            for i, v in enumerate((-9.0, 10.0, 1.0))]  # fmt: skip
    line = retained(rows)[0]
    assert line["retention"] == 1.0
    assert line["low"] is None


def test_a_body_without_pairs_has_a_share_without_an_interval():
    """Its networks are of other seeds; the other body has pairs."""
    rows = [
        row(body, when, 2.0, i, seed=int((body, when) == ("two", "final")))
        for body in ("one", "two")
        for when in ("at_training", "final")
        for i in range(3)
    ]
    line = retained(rows)[-1]
    assert (line["retention"], line["low"], line["pairs"]) == (1.0, None, 3)
    assert percent(line) == "100 %"
    # a share of nothing is an interval too
    lost = [
        row("one", w, v, i) for i in range(3) for w, v in (("at_training", 2.0), ("final", 0.0))
    ]
    assert percent(retained(lost)[0]) == "0 % (0 to 0)"
