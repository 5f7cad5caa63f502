"""Remove some ReLUs, fine-tune, repeat."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from sparsectl.data import Episodes
from sparsectl.dynamics import MLPConfig, MLPDynamics
from sparsectl.dynamics.fit import Batches, fit
from sparsectl.dynamics.kinds import count_relus
from sparsectl.errors import ConfigError
from sparsectl.sparsify.baselines.base import Budget, Member, Method, check_count
from sparsectl.task import StateMap

Rounds = Sequence[tuple[int, int]]
"""(ReLUs to keep, gradient steps of fine-tuning) of every round."""


def rounds_to(count: int, available: int, budget: Budget) -> list[tuple[int, int]]:
    """Rounds that halve the number of ReLUs, `(100, 20) -> [50, 25, 20]`, with equal shares of
    what is left of the budget; the later ones get the remainder.

    Raises:
        ConfigError: fewer steps than rounds.
    """
    counts, half = [], available // 2
    while half > max(count, 1):
        counts.append(half)
        half //= 2
    counts.append(count)
    steps, n = budget.left, len(counts)
    if steps < n:
        raise ConfigError(f"{steps} steps are too few for {n} rounds: give at least one a round")
    return [(c, steps * (i + 1) // n - steps * i // n) for i, c in enumerate(counts)]


@dataclass(frozen=True)
class Iterative:
    """A method that removes in rounds, which are halvings where none are given.

    Learning rates start anew in each round ("rewinding" of the schedule, Renda, Frankle and
    Carbin 2020, which beats fine-tuning at a low rate).

    Attributes:
        name, start: see `Method`.
        cut: (network, data, ReLUs to keep) -> untrained rest; the network stays as it is.
    """

    name: str
    cut: Callable[[MLPDynamics, Batches, int], MLPDynamics]
    start: Callable[[MLPConfig | MLPDynamics, str], MLPDynamics]

    def method(self) -> Method:
        """In halvings of the number of ReLUs, which share `budget.left`."""

        def reach(
            model: MLPDynamics, batches: Batches, count: int, budget: Budget, seed: int
        ) -> MLPDynamics:
            for kept, steps in rounds_to(count, count_relus(model), budget):
                model = self._round(model, batches, kept, budget, seed, steps)
            return model

        return Method(self.name, self.start, reach)

    def path(
        self, model: MLPConfig | MLPDynamics, episodes: Episodes, state_map: StateMap,
        rounds: Rounds, budget: Budget, seed: int,
    ) -> Iterator[Member]:  # fmt: skip
        """The model after every round.

        Args:
            rounds: descending.
            budget: `spent` and `train` count, the steps are those of the rounds.

        Raises:
            SparsectlError, TrainingDiverged: see `Method`.
            ConfigError: a count above the one before, below 0, or that `cut` refuses.
        """
        started, model = time.process_time(), self.start(model, self.name)
        batches, steps = budget.batches(episodes, state_map, seed, model), budget.spent
        for count, more in rounds:
            model, steps = self._round(model, batches, count, budget, seed, more), steps + more
            yield Member(model, count, steps, time.process_time() - started)

    def _round(
        self, model: MLPDynamics, batches: Batches, count: int, budget: Budget, seed: int,
        steps: int,
    ) -> MLPDynamics:  # fmt: skip
        check_count(count, count_relus(model), self.name)
        model = self.cut(model, batches, count)
        fit(model, batches, budget.training(steps, seed), f"{self.name} {count}")
        return model
