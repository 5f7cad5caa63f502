"""Options for free-form mappings, and modules that lie beside a config file."""

from __future__ import annotations

import sys
from pathlib import Path

import cli_runs
import pytest
import yaml

from sparsectl import cli, experiment
from sparsectl.cli import options

TINY = cli_runs.config("controllers: {mip: {nodes: 50}}")
OWN = """
import gymnasium
import numpy as np


class Own(gymnasium.Env):
    def __init__(self, size=1, unit="m"):
        assert unit in ("m", "km")
        self.observation_space = gymnasium.spaces.Box(-1, 1, (size,))
        self.action_space = gymnasium.spaces.Box(-1, 1, (1,))


gymnasium.register("BesideCase-v0", entry_point=Own, max_episode_steps=5)
"""


def parsed(*words: str) -> experiment.Experiment:
    return options.parse(["--config", "tiny.yaml", *words], "collect", "text").experiment


@pytest.fixture
def _home(tmp_path, monkeypatch):
    cli_runs.home(monkeypatch, tmp_path, TINY)
    monkeypatch.setattr(sys, "path", [*sys.path])


@pytest.mark.usefixtures("_home")
def test_free_form_mappings_take_options():
    Path("besidecase.py").write_text(OWN)
    own = ("--env.id", "besidecase:BesideCase-v0", "--env.kwargs.size", "3")
    found = parsed(*own, "--env.kwargs.unit=km", "--online.controller.samples", "64")
    assert found.env.kwargs == {"size": 3, "unit": "km"}
    assert found.online.controller["samples"] == 64
    found = parsed("--evaluate.models.small", "7", "--task.observation.state.observation", "0")
    assert found.evaluate.models == {"small": "7"}
    assert found.task.observation.state == {"observation": "0"}
    assert parsed(*own[:2], "--env.kwargs", "{size: 2}").env.kwargs == {"size": 2}


@pytest.mark.usefixtures("_home")
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--env.kwargs.size",), "--env.kwargs.size needs a value"),
        (("--env.kwargs.size", "--force"), "--env.kwargs.size needs a value"),
        (("--env.kwargs.sise", "3"), "refuses the arguments {'sise': 3}"),
        (("--online.controller.samples", "many"), "samples: expected int, got 'many'"),
    ],
)
def test_what_is_wrong_with_such_an_option_is_told_and_nothing_is_created(words, said, capsys):
    assert cli_runs.run("collect", *words) == 2
    assert said in capsys.readouterr().err
    assert not Path("runs").exists()


@pytest.mark.parametrize("way", ["beside", "working directory"])
def test_a_module_beside_the_file_or_here_is_found(way, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p])
    for name in ("besidecase", "sparsectl_none"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    (here if way == "working directory" else there).joinpath("besidecase.py").write_text(OWN)
    values = yaml.safe_load(TINY) | {"env": {"id": "besidecase:BesideCase-v0"}}
    (there / "own.yaml").write_text(yaml.safe_dump(values))
    monkeypatch.chdir(here)
    assert experiment.load(there / "own.yaml").env.id == "besidecase:BesideCase-v0"
    assert cli.main(["collect", "--config", str(there / "own.yaml"), "--env.kwargs.size=-1"]) == 2
