"""Planned trajectories of the sparsity study."""

import numpy as np

from scripts.sparsity.planned import cut


def test_episodes_are_cut_into_whole_plans_that_share_their_ends():
    seen, done = [np.full(2, float(i)) for i in range(8)], [np.full(1, float(i)) for i in range(7)]
    first, second = cut(seen, done, 3)
    assert first["observations"][:, 0].tolist() == [0, 1, 2, 3]
    assert second["observations"][:, 0].tolist() == [3, 4, 5, 6]
    assert second["actions"][:, 0].tolist() == [3, 4, 5]
    assert len(second["rewards"]) == 3
    assert cut(seen[:3], done[:2], 3) == []
