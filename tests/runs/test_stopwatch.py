"""Times go on where an earlier call stopped."""

from __future__ import annotations

from sparsectl.runs import Stopwatch


def test_both_times_go_on():
    first = Stopwatch()
    sum(i * i for i in range(200_000))
    wall, cpu = first.read()
    assert wall > 0
    assert cpu is not None
    assert cpu > 0
    later = Stopwatch(100.0, 50.0).read()
    assert later[0] >= 100
    assert later[1] is not None
    assert later[1] >= 50


def test_an_unknown_processor_time_stays_unknown():
    assert Stopwatch(100.0, None).read()[1] is None
