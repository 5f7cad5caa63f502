"""Windows never cross episodes and never lose a short one."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sparsectl.dynamics.windows import Trajectories, windows
from sparsectl.errors import ShapeError
from sparsectl.task import ObservationConfig, StateMap


def numbered(lengths) -> Trajectories:
    """States 100 * episode + t, actions the same."""
    states = [100.0 * e + np.arange(t + 1)[:, None] for e, t in enumerate(lengths)]
    return Trajectories(states, [s[:-1] for s in states])


def all_of(data, k):
    found = windows(data, k, torch.device("cpu"), torch.float64)
    return found, *found.batch(torch.arange(len(found)))


def test_every_window_is_k_successive_transitions_of_one_episode():
    found, x, u, counts = all_of(numbered([5, 3]), 3)
    assert counts is None
    starts = [0, 1, 2, 100]
    assert len(found) == 4
    np.testing.assert_array_equal(x[..., 0], np.array(starts)[:, None] + np.arange(4))
    np.testing.assert_array_equal(u[..., 0], np.array(starts)[:, None] + np.arange(3))


def test_a_short_episode_gives_one_window_whose_missing_steps_do_not_count():
    _, x, u, counts = all_of(numbered([4, 1]), 3)
    np.testing.assert_array_equal(counts, [[True] * 3, [True] * 3, [True, False, False]])
    np.testing.assert_array_equal(x[2, :2, 0], [100, 101])
    assert u[2, 0, 0] == 100
    assert x.max() == 101


def test_only_short_episodes_shorten_the_window():
    found, x, _, counts = all_of(numbered([1, 1]), 5)
    assert (found.k, x.shape[1], counts) == (1, 2, None)


def test_observations_of_another_size_are_refused(pusher):
    with pytest.raises(ShapeError, match=r"'Toy-v0' has observations of 4 entries, .* expects 9"):
        Trajectories.of(pusher, StateMap(ObservationConfig(), 9))
