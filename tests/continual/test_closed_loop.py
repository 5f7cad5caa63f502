"""Bodies controlled with the network just after them, and after the whole stream."""

from __future__ import annotations

import numpy as np
import pytest

from sparsectl.config import from_dict
from sparsectl.continual import closed_loop
from sparsectl.continual.experiment import ContinualExperiment
from sparsectl.continual.run import run
from sparsectl.continual.streams import build
from sparsectl.errors import CheckpointError, ConfigError

CONTROL = {
    "task": {
        "observation": {"state": {"pose": "0:8", "speed": "8", "rest": "9:17"}},
        "cost": {"terms": [{"of": "speed", "target": 1.0}], "action": {"weight": 0.001}},
    },
    "controller": {"kind": "mppi", "samples": 64, "iterations": 2},
    "horizon": 3,
    "steps": 4,
    "episodes": 2,
}
SETTINGS = {
    "name": "tiny",
    "stream": {
        "kind": "dynamics",
        "name": "tiny",
        "env": "sparsectl/HalfCheetah-v0",
        "bodies": {"normal": {}, "foot": {"foot": 1.5}},
        "data": {"transitions": 300, "episode_steps": 50},
    },
    "network": {"hidden": [8], "constant": 1},
    "learners": {"field": {"kind": "field"}, "finetune": {"kind": "finetune"}},
    "keep_tasks": True,
    "epochs": 5,
    "control": CONTROL,
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("control")
    experiment = from_dict(ContinualExperiment, SETTINGS)
    assert run(experiment, folder / "tiny", progress=False) == []
    return folder / "tiny", experiment, build(experiment.stream, 0, folder / "streams")


def test_every_body_is_played_with_both_networks_and_not_again(finished):
    folder, experiment, stream = finished
    wanted = closed_loop.jobs(folder, stream, ["field", "finetune"], [0])
    rows = closed_loop.run(folder, experiment.control, stream, wanted)
    assert len(rows) == 2 * 3 * 2  # learners, networks and bodies, episodes
    assert {r["outcome"] for r in rows} == {"finished"}
    told = []
    again = closed_loop.run(folder, experiment.control, stream, wanted, on_row=told.append)
    assert again == rows
    assert not told
    same = {(r["label"], r["when"]): r["return"] for r in rows if r["body"] == "normal"}
    assert same["field", "at_training"] != same["field", "final"]


def test_other_control_settings_are_refused_until_forced(finished, tmp_path):
    folder, experiment, stream = finished
    wanted = closed_loop.jobs(folder, stream, ["field"], [0])[:1]
    closed_loop.run(folder, experiment.control, stream, wanted)
    other = from_dict(type(experiment.control), {**CONTROL, "steps": 2})
    with pytest.raises(ConfigError, match="other control settings"):
        closed_loop.run(folder, other, stream, wanted)
    rows = closed_loop.run(folder, other, stream, wanted, force=True)
    assert len(rows) == 2
    # a file of before a setting was there, which has its default since, is the same
    there = folder / closed_loop.SETTINGS
    there.write_text(there.read_text().replace("stall_noise: 0.0\n", ""))
    assert closed_loop.run(folder, other, stream, wanted) == rows
    there.write_text("episodes: none\n")
    with pytest.raises(ConfigError, match="other control settings"):
        closed_loop.run(folder, other, stream, wanted)
    closed_loop.run(folder, experiment.control, stream, wanted, force=True)


def test_a_state_that_the_network_does_not_predict_is_refused(finished):
    folder, experiment, stream = finished
    task = {**CONTROL["task"], "observation": {"state": {"speed": "8"}}}
    config = from_dict(type(experiment.control), {**CONTROL, "task": task})
    (job, *_) = closed_loop.jobs(folder, stream, ["field"], [0])
    with pytest.raises(ConfigError, match="the stream's network predicts"):
        closed_loop.controller(job, config, stream)


def test_a_run_that_is_not_finished_is_refused(finished, tmp_path):
    _, _, stream = finished
    with pytest.raises(CheckpointError, match="keep_tasks"):
        closed_loop.jobs(tmp_path, stream, ["field"], [0])


def test_error_reduction_is_a_decrease_and_needs_an_error(finished):
    _, experiment, _ = finished
    config = from_dict(type(experiment.control), {**CONTROL, "measure": "error_reduction"})
    assert closed_loop._score({"errors": [0.3, 0.2, 0.1], "final_error": 0.1}, config) == (
        pytest.approx(0.2)
    )
    with pytest.raises(ConfigError, match="tells no error"):
        closed_loop._score({"errors": [], "final_error": float("nan")}, config)
    with pytest.raises(ConfigError, match="did you mean 'return'"):
        from_dict(type(experiment.control), {**CONTROL, "measure": "retrun"})


def test_a_stalled_planner_gets_noise(finished):
    folder, experiment, stream = finished
    (job, *_) = closed_loop.jobs(folder, stream, ["field"], [0])
    config = from_dict(type(experiment.control), {**CONTROL, "stall_noise": 0.5})
    planner = closed_loop.controller(job, config, stream)
    observation = np.zeros(17)
    _, state = planner.decide(observation)
    again = planner.plan(observation, state)  # nothing has moved
    assert again.info["stalls"] == 1
    assert "noise" in again.source
    with pytest.raises(ConfigError, match="stall_noise is -1"):
        from_dict(type(experiment.control), {**CONTROL, "stall_noise": -1.0})
