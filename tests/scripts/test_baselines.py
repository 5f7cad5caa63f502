"""Trained policies beside planners: every task's config is one that can be run."""

from __future__ import annotations

import pytest

from scripts.closed_loop import baselines
from sparsectl import experiment


@pytest.mark.parametrize("case", baselines.CASES, ids=lambda case: case.task)
def test_every_task_has_a_config_in_which_each_player_has_its_model(case, tmp_path):
    options = baselines.Options(seeds=(0, 1), episodes=3, runs=tmp_path)
    config = experiment.load(baselines._config(case, options))
    kind = case.policy["algorithm"]["kind"]
    assert {"mip", "teacher", "imitation", f"{kind}_0", f"{kind}_1"} <= set(config.controllers)
    assert config.policy.algorithm.kind == kind
    assert config.controllers["mip"]["models"] == ["sparse"]
    assert config.policy.seeds == (0, 1)
    assert config.evaluate.numbers == range(baselines.FIRST, baselines.FIRST + 3)
    assert config.evaluate.models["sparse"] == f"sparse/{case.relus}"
    assert case.relus in case.counts
