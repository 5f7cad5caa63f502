"""One call of `train`: the algorithm, its environments, and where training stands."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from stable_baselines3.common.callbacks import BaseCallback

from sparsectl.bar import Bar
from sparsectl.errors import NonFiniteError
from sparsectl.policies.rl import curve, progress
from sparsectl.policies.rl import saved as rl_saved
from sparsectl.policies.rl.algorithms import OnPolicy, algorithm, reseed
from sparsectl.policies.rl.config import OffPolicyConfig, RLConfig
from sparsectl.policies.rl.trainee import Trainee, rounds
from sparsectl.runs import Stopwatch

_NEVER = 2**62
"""Interval of Stable-Baselines3's own log."""


class Run:
    """Training, its environments, and what is saved of it."""

    def __init__(
        self, trainee: Trainee, config: RLConfig, folder: Path | None, force: bool
    ) -> None:
        self.trainee, self.config, self.folder = trainee, config, folder
        self.state = rl_saved.Progress(cpu_seconds=0.0)
        if folder is not None:
            progress.prepare(folder, force)
            found = rl_saved.Progress.load(folder / progress.STATE, trainee.fingerprint)
            self.state = found or self.state
        self.scale = config.algorithm.reward_scale * trainee.scale
        self.envs = trainee.environments(config.algorithm.envs, self.state.rounds, self.scale)
        self.model = algorithm(config, trainee.actor, self.envs, trainee.seed)
        self.model.num_timesteps = trainee.first_steps
        if self.state.rows:
            self._restore()
            self._publish()
        self.stopwatch = Stopwatch(self.state.seconds, self.state.cpu_seconds)

    def close(self) -> None:
        """Give threads and memory back."""
        self.envs.close()
        self.trainee.close()

    def policy(self) -> Any:
        """The policy at the last evaluation."""
        return self.trainee.policy(self.model.actor_module())

    def everything(self, bar: Bar) -> None:
        """All that is left to do."""
        config, state = self.config, self.state
        watch = _Watch(bar)
        if not state.rows:
            self._evaluate(watch)
        while state.outcome == "running":
            every = config.eval_every
            target = min((state.steps // every + 1) * every, config.steps)
            reseed(self.model, self.trainee.seed)
            if not self._learn(target - state.steps, watch):
                return
            if self.model.num_timesteps >= config.steps:
                state.outcome = "finished"
            self._evaluate(watch)

    def _learn(self, steps: int, watch: _Watch) -> bool:
        """Learn for some steps; False, and the state before, if a number became non-finite."""
        try:
            self.model.learn(steps, callback=watch, log_interval=_NEVER, reset_num_timesteps=False)
            if rl_saved.finite(self.model):
                return True
            reason = "a weight became non-finite"
        except NonFiniteError as error:
            reason = str(error)
        except ValueError:
            # Distributions refuse the NaN of an actor whose weights are none.
            if rl_saved.finite(self.model):
                raise
            reason = "a weight became non-finite"
        self._diverged(reason)
        return False

    def _diverged(self, reason: str) -> None:
        state, at = self.state, int(self.model.num_timesteps)
        state.outcome = "diverged"
        state.message = (
            f"training diverged between steps {state.steps} and {at}: {reason}. The policy of step "
            f"{state.steps} was kept. Lower actor_rate and critic_rate, or set gradient_limit"
        )
        self._restore()
        missing = np.full(self.config.eval_episodes, np.nan)
        state.seconds, state.cpu_seconds = self.stopwatch.read()
        facts = {"cpu_seconds": state.cpu_seconds, "diverged": state.diverged}
        state.rows.append(curve.point(at, state.seconds, missing, **facts))
        self._save()

    def _restore(self) -> None:
        """The model as the state has it."""
        state, model = self.state, self.model
        rl_saved.set_tensors(model, state.tensors)
        model.num_timesteps, model._n_updates = state.steps, state.updates
        chosen = self.config.algorithm
        if isinstance(chosen, OffPolicyConfig) and state.steps:
            refill = min(state.steps, chosen.learning_starts)
            model.learning_starts = max(chosen.learning_starts, state.steps + refill)  # type: ignore[union-attr]

    def _evaluate(self, watch: _Watch) -> None:
        """A row of the curve, and everything saved."""
        state, model = self.state, self.model
        returns, told = self.trainee.judge(self.policy(), self.config.eval_episodes)
        state.diverged += watch.take_diverged(self.envs)
        state.steps, state.updates = int(model.num_timesteps), int(model._n_updates)
        state.rounds = rounds(self.envs) if model._last_obs is not None else state.rounds
        state.tensors = rl_saved.tensors(model)
        state.seconds, state.cpu_seconds = self.stopwatch.read()
        facts: dict[str, Any] = {
            "cpu_seconds": state.cpu_seconds,
            "train_mean": watch.take_mean(self.trainee.length, self.scale),
            "updates": state.updates,
            "diverged": state.diverged,
        }
        if isinstance(model, OnPolicy):
            facts["std"] = float(model.policy.log_std.detach().exp().mean())
        row = curve.point(state.steps, state.seconds, returns, **facts)
        state.rows.append(row | told)
        mean = row["return_mean"]
        shown = {"return": "diverged" if mean is None else f"{mean:.1f}"}
        watch.bar.set_postfix(shown)
        self._save()

    def _save(self) -> None:
        if self.folder is not None:
            self.state.save(self.folder / progress.STATE, self.trainee.fingerprint)
            self._publish()

    def _publish(self) -> None:
        """Curve and policy as the saved state has them."""
        if self.folder is not None:
            curve.write(self.folder, self.state.rows)
            self.trainee.publish(self.policy(), self.folder, self.state.rows)


class _Watch(BaseCallback):
    """Moves the bar, adds rewards up, and stops when weights are no longer finite."""

    def __init__(self, bar: Bar) -> None:
        super().__init__()
        self.bar, self._total, self._count, self._blown_up = bar, 0.0, 0, 0

    def _on_step(self) -> bool:
        rewards = self.locals["rewards"]
        self._total += float(np.sum(rewards))
        self._count += len(rewards)
        return True

    def _on_rollout_start(self) -> None:
        if not rl_saved.finite(self.model):  # type: ignore[arg-type]
            raise NonFiniteError("a weight became non-finite")

    def _on_rollout_end(self) -> None:
        # PPO ends with a whole rollout, beyond what was asked for.
        self.bar.total = max(self.bar.total or 0, self.num_timesteps)
        self.bar.update(self.num_timesteps - self.bar.n)

    def take_mean(self, length: int, scale: float) -> float | None:
        """Return of `length` average steps since the last call; None without any."""
        mean = self._total / self._count * length / scale if self._count else None
        self._total, self._count = 0.0, 0
        return mean

    def take_diverged(self, envs: object) -> int:
        """Simulations that blew up since the last call."""
        total = int(getattr(envs, "diverged", 0))
        fresh, self._blown_up = total - self._blown_up, total
        return fresh
