"""Known structure, resolved for named parts."""

from __future__ import annotations

import numpy as np
import pytest

from sparsectl.dynamics import StructureConfig
from sparsectl.dynamics.structure import resolve
from sparsectl.errors import ConfigError

NAMES = {"hand": slice(0, 2), "points": slice(2, 6), "speed": slice(6, 7)}


def test_without_structure_the_network_sees_and_predicts_everything():
    s = resolve(StructureConfig(), NAMES, 7, 2)
    np.testing.assert_array_equal(s.S, np.eye(7))
    np.testing.assert_array_equal(s.predicted, np.arange(7))
    assert not s.G.any()
    assert s.points == ()


def test_relative_points_lose_their_reference_which_is_no_input():
    s = resolve(StructureConfig({"points": "hand"}, {"hand": 0.5}), NAMES, 7, 2)
    x = np.array([1.0, 2.0, 10.0, 20.0, 30.0, 40.0, 7.0])
    np.testing.assert_array_equal(s.S @ x, [9, 18, 29, 38, 7])
    np.testing.assert_array_equal(s.predicted, [2, 3, 4, 5, 6])
    np.testing.assert_array_equal(s.G @ [1.0, -1.0], [0.5, -0.5, 0, 0, 0, 0, 0])
    assert s.points == ("points",)


def test_an_exact_part_that_is_no_reference_stays_an_input():
    s = resolve(StructureConfig(exact={"hand": 0.1}), NAMES, 7, 2)
    assert len(s.S) == 7


def test_planar_points_can_be_named():
    config = StructureConfig({"points": "hand"}, points=["points", "hand"])
    assert resolve(config, NAMES, 7, 2).points == ("points", "hand")


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (StructureConfig({"point": "hand"}), "relative: unknown .*'point'.*'points'"),
        (StructureConfig({"points": "hnd"}), "'hnd'.*'hand'"),
        (StructureConfig(exact={"hands": 1.0}), "exact: unknown .*'hands'.*'hand'"),
        (StructureConfig(points=["pints"]), "points: unknown .*'pints'"),
        (StructureConfig(exact={"points": 1.0}), "'points' has 4 entries, the action has 2"),
        (StructureConfig({"speed": "hand"}), "'speed' has 1 entries, .* no multiple of the 2"),
        (StructureConfig({"points": "hand", "hand": "hand"}), "'hand' is itself relative"),
        (StructureConfig(exact={"hand": float("nan")}), "gain of 'hand' is nan"),
        (StructureConfig(points=["speed"]), "'speed' has an odd number"),
    ],
)
def test_structure_that_does_not_fit_says_what_and_where(config, message):
    with pytest.raises(ConfigError, match=message):
        resolve(config, NAMES, 7, 2)


def test_something_must_be_left_to_learn():
    with pytest.raises(ConfigError, match="nothing is left to learn"):
        resolve(StructureConfig(exact={"hand": 1.0}), {"hand": slice(0, 2)}, 2, 2)
