"""Remove some ReLUs, fine-tune, repeat."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from sparsectl.data import Episodes
from sparsectl.dynamics import MLPConfig, MLPDynamics
from sparsectl.dynamics.fit import Batches, fit
from sparsectl.dynamics.kinds import count_relus
from sparsectl.sparsify.baselines.base import (
    Budget,
    Clock,
    Member,
    check_count,
    halvings,
    shares,
)
from sparsectl.task import StateMap

Cut = Callable[[MLPDynamics, Batches, int], MLPDynamics]
"""(model, data, number of ReLUs to keep) -> untrained rest; the given model stays as it is."""
Rounds = Sequence[tuple[int, int]]
"""(ReLUs to keep, gradient steps of fine-tuning) of every round."""


def rounds_to(count: int, available: int, budget: Budget) -> list[tuple[int, int]]:
    """Rounds that halve the number of ReLUs, with equal shares of what is left of the budget."""
    counts = halvings(available, count)
    return list(zip(counts, shares(budget.left, counts), strict=True))


class Iterative:
    """A method that removes in rounds: called, in halvings of the number of ReLUs.

    Args:
        name: of the method, for messages.
        cut: what a round removes.
        check: (model, name) -> the trained network that the method starts from.
    """

    def __init__(
        self, name: str, cut: Cut, check: Callable[[MLPConfig | MLPDynamics, str], MLPDynamics]
    ) -> None:
        self.name, self.cut, self.check = name, cut, check

    def __call__(
        self,
        model: MLPConfig | MLPDynamics,
        episodes: Episodes,
        state_map: StateMap,
        count: int,
        budget: Budget,
        seed: int,
    ) -> Member:
        """The last member of rounds that share `budget.left` steps; otherwise as `path`."""
        trained = self.check(model, self.name)
        rounds = rounds_to(count, count_relus(trained), budget)
        *_, last = self.path(trained, episodes, state_map, rounds, budget, seed)
        return last

    def path(
        self,
        model: MLPConfig | MLPDynamics,
        episodes: Episodes,
        state_map: StateMap,
        rounds: Rounds,
        budget: Budget,
        seed: int,
    ) -> Iterator[Member]:
        """The model after every round; learning rates start anew in each ("rewinding" of the
        schedule, Renda, Frankle and Carbin 2020, which beats fine-tuning at a low rate).

        Args:
            model: trained network; left as it is.
            episodes, state_map: data.
            rounds: numbers of ReLUs to keep, descending, and steps of fine-tuning.
            budget: `spent` and `train` count, the steps are those of the rounds.
            seed: of split and batches.

        Raises:
            SparsectlError: a model that the method cannot start from.
            ConfigError: a count above the one before, below 0, or that `cut` refuses.
            TrainingDiverged: see `fit`.
        """
        model = self.check(model, self.name)
        clock, steps, available = Clock(), budget.spent, count_relus(model)
        batches = budget.batches(episodes, state_map, seed)
        for count, more in rounds:
            check_count(count, available, self.name)
            model = self.cut(model, batches, count)
            fit(model, batches, budget.training(more, seed), f"{self.name} {count}")
            available, steps = count, steps + more
            yield Member(model, count, steps, clock.seconds)
