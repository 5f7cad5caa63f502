"""A run of the command line that takes a second: its config and its folder."""

from __future__ import annotations

from pathlib import Path

import yaml

from sparsectl import cli, dynamics, experiment

_SHARED = """
name: tiny
env: {id: sparsectl/PiecewiseAffine-v0}
task:
  cost: {terms: [{of: observation}], action: {norm: l1, weight: 0.01}}
data: {transitions: 300, episode_steps: 10}
model: {hidden: [4]}
train: {steps: 40, check_every: 20, batch_size: 32, rollout_steps: 2}
horizon: 2
"""


def config(parts: str) -> str:
    """YAML of an experiment: the shared parts, and those given added or in their place."""
    return yaml.safe_dump(yaml.safe_load(_SHARED) | yaml.safe_load(parts), sort_keys=False)


def home(monkeypatch, folder: Path, text: str) -> Path:
    """Work in a folder with that config as `tiny.yaml`."""
    monkeypatch.chdir(folder)
    Path("tiny.yaml").write_text(text)
    return folder


def run(command: str, *words: str) -> int:
    """Exit status of a command on `tiny.yaml`."""
    return cli.main([command, "--config", "tiny.yaml", *words])


def untrained(folder: Path) -> None:
    """A model of `tiny.yaml` as its seed makes it, where a run would have a trained one."""
    config = experiment.load("tiny.yaml")
    task = experiment.check(config)
    net = dynamics.build(config.model, task.map.names, task.nx, task.nu)
    names = {name: [part.start, part.stop] for name, part in task.map.names.items()}
    dynamics.save(net, folder, {"env_id": config.env.id, "names": names})
