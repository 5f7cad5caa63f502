"""What would fail only after training is refused before anything is created."""

from __future__ import annotations

import sys
from pathlib import Path

import cli_runs
import pytest
import yaml

from sparsectl import cli, experiment, preflight

TINY = cli_runs.config("""
controllers: {zero: {}}
evaluate: {episodes: 1, steps: 3, workers: 1, engine: serial, planned_states: 0, clips: 0}
""")
OWN = """
import gymnasium
import numpy as np

INFO = {}


class Own(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(-1, 1, (2,))
    action_space = gymnasium.spaces.Box(-1, 1, (1,))

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.zeros(2, np.float32), {}

    def step(self, action):
        return np.zeros(2, np.float32), 0.0, False, False, dict(INFO)


gymnasium.register("Preflight-v0", entry_point=Own)
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A run's values in an environment of one's own, without a step limit."""
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    (tmp_path / "preflightcase.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    yield yaml.safe_load(TINY) | {"env": {"id": "preflightcase:Preflight-v0"}}
    sys.modules.pop("preflightcase", None)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"evaluate": {"steps": None}}, "has no step limit: give evaluate.steps"),
        ({"evaluate": {"steps": 3, "device": "cdua"}}, "evaluate.device: unknown device 'cdua'"),
        ({"train": {"device": "cuda:99"}}, "train.device: device 'cuda:99' is not there"),
        (
            {"evaluate": {"steps": 3, "models": {"small": "sparse/3"}}},
            "evaluate.models.small: no checkpoint in 'sparse/3'",
        ),
        ({"controllers": {"mip": {"starts": ["nothing"]}}}, "controllers.mip"),
        ({"controllers": {"zero": {"models": ["nope"]}}}, "controllers.zero: unknown model 'nope'"),
        (
            {"model": {"hidden": [4]}, "evaluate": {"steps": 3, "models": {"4": "x"}}},
            "evaluate.models: '4' is what the model itself is called",
        ),
        (
            {"task": {"observation": {"delay": 10}}, "data": {"episode_steps": 10}},
            "task.observation.delay is 10: episodes of data.episode_steps = 10 are over",
        ),
    ],
)
def test_a_run_that_would_fail_late_is_refused_and_nothing_is_created(own, change, says, capsys):
    Path("own.yaml").write_text(yaml.safe_dump(own | change))
    assert cli.main(["run", "--config", "own.yaml"]) == 2
    err = capsys.readouterr().err
    assert says in err
    assert err.count("\n") == 1
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("info", "says"),
    [
        ({"distance_to_goal": 0.2}, "info['distance_to_goal'], which is not read"),
        ({"reward_dist": -0.2, "other": 1.0}, "info['reward_dist'], which is not read"),
        ({"error": 0.2, "distance": 0.2}, None),
        ({"is_success": False, "steps": 3}, None),
        ({"distance": "far"}, None),
        ({}, None),
    ],
)
def test_a_distance_that_nobody_reads_is_told(own, info, says):
    Path("own.yaml").write_text(yaml.safe_dump(own))
    loaded = experiment.load("own.yaml")
    sys.modules["preflightcase"].INFO.update(info)
    found = preflight.unread(loaded)
    assert found is None if says is None else says in found


@pytest.mark.parametrize(
    ("info", "says"),
    [
        ({"error": [0.1, 0.2]}, "is [0.1, 0.2], expected one finite number"),
        ({"error": float("nan")}, "expected one finite number"),
        ({"error": 0.1, "is_success": "yes"}, "is 'yes', expected True or False"),
    ],
)
def test_info_that_breaks_the_contract_is_refused_before_anything_is_created(
    own, info, says, capsys
):
    Path("own.yaml").write_text(yaml.safe_dump(own))
    experiment.load("own.yaml")
    sys.modules["preflightcase"].INFO.update(info)
    assert cli.main(["run", "--config", "own.yaml"]) == 2
    assert says in capsys.readouterr().err
    assert not Path("runs").exists()
