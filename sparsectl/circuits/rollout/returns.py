"""Returns of a population of parameter vectors."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Event

import numpy as np
import torch

from sparsectl import parallel
from sparsectl.circuits.policy.base import MotorPolicy
from sparsectl.circuits.policy.vector import Population
from sparsectl.circuits.rollout.batch import Batch, open_batch
from sparsectl.circuits.rollout.env_spec import EnvSpec
from sparsectl.errors import ConfigError, ShapeError, SparsectlError
from sparsectl.threads import one_thread

_DEALT = 1_000
"""Parameters from which a policy's own work is worth more than calling it once for a thread."""


@dataclass(frozen=True)
class Returns:
    """Outcome of a population.

    Attributes:
        values: sums of rewards (P, E); NaN where the simulation diverged, or where the policy
            gave an action that is not finite.
    """

    values: np.ndarray
    steps: int

    @property
    def diverged(self) -> int:
        """Number of episodes without a return."""
        return int(np.isnan(self.values).sum())


class Rollouts:
    """Plays populations in one environment; a context manager.

    All copies advance together, by one call of the policy and one of MuJoCo's threaded rollout.
    Networks are dealt to the threads, so that policies, too, run on all of them; for policies of
    few parameters, and for fewer candidates than threads, the threads share the physics only.

    Args:
        workers: threads or processes.
        engine: `serial`: threads of this process; `process`, `ray`: equal shares of the
            candidates, one for each worker, which has one thread.

    Raises:
        ConfigError: unknown engine, workers or steps below 1.
        MissingExtra: `ray` is not installed.
    """

    def __init__(self, spec: EnvSpec, steps: int, workers: int = 1, engine: str = "serial") -> None:
        if workers < 1:
            raise ConfigError(f"workers is {workers}, expected at least 1")
        if steps < 1:
            raise ConfigError(f"steps is {steps}, expected at least 1")
        self.spec, self.steps, self.workers = spec, steps, workers
        self._pool = None if engine == "serial" else parallel.pool(engine, workers=workers)
        self._stop = Event()
        self._batches: dict[tuple[int, int, int], Batch] = {}

    def __enter__(self) -> Rollouts:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give threads, processes and memory back."""
        while self._batches:
            self._batches.popitem()[1].close()
        if self._pool is not None:
            self._pool.close()

    def returns(self, module: MotorPolicy, vectors: np.ndarray, seeds: Sequence[int]) -> Returns:
        """Play every parameter vector from every seed; the same, up to rounding, on any engine.

        A share whose worker dies is played once more by another.

        Args:
            module: policy; its own parameters are not used.
            vectors: parameters of the candidates (P, n).
            seeds: reset seeds (E,), the same for every candidate.

        Raises:
            ShapeError: `vectors` has another shape than (P, n), or nothing is to be played.
            SparsectlError: a worker failed again.
        """
        vectors = np.asarray(vectors, np.float64)
        size = module.count
        if vectors.ndim != 2 or vectors.shape[1] != size or not len(vectors) or not len(seeds):
            raise ShapeError(
                f"vectors of shape {vectors.shape} and {len(seeds)} seeds: expected (P, {size}) "
                "and at least one seed"
            )
        if self._pool is not None and len(vectors) > 1:
            return self._shared(module, vectors, seeds)
        threads = self.workers if self._pool is None else 1
        usable = np.isfinite(vectors).all(1)
        vectors = np.where(usable[:, None], vectors, 0.0)
        dealt = size >= _DEALT and len(vectors) >= threads
        groups = threads if dealt else 1
        shares = np.array_split(vectors, groups)
        sizes = [len(share) * len(seeds) for share in shares]
        batches = [self._batch(k, n, threads // groups) for k, n in enumerate(sizes)]
        self._stop.clear()
        with one_thread(), ThreadPoolExecutor(groups) as pool:
            played = pool.map(lambda b, v: self._play(b, module, v, seeds), batches, shares)
            try:
                parts = list(played)
            except BaseException:
                self._stop.set()  # the other threads need not play to the end
                raise
        values = np.concatenate([found for found, _ in parts])
        values[~usable] = np.nan
        return Returns(values, sum(steps for _, steps in parts))

    def _shared(self, module: MotorPolicy, vectors: np.ndarray, seeds: Sequence[int]) -> Returns:
        """As `returns`, on the workers."""
        assert self._pool is not None
        shares = np.array_split(vectors, min(self.workers, len(vectors)))
        outcomes = self._pool.map(
            _play_share, [(self.spec, self.steps, module, s, tuple(seeds)) for s in shares]
        )
        for outcome in outcomes:
            if outcome.error is not None:
                where = f"playing candidates in '{self.spec.id}'"
                raise SparsectlError(f"{where} failed: {outcome.error}")
        parts = [o.value for o in outcomes]
        return Returns(np.concatenate([p.values for p in parts]), sum(p.steps for p in parts))

    @torch.no_grad()
    def _play(
        self, batch: Batch, module: MotorPolicy, vectors: np.ndarray, seeds: Sequence[int]
    ) -> tuple[np.ndarray, int]:
        """Sums of rewards and steps of a group's candidates."""
        shape = (len(vectors), len(seeds))
        act = Population(module, torch.from_numpy(vectors))
        state = module.initial_state(*shape)
        observation = batch.reset(list(seeds) * shape[0])
        totals, lost, steps = np.zeros(len(observation)), np.zeros(len(observation), bool), 0
        for _ in range(self.steps):
            seen = torch.from_numpy(observation.reshape(*shape, -1))
            action, state = act(seen, state)
            actions = action.numpy().reshape(len(observation), -1)
            if not np.isfinite(actions).all():
                lost |= ~np.isfinite(actions).all(1)
                actions = np.where(np.isfinite(actions), actions, 0.0)
            steps += int((~batch.ended).sum())
            observation, rewards = batch.step(np.clip(actions, -1.0, 1.0))
            totals += rewards
            if batch.ended.all() or self._stop.is_set():
                break
        totals[lost | batch.diverged | ~np.isfinite(totals)] = np.nan
        return totals.reshape(shape), steps

    def _batch(self, group: int, count: int, threads: int) -> Batch:
        if (group, count, threads) not in self._batches:
            self._batches[group, count, threads] = open_batch(self.spec, count, self.steps, threads)
        return self._batches[group, count, threads]


_kept: dict[str, Rollouts] = {}
"""Environments of this worker, which stay for the next share; one kind at a time."""


def _play_share(share: tuple[EnvSpec, int, MotorPolicy, np.ndarray, tuple[int, ...]]) -> Returns:
    spec, steps, module, vectors, seeds = share
    key = repr((spec.id, sorted(spec.kwargs.items()), steps))
    if key not in _kept:
        while _kept:
            _kept.popitem()[1].close()
        _kept[key] = Rollouts(spec, steps)
    return _kept[key].returns(module, vectors, seeds)


def returns(
    module: MotorPolicy,
    vectors: np.ndarray,
    spec: EnvSpec,
    seeds: Sequence[int],
    steps: int,
    workers: int = 1,
) -> np.ndarray:
    """Returns (P, E) of `Rollouts` that live for this call."""
    with Rollouts(spec, steps, workers) as rollouts:
        return rollouts.returns(module, vectors, seeds).values
