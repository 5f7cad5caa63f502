"""Training of a model: members one after another, with exact resumption."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from sparsectl import checkpoint, runs, seeding
from sparsectl.bar import Bar
from sparsectl.data import Episodes
from sparsectl.dynamics import tensorboard
from sparsectl.dynamics.config import TrainConfig, select_device
from sparsectl.dynamics.ensemble import EnsembleDynamics
from sparsectl.dynamics.fit import Batches, fit, trajectories
from sparsectl.dynamics.graph import GraphDynamics
from sparsectl.dynamics.loss import window_loss
from sparsectl.dynamics.models import Model, Network
from sparsectl.dynamics.normalise import fit_normalizer, members, widen
from sparsectl.dynamics.progress import Progress, fingerprint
from sparsectl.dynamics.windows import Trajectories, Windows, windows
from sparsectl.errors import TrainingDiverged
from sparsectl.task import StateMap

Objective = Callable[[Any, Windows, torch.Tensor, torch.Generator], torch.Tensor]
"""(model, windows, indices of a batch, noise of the step) -> scalar."""


@dataclass(frozen=True)
class TrainResult:
    """Outcome of `train`.

    Attributes:
        dynamics: the trained model, best weights of every member, on the CPU.
        history: rows of member, step, train_loss, validation (RMS in units of the one-step
            change's standard deviation), learning_rate.
        validation: mean over members of the best validation error.
        seconds: of this call [s].
        resumed_from: gradient steps already done when this call started, over all members.
    """

    dynamics: Model
    history: list[dict[str, float]]
    validation: float
    seconds: float
    resumed_from: int = 0
    already_done: bool = False


def train(
    dynamics: Model,
    episodes: Episodes,
    state_map: StateMap,
    config: TrainConfig,
    *,
    run_dir: str | Path | None = None,
    force: bool = False,
    progress: bool | None = None,
    trained: bool = False,
    repeats: Sequence[int] | None = None,
    log: str | Path | None = None,
    objective: Objective | None = None,
) -> TrainResult:
    """Train a model in place.

    On the CPU, a run that was killed and started again gives bitwise the losses of one that
    was not.

    Args:
        dynamics: untrained model, or with `trained` one to go on with.
        episodes: data; `config.validation_fraction` of the episodes is set aside for validation.
        run_dir: folder for the training checkpoint `training/`; None: no checkpoints.
        force: drop the training checkpoint of another run instead of refusing.
        progress: show a bar on stderr; None: when stderr is a terminal.
        trained: go on from the model's weights, in the normalisation that they belong to.
        repeats: see `fit.trajectories`.
        log: folder of a TensorBoard log, where `config` asks for one; one below it a member.
        objective: what is lowered; None: the multi-step loss, with the noise of `config`.

    Raises:
        ConfigError: the training checkpoint belongs to another configuration or other data.
        TrainingDiverged: a loss or gradient became non-finite.
        DataError: too few episodes.
        MissingExtra: `tensorboard` is asked for and not installed.
    """
    if config.tensorboard:
        tensorboard.require()
    started = time.perf_counter()
    device = select_device(config.device)
    data, held_data = trajectories(episodes, state_map, config, repeats)
    with runs.held(run_dir):
        run = _Run(dynamics, data, held_data, config, device, run_dir, force, trained)
        run.log = Path(log) if log is not None and config.tensorboard else None
        run.objective = objective
        first = 0 if run.progress.done else run.progress.member * config.steps + run.progress.step
        already = run.progress.done
        if not already:
            done = run.progress.step
            with Bar(shown=progress, desc="train", total=config.steps, initial=done) as bar:
                run.all_members(bar)
    dynamics.to("cpu").eval().requires_grad_(False)
    best: dict[float, float] = {}
    for row in run.progress.history:
        best[row["member"]] = min(best.get(row["member"], float("inf")), row["validation"])
    return TrainResult(
        dynamics,
        run.progress.history,
        sum(best.values()) / len(best),
        time.perf_counter() - started,
        first,
        already,
    )


class _Run:
    """One call of `train`: the model, its data on the device, and where training stands."""

    def __init__(
        self,
        dynamics: Model,
        data: Trajectories,
        held: Trajectories,
        config: TrainConfig,
        device: torch.device,
        run_dir: str | Path | None,
        force: bool,
        trained: bool,
    ) -> None:
        self.dynamics, self.data, self.config, self.device = dynamics, data, config, device
        self.path = None if run_dir is None else Path(run_dir) / "training"
        self.fingerprint = fingerprint(dynamics, config, data)
        self.progress = Progress()
        self.log: Path | None = None
        """Folder of TensorBoard's logs."""
        self.objective: Objective | None = None
        if force and self.path is not None:
            checkpoint.remove(self.path)
        if trained:
            widen(dynamics, data)
        else:
            fit_normalizer(dynamics, data)
        dynamics.to(device)
        found = None if self.path is None else Progress.load(self.path, self.fingerprint)
        if found is not None:
            self.progress = found
            dynamics.load_state_dict(self.progress.weights)
        self.held = self._windows(held)

    def all_members(self, bar: Bar) -> None:
        """Train every member that is not finished yet."""
        networks = members(self.dynamics)
        for index in range(self.progress.member, len(networks)):
            bar.set_description("train" if len(networks) == 1 else f"train member {index + 1}")
            self.one_member(networks[index], index, bar)
            last = index == len(networks) - 1
            following = index if last else index + 1
            self.progress = Progress(member=following, done=last, history=self.progress.history)
            self.save()
            if not last:
                bar.reset()

    def one_member(self, model: Network, index: int, bar: Bar) -> None:
        """Train one network and leave its best weights in it."""
        config, state = self.config, self.progress

        def loss(data: Windows, chosen: torch.Tensor, step: int) -> torch.Tensor:
            generator = torch.Generator(self.device)
            generator.manual_seed(seeding.integer(config.seed, "noise", index, step))
            if self.objective is not None:
                return self.objective(model, data, chosen, generator)
            return window_loss(
                model, data, chosen, penalty=config.loss, noise=config.noise, generator=generator
            )

        def checked(row: dict[str, float]) -> None:
            state.history.append({"member": index, **row})
            note(row)
            bar.set_postfix(validation=f"{row['validation']:.4f}", refresh=False)
            self.save()

        batches = Batches(self._windows(self._resampled(index)), self.held)
        where = None if self.log is None else self.log / f"member_{index}"
        try:
            with tensorboard.log(where, state.step) as note:
                fit(
                    model, batches, config, index, loss,
                    progress=state, after=bar.update, checked=checked,
                )  # fmt: skip
        except TrainingDiverged as error:
            raise TrainingDiverged(f"{error}. {self._kept(model)}") from error

    def _windows(self, data: Trajectories) -> Windows:
        dtype = next(self.dynamics.parameters()).dtype
        return windows(data, self.config.rollout_steps, self.device, dtype)

    def _resampled(self, index: int) -> Trajectories:
        """What a member trains on: in an ensemble each resamples the episodes."""
        data, count = self.data, len(self.data.states)
        if isinstance(self.dynamics, EnsembleDynamics):
            rng = seeding.generator(self.config.seed, "bootstrap", index)
            drawn = rng.integers(count, size=count)
            data = Trajectories([data.states[i] for i in drawn], [data.actions[i] for i in drawn])
        if isinstance(self.dynamics, GraphDynamics):
            data = self.dynamics.augmented(data)
        return data

    def save(self) -> None:
        """Write the training checkpoint, if there is a folder for it."""
        if self.path is not None:
            self.progress.weights = self.dynamics.state_dict()
            self.progress.save(self.path, self.fingerprint)

    def _kept(self, model: Network) -> str:
        """What is left of a training that diverged."""
        state = self.progress
        if not state.best_weights:
            return "That was before the first check, so nothing was kept"
        model.load_state_dict(state.best_weights)
        if self.path is None:
            return f"The best weights (step {state.best_step}) were put back into the model"
        return f"The last good checkpoint is kept in '{self.path}'"
