"""Training of a policy by evolution, exactly resumable."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch

from sparsectl.bar import Bar
from sparsectl.circuits.evolve.config import TrainConfig
from sparsectl.circuits.evolve.methods import make, scales
from sparsectl.circuits.fingerprint import fingerprint
from sparsectl.circuits.policy import checkpoint
from sparsectl.circuits.policy.base import MotorPolicy
from sparsectl.circuits.policy.vector import flatten, load
from sparsectl.circuits.rollout.env_spec import EnvSpec, episode_steps
from sparsectl.circuits.rollout.returns import Rollouts
from sparsectl.errors import ConfigError, TrainingDiverged
from sparsectl.policies.rl import curve
from sparsectl.policies.rl import progress as saved
from sparsectl.policies.rl.progress import TrainResult
from sparsectl.runs import Stopwatch, held


def train(
    policy: MotorPolicy,
    spec: EnvSpec,
    config: TrainConfig,
    folder: str | Path | None = None,
    *,
    force: bool = False,
    progress: bool | None = None,
) -> TrainResult[MotorPolicy]:
    """Evolve a policy's parameters; `policy` itself is not changed.

    A run that was killed and started again gives the curve (but for times) and the parameters
    of one that was not. Files of `folder`: curve.jsonl, policy/ (the mean at the last
    evaluation) and training/ (where training stands).

    Args:
        policy: its parameters are the first mean.
        folder: of this run; None: nothing is written.
        progress: show a bar on stderr; None: when stderr is a terminal.

    Raises:
        ConfigError: fewer steps than one generation takes, a scale of an unknown parameter, or
            the folder's run was started with other settings.
        FileError: the folder holds something else than a run, or cannot be written.
        TrainingDiverged: no candidate of a generation has a return.
        MissingExtra: the library of the method or engine is not installed.
    """
    with held(folder):
        run = _Run(policy, spec, config, None if folder is None else Path(folder), force)
        first, already = run.state.steps, run.state.done
        with saved.bar("evolution", config.steps, first, progress) as bar:
            run.all_generations(bar)
    state = run.state
    return TrainResult(run.policy(), state.rows, state.steps, state.seconds, first, already)


@dataclass
class Progress(saved.Progress):
    """Where evolution stands; `tensors` are the strategy's."""

    kind: ClassVar[str] = "evolution"
    done: bool = False


class _Run:
    """One call of `train`: the strategy and where training stands."""

    def __init__(
        self,
        policy: MotorPolicy,
        spec: EnvSpec,
        config: TrainConfig,
        folder: Path | None,
        force: bool,
    ) -> None:
        self.module, self.spec, self.config, self.folder = policy, spec, config, folder
        self.length = episode_steps(spec, config.episode_steps)
        self.generation_steps = least = config.population * config.episodes * self.length
        if config.steps < least:
            raise ConfigError(
                f"steps is {config.steps}: one generation of {config.population} candidates with "
                f"{config.episodes} episodes of {self.length} steps takes {least}; give more"
            )
        start = flatten(policy).detach().numpy()
        self.strategy = make(start, config, scales(policy, config.scale))
        # A run may be continued with another engine and other workers.
        neutral = replace(config, engine="serial", workers=1)
        self.fingerprint = fingerprint(policy, spec, neutral)
        self.state = Progress(cpu_seconds=0.0)
        if folder is not None:
            saved.prepare(folder, force)
            found = Progress.load(folder / saved.STATE, self.fingerprint)
            if found is not None:
                self.state = found
                self.strategy.restore(found.tensors)
                self._publish()
        self.watch = Stopwatch(self.state.seconds, self.state.cpu_seconds)

    def all_generations(self, bar: Bar) -> None:
        """Everything that is left to do."""
        config, state = self.config, self.state
        if state.done:
            return
        with Rollouts(self.spec, self.length, config.workers, config.engine) as rollouts:
            if state.rows:
                self._show(bar)
            else:
                self._evaluate(rollouts, None, bar)
            while not state.done:
                values = self._generation(rollouts, bar)
                seen = state.rows[-1]["steps"] // config.eval_every
                state.done = state.steps + self.generation_steps > config.steps
                if state.done or state.steps // config.eval_every > seen:
                    self._evaluate(rollouts, values, bar)

    def _generation(self, rollouts: Rollouts, bar: Bar) -> np.ndarray:
        """Play and learn; returns of the candidates (P,), NaN where an episode has none."""
        config, state, strategy = self.config, self.state, self.strategy
        seeds = curve.training_seeds(config.seed, strategy.generation, config.episodes)
        played = rollouts.returns(self.module, strategy.ask(), seeds)
        values = played.values.mean(1)
        if np.isnan(values).all():
            kept = "" if self.folder is None else f"; the last good state is in '{self.folder}'"
            raise TrainingDiverged(
                f"all {config.population} candidates diverged at step {state.steps}{kept}. Lower "
                "sigma or learning_rate"
            )
        state.steps += played.steps
        state.diverged += played.diverged
        strategy.tell(values, state.steps / config.steps)
        bar.update(played.steps)
        return values

    def _evaluate(self, rollouts: Rollouts, values: np.ndarray | None, bar: Bar) -> None:
        """A row of the curve, and everything saved."""
        config, state, strategy = self.config, self.state, self.strategy
        seeds = curve.evaluation_seeds(config.eval_episodes)
        played = rollouts.returns(self.module, strategy.mean[None], seeds)
        state.seconds, state.cpu_seconds = self.watch.read()
        facts = {
            "cpu_seconds": state.cpu_seconds,
            "generation": strategy.generation,
            "train_mean": None if values is None else float(np.nanmean(values)),
            "train_max": None if values is None else float(np.nanmax(values)),
            "diverged": state.diverged,
            **strategy.facts(),
        }
        row = curve.point(state.steps, state.seconds, played.values[0], **facts)
        state.rows.append(row)
        self._show(bar)
        if self.folder is not None:
            state.tensors = strategy.arrays()
            state.save(self.folder / saved.STATE, self.fingerprint)
            self._publish()

    def _show(self, bar: Bar) -> None:
        """The last evaluation's mean return on the bar."""
        mean = self.state.rows[-1]["return_mean"]
        bar.set_postfix({"return": "diverged" if mean is None else f"{mean:.1f}"})

    def _publish(self) -> None:
        """Curve and policy as the saved state has them."""
        assert self.folder is not None
        curve.write(self.folder, self.state.rows)
        checkpoint.save(self.policy(), self.folder / saved.POLICY)

    def policy(self) -> MotorPolicy:
        """A copy of the policy with the present mean."""
        policy = copy.deepcopy(self.module)
        load(policy, torch.from_numpy(np.array(self.strategy.mean)))
        return policy
