"""Tasks of the sparsity scoreboard: data, dense model and error, the same for all methods.

Data and dense models are kept in a cache folder and made where they are missing.
"""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from scripts.study import ROOT
from sparsectl import data, dynamics, experiment, seeding
from sparsectl.dynamics.fit import Batches, fit, trajectories
from sparsectl.dynamics.loss import validation_error
from sparsectl.dynamics.normalise import fit_normalizer
from sparsectl.dynamics.windows import windows
from sparsectl.sparsify.baselines import Budget, Member
from sparsectl.task import StateMap

TEST_EPISODES = 250
K = (1, 5, 10)


@dataclass(frozen=True)
class Headline:
    """What a task's error is: a part of the state or `points`, its scale to the unit, the unit."""

    part: str
    scale: float
    unit: str


TASKS = {
    "rope": Headline("points", 1e3, "mm, mean point distance"),
    "pusht_easy": Headline("points", 1e3, "mm, mean point distance"),
    "pushbox": Headline("points", 1e3, "mm, mean point distance"),
    "cartpole": Headline("cosine", 1.0, "cosine of the pole's angle, rms"),
    "inverted_pendulum": Headline("angle", 1e3, "mrad, rms of the pole's angle"),
    "reacher": Headline("error", 1e3, "mm, rms of the tip's position"),
    "piecewise_affine": Headline("observation", 1.0, "state, rms"),
}


@dataclass(frozen=True)
class Setting:
    """A task ready for training."""

    name: str
    experiment: experiment.Experiment
    map: StateMap
    """From observations to states."""
    episodes: data.Episodes
    """Training (and validation) data, the same for every seed."""
    test: data.Episodes
    """Other episodes."""
    model: dynamics.MLPConfig
    """Architecture of the dense model."""
    folder: Path
    """Cache of the task."""


def setting(name: str, hidden: tuple[int, ...], cache: Path, rate: float) -> Setting:
    """Read the task's config and its data.

    The dense model is the same for all tasks, with a trained affine path; the rest of the model
    (structure), the data and the training are those of the config, but for the peak learning
    rate, which is that of SOAP and the same for all methods.
    """
    config = experiment.load(ROOT / "configs" / f"{name}.yaml")
    config = dataclasses.replace(
        config, train=dataclasses.replace(config.train, learning_rate=rate)
    )
    task = experiment.check(config)
    model = dataclasses.replace(config.model, hidden=hidden, members=1, skip=True)
    folder = cache / name
    training = _data(config, folder / "training", config.data, "collect")
    steps = config.data.episode_steps
    few = dataclasses.replace(config.data, transitions=TEST_EPISODES * steps)
    test = _data(config, folder / "test", few, "sparsity test")
    test = test.select(range(min(len(test), TEST_EPISODES)) if steps < 50 else range(len(test)))
    return Setting(name, config, task.map, training, test, model, folder)


def _data(
    config: experiment.Experiment, root: Path, amount: data.CollectConfig, purpose: str
) -> data.Episodes:
    name = data.dataset_id(config.env.id, amount.policy)
    if name not in data.list_datasets(root):
        seed = seeding.integer(config.seed, purpose)
        episodes = data.collect(amount, config.env.id, config.env.kwargs, seed=seed)
        data.save_minari(episodes, name, root, policy=amount.policy)
    return data.load_minari(name, root)


def dense(s: Setting, seed: int, steps: int) -> tuple[Member, bool]:
    """The dense model after so many steps, and whether it was trained just now."""
    hidden = "x".join(map(str, s.model.hidden))
    path = s.folder / f"dense-{hidden}-{steps}-{seed}"
    if (path / "config.json").exists():
        model, meta = dynamics.load(path)
        return _member(model, steps, float(meta["cpu_seconds"])), False
    started, train = time.process_time(), Budget(s.experiment.train, steps).training(steps, seed)
    weights = seeding.integer(seed, "dense")
    model = dynamics.build(s.model, s.map.names, s.map.nx, s.episodes.action_size, seed=weights)
    parts = trajectories(s.episodes, s.map, train)
    fit_normalizer(model, parts[0])
    assert isinstance(model, dynamics.MLPDynamics)
    fit(model, Batches.of(parts, train), train, "dense")
    seconds = time.process_time() - started
    meta = {"env_id": s.experiment.env.id, "cpu_seconds": seconds}
    dynamics.save(model, path, meta)
    return _member(model, steps, seconds), True


def _member(model: Any, steps: int, seconds: float) -> Member:
    return Member(model, sum(model.config.hidden), steps, seconds)


def errors(s: Setting, member: Member) -> dict[str, Any]:
    """Open-loop errors on the test episodes.

    Returns:
        `error_1`, `error_5`, `error_10`: of the headline part, in the task's unit;
        `normalised_10`: root mean square over all entries in units of the one-step change's
        standard deviation; `parts`: after 10 steps, by part, in the observation's units.
    """
    found = dynamics.evaluate_model(member.model, s.test, s.map, K)
    head = TASKS[s.name]
    row: dict[str, Any] = {f"error_{k}": head.scale * found.row(head.part, k).model for k in K}
    states = dynamics.Trajectories.of(s.test, s.map)
    whole = windows(states, K[-1], torch.device("cpu"), torch.float32)
    row["normalised_10"] = validation_error(member.model, whole, limit=20_000)
    row["parts"] = {r.part: float(f"{r.model:.5g}") for r in found.rows if r.k == K[-1]}
    return row
