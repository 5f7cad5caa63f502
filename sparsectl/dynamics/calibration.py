"""A model's errors on rollouts that nobody trained on or chose by, kept beside the model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from sparsectl import environment, seeding
from sparsectl.data import CollectConfig, Episodes, collect
from sparsectl.dynamics.evaluate import open_loop
from sparsectl.dynamics.models import Model
from sparsectl.files import write_atomic
from sparsectl.runs.fingerprint import beyond_defaults, digest
from sparsectl.task import Margins, Task
from sparsectl.task.margins import ROLLOUTS


@dataclass(frozen=True)
class Rollouts:
    """Fresh episodes, recorded as training data are, of seeds that nothing else uses.

    They are none of a data set's: a model may have been trained elsewhere, on another part of it,
    and checkpoints and members of families are chosen by its held-out parts.

    Attributes:
        data: how actions are chosen and how long episodes are, if that is at least the horizon.
        name: of the stream of random numbers.
    """

    env_id: str
    env_kwargs: Mapping[str, Any]
    data: CollectConfig
    seed: int
    name: str = "calibration"

    def record(
        self, model: Model, task: Task, horizon: int, workers: int = 1
    ) -> dict[str, np.ndarray]:
        """`states` and `predicted`, see `open_loop`; with a delay, from where plans begin."""
        seed, late = seeding.integer(self.seed, self.name), task.map.delay
        episodes = self._episodes(task, horizon + 2 * late, workers)
        found = open_loop(model, episodes, task.map, horizon + late, seed=seed)
        return {k: v[:, late:] for k, v in zip(_KEPT, found, strict=True)}

    def digest(self, task: Task, horizon: int) -> str:
        """Of everything that the episodes depend on."""
        config, observation = task.config, task.config.observation
        code = environment.code(self.env_id, self.env_kwargs)
        facts = (self.env_id, self.env_kwargs, code, self._config(horizon), self.seed, self.name)
        return digest(beyond_defaults([*facts, horizon, config.action, observation]))

    def _config(self, horizon: int) -> CollectConfig:
        steps = max(self.data.episode_steps, horizon)
        return replace(self.data, episode_steps=steps, transitions=ROLLOUTS * steps)

    def _episodes(self, task: Task, horizon: int, workers: int) -> Episodes:
        key = self.digest(task, self._config(horizon).episode_steps)
        if key not in _recorded:
            _recorded.clear()  # the same ones serve all models of a comparison
            _recorded[key] = collect(
                self._config(horizon),
                self.env_id,
                self.env_kwargs,
                seed=seeding.integer(self.seed, self.name, "episodes"),
                workers=workers,
                actions=(task.u_low, task.u_high),
                used=task.map.used,
            )
        return _recorded[key]


_KEPT = ("states", "predicted")
_recorded: dict[str, Episodes] = {}


def calibrate(
    task: Task,
    model: Model,
    checkpoint: str | Path,
    content: str,
    horizon: int,
    rollouts: Rollouts,
    workers: int = 1,
) -> Task:
    """The task with its hard constraints drawn in by a model's errors, if it has a coverage.

    They are kept in the checkpoint's folder with the digests of the model and of what they were
    measured on, and measured again where one of these is another.

    Args:
        content: digest of its content.
        rollouts: what the errors are measured on.

    Raises:
        ConfigError: too few rollouts for the coverage.
        DataError: they cannot be recorded.
        FileError: the folder cannot be written.
    """
    limits = task.config.constraints
    if limits.coverage is None:
        return task
    path = Path(checkpoint) / f"calibration-{horizon}.safetensors"
    made_with = {"made_with": f"model {content}, float64 rollouts {rollouts.digest(task, horizon)}"}
    found = _stored(path, made_with)
    if found is None:
        found = rollouts.record(model, task, horizon, workers)
        write_atomic(path, save(found, made_with))
    return task.with_margins(Margins(errors(task, **found), limits.coverage, limits.coverage_steps))


def errors(task: Task, states: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """States less predictions, as long as a rollout is like a plan: its predictions keep limits.

    The limits are those that hold at all times. What a model makes of states that plans keep out
    of, it need not have learnt.

    Args:
        states, predicted: see `open_loop`. Shape (n, H + 1, nx).

    Returns:
        NaN from where that ends. Shape (n, H, nx).
    """
    finite = np.isfinite(predicted).all(axis=-1)
    kept, predicted = finite[:, 1:], np.where(finite[..., None], predicted, 0.0)
    kept &= (task.lasting.excess(predicted) <= 0).all(axis=-1)
    kept = np.logical_and.accumulate(kept, axis=1)
    return np.where(kept[..., None], (states - predicted)[:, 1:], np.nan)


def _stored(path: Path, made_with: Mapping[str, str]) -> dict[str, np.ndarray] | None:
    """Rollouts of a file that is whole and was made with the same model and rollouts."""
    try:
        with safe_open(path, framework="numpy") as file:
            same = file.metadata() == made_with
            return {name: file.get_tensor(name) for name in _KEPT} if same else None
    except (OSError, SafetensorError):
        return None
