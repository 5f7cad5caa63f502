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


def test_some_players_by_processor_time(tmp_path):
    (case,) = [c for c in baselines.CASES if c.task == "pusht_easy"]
    options = baselines.Options(players=("mip",), clock="cpu", runs=tmp_path)
    config = experiment.load(baselines._config(case, options))
    assert set(config.controllers) == {"mip"}
    assert (config.evaluate.engine, config.evaluate.workers) == ("serial", 1)
    options = baselines.Options(players=("imitation",), runs=tmp_path)
    assert set(experiment.load(baselines._config(case, options)).controllers) == {
        "imitation", "teacher",
    }  # fmt: skip
    with pytest.raises(SystemExit, match="no mipp among mip"):
        baselines._config(case, baselines.Options(players=("mipp",), runs=tmp_path))
