"""Every committed experiment loads, fits its environment, and survives a round trip."""

from __future__ import annotations

from pathlib import Path

import pytest

from sparsectl import config
from sparsectl.circuits.experiment import SwimExperiment
from sparsectl.circuits.experiment import check as check_swim
from sparsectl.errors import ConfigError
from sparsectl.experiment import EnvConfig, Experiment, check, load

EVERY = sorted((Path(__file__).parents[1] / "configs").glob("*.yaml"))
SWIM = [p for p in EVERY if "policy" in config.load_yaml(p)]
CONFIGS = [p for p in EVERY if "task" in config.load_yaml(p)]


@pytest.mark.parametrize("path", SWIM, ids=lambda p: p.stem)
def test_a_committed_config_of_a_circuit_fits_its_environment(path):
    experiment = config.from_dict(SwimExperiment, config.load_yaml(path), str(path))
    assert experiment.name == path.stem
    check_swim(experiment)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_a_committed_config_fits_its_environment(path):
    experiment = load(path)
    assert experiment.name == path.stem
    assert "mip" in experiment.controllers


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_a_saved_config_is_the_same_experiment(path, tmp_path):
    experiment = load(path)
    saved = tmp_path / "config.yaml"
    saved.write_text(config.dump_yaml(experiment))
    assert load(saved) == experiment


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "my.yaml"
    path.write_text(text)
    return path


GOOD = """
name: my
env: {id: sparsectl/PiecewiseAffine-v0}
task: {cost: {terms: [{of: observation}]}}
"""


def test_overrides_replace_values_by_dotted_name(tmp_path):
    path = write(tmp_path, GOOD)
    experiment = load(
        path,
        {
            "horizon": 3,
            "train.steps": 7,
            "task.cost.terms.0.weight": 2.5,
            "controllers.fast": {"kind": "mppi", "samples": 8},
        },
    )
    assert (experiment.horizon, experiment.train.steps) == (3, 7)
    assert experiment.task.cost.terms[0].weight == 2.5
    assert experiment.controllers == {"fast": {"kind": "mppi", "samples": 8}}


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ({"task.cost.terms.3.weight": 1.0}, "no entry '3'"),
        ({"name.first": "x"}, "'name' is a value, not a section"),
        ({"trian.steps": 3}, "unknown key 'trian' (did you mean 'train'?)"),
        ({"train.steps": "many"}, "train.steps: expected int, got 'many'"),
        ({"horizon": 0}, "horizon is 0, expected at least 1"),
        ({"horizon": -3}, "horizon is -3, expected at least 1"),
        ({"seed": -1}, "seed is -1, expected at least 0"),
        ({"name": "../escape"}, "name is '../escape'"),
        ({"name": ""}, "name is ''"),
        ({"controllers": {}}, "give at least one"),
        ({"controllers": {"mpp": {}}}, "unknown kind 'mpp' (did you mean 'mppi'?)"),
        ({"controllers": {"a-b": {"kind": "mip"}}}, "'a-b' is no name"),
        ({"controllers": {"mppi": {"sampels": 3}}}, "did you mean 'samples'"),
        ({"controllers": {"mppi": {"samples": "x"}}}, "samples: expected int"),
        ({"controllers": {"mip": {"horizon": 0}}}, "horizon is 0"),
        ({"env.id": "sparsectl/PieceAffine-v0"}, "did you mean 'sparsectl/PiecewiseAffine-v0'"),
        ({"env.kwargs": {"wings": 2}}, "wings"),
        ({"env.id": "Taxi-v4"}, "the state must be real numbers"),
        ({"task.cost.terms.0.of": "observatoin"}, "did you mean 'observation'"),
        ({"task.cost.terms.0.target": "goal"}, "unknown goal 'goal'"),
        ({"task.observation.state": {"x": "0:99"}}, "outside the observation"),
        (
            {"env.id": "InvertedPendulum-v5", "data.policy": "contact"},
            "no contact-seeking collector",
        ),
        ({"data.transitions": 0}, "transitions"),
        ({"model.hidden": [0]}, "widths must be positive"),
        ({"model.structure.relative": {"x": "y"}}, "unknown state part 'x'"),
        ({"evaluate.episodes": 0}, "episodes is 0"),
        ({"evaluate.budget": -1.0}, "budget is -1.0"),
    ],
)
def test_mistakes_are_named_in_one_line_and_nothing_is_made(tmp_path, overrides, words):
    path = write(tmp_path, GOOD)
    with pytest.raises(ConfigError) as caught:
        load(path, overrides)
    message = str(caught.value)
    assert words in message
    assert "\n" not in message
    assert [p.name for p in tmp_path.iterdir()] == ["my.yaml"]


def test_check_returns_the_resolved_task():
    task = check(Experiment("x", EnvConfig("InvertedPendulum-v5")))
    assert (task.nx, task.nu) == (4, 1)
