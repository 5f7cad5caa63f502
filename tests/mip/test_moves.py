"""Changes of plans with levels."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsectl.mip.search import moves as module
from sparsectl.mip.search.moves import move, moves
from sparsectl.task.levels import Levels


def levels(nu: int) -> Levels:
    ends = np.tile(np.array([-1.0, 0.0, 1.0], dtype=np.float32), (nu, 1))
    return Levels(np.arange(nu), ends, ends, np.full(nu, 3), np.zeros(nu, bool))


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**31), st.integers(1, 7), st.integers(1, 3))
def test_plans_stay_on_their_levels_and_the_given_ones_as_they_are(seed, decisions, nu):
    rng = np.random.default_rng(seed)
    plans = rng.integers(-1, 2, (60, decisions, nu)).astype(np.float32)
    before = plans.copy()
    for changed in (move(rng, levels(nu), plans, plans[:3]), moves(rng, levels(nu), plans, plans)):
        assert changed.shape == plans.shape
        assert np.isin(changed, [-1, 0, 1]).all()
        np.testing.assert_array_equal(plans, before)


def test_moves_in_time_keep_what_is_moved(monkeypatch):
    rng = np.random.default_rng(0)
    plans = rng.integers(-1, 2, (200, 8, 2)).astype(np.float32)
    for kind in (3, 4, 6):  # of all entries, of one, swapped
        source = module._source(rng, kind, plans.shape)
        moved = np.take_along_axis(plans, source, axis=1)
        np.testing.assert_array_equal(np.sort(moved, axis=1), np.sort(plans, axis=1))
        assert (moved != plans).any((1, 2)).mean() > 0.3


def test_every_neighbour_is_reached():
    """One level up or down at one time: none is left out."""
    rng, plan = np.random.default_rng(0), np.zeros((1, 3, 1), dtype=np.float32)
    found = {p.tobytes() for p in move(rng, levels(1), np.repeat(plan, 3000, 0), plan)}
    for t in range(3):
        for value in (-1, 1):
            other = plan[0].copy()
            other[t] = value
            assert other.tobytes() in found
