"""Numbers of the study of imitation."""

from __future__ import annotations

import pytest

from scripts.closed_loop.imitation import _gain, _ratio


def test_ratios_are_of_paired_episodes_only():
    before = {0: 2.0, 1: 4.0, 2: 6.0, 9: 100.0}
    after = {0: 1.0, 1: 2.0, 2: 3.0, 5: 100.0}
    row = _ratio(after, before)
    assert row["episodes"] == 3
    assert (row["cost_before"], row["cost_after"]) == (4.0, 2.0)
    assert row["ratio"] == row["ratio_low"] == row["ratio_high"] == pytest.approx(0.5)


def test_gains_are_of_paired_episodes_only():
    row = _gain({0: 1.0, 1: 2.0, 5: 100.0}, {0: -1.0, 1: 0.0, 9: 100.0})
    assert row == {"gain": 2.0, "gain_low": 2.0, "gain_high": 2.0}
