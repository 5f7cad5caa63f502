"""The keep-out regions of the committed config say what the simulator's geometry says."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sparsectl import experiment
from sparsectl.envs.push.env import PushTEnv
from sparsectl.envs.push.starts import clearance

CONFIG = Path(__file__).parents[2] / "configs" / "pusht_obstacle.yaml"


def test_what_the_constraints_allow_is_free_and_what_is_well_free_is_allowed():
    task = experiment.check(experiment.load(CONFIG))
    env = PushTEnv(obstacle=True)
    rng = np.random.default_rng(0)
    low, high = [-0.1, -0.1, -0.12, -0.12, -np.pi], [0.1, 0.1, 0.12, 0.12, np.pi]
    qpos = rng.uniform(low, high, (4000, 5))
    free = clearance(qpos, env.shape)
    observations = env.observe(qpos, np.array([-0.13, 0.0, 0.0]))
    states = task.map.state(observations)
    violation = task.constraints.violation(np.stack([states, states], axis=1))
    assert free[violation == 0.0].min() > -0.004
    assert (violation[free > 0.018] == 0.0).all()
    assert 200 < (violation == 0.0).sum() < 3800
