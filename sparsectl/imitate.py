"""A planner that says what it would have done while a policy acts: labels for imitation."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sparsectl import environment, online, parallel, rendering, seeding
from sparsectl.control.base import ControllerState
from sparsectl.evaluate.player import Player
from sparsectl.evaluate.unit import controller_of
from sparsectl.policies.imitation import Labelled
from sparsectl.policies.network import NetworkPolicy
from sparsectl.task import Task
from sparsectl.types import Plan


@dataclass(frozen=True)
class Labeller:
    """Plays episodes in which a planner is asked at every step.

    Attributes:
        player: the planner, its model and setting; its budget is the time for a label.
        engine: `process`, `serial` or `ray`.
        workers: episodes at once.
    """

    player: Player
    engine: str = "process"
    workers: int = 1

    def check(self) -> None:
        """Build everything once, so that what is wrong is said before anything is created.

        Raises:
            ConfigError, CheckpointError: from the environment, the controller or the model.
        """
        self.player.build()
        setting = self.player.setting
        where = "imitate.steps"
        environment.step_limit(setting.env_id, setting.env_kwargs, setting.steps, where)

    def __call__(
        self,
        policy: NetworkPolicy | None,
        share: float,
        episodes: Sequence[int],
        seed: int,
        on_episode: Callable[[int, Labelled | str], None],
    ) -> None:
        """See `policies.imitation.Label`. What is labelled does not depend on the workers."""
        key = self.player.key
        units = [_Unit(self.player, key, seed, i, policy=policy, share=share) for i in episodes]

        def told(outcome: parallel.Outcome) -> None:
            on_episode(episodes[outcome.index], outcome.value or str(outcome.error))

        parallel.run(
            _play,
            units,
            engine=self.engine,
            workers=self.workers,
            on_result=told,
            initializer=rendering.settle,
        )


@dataclass(frozen=True)
class _Unit(online.Unit):
    """One episode of a policy and a planner."""

    policy: NetworkPolicy | None = None
    share: float = 1.0


class _Mixture:
    """Who acts in one episode, and what the planner said."""

    def __init__(self, unit: _Unit, task: Task) -> None:
        self._policy, self._share, self._task = unit.policy, unit.share, task
        self._rng = seeding.generator(unit.seed, "mixture", unit.index)
        self._last: np.ndarray | None = None
        self.seen: list[np.ndarray] = []
        self.labels: list[np.ndarray | None] = []

    def note(self, step: int, observation: np.ndarray, _: ControllerState, plan: Plan) -> None:
        """Keep what the planner would do; where a fallback or nobody planned, there is none."""
        own = plan.fallback is None and plan.horizon > 0
        self.seen.append(observation)
        self.labels.append(plan.actions[0] if own else None)

    def __call__(self, action: np.ndarray) -> np.ndarray:
        """The action that is executed. Shape (nu,)."""
        if self._policy is not None and self._rng.random() >= self._share:
            action = self._policy(self.seen[-1])
        self._last = self._task.admit(action, self._last)
        return self._last


def _play(unit: _Unit) -> Labelled:
    started = time.process_time()
    task = controller_of(unit.player, unit.key)[0].task
    acts = _Mixture(unit, task)
    row: dict[str, Any] = unit.run(on_decision=acts.note, explore=acts)
    kept = [k for k, label in enumerate(acts.labels) if label is not None]
    return Labelled(
        np.array([acts.seen[k] for k in kept]).reshape(len(kept), task.map.observation_size),
        np.array([acts.labels[k] for k in kept]).reshape(len(kept), task.nu),
        steps=row["steps"],
        score={name: row[name] for name in ("return", "final_error", "success")},
        label_seconds=float(sum(row["seconds"])),
        cpu_seconds=time.process_time() - started,
    )
