"""Remove some ReLUs, fine-tune, repeat."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from sparsectl.data import Episodes
from sparsectl.dynamics import MLPDynamics
from sparsectl.sparsify.baselines.base import (
    Budget,
    Clock,
    Member,
    check_count,
    halvings,
    shares,
    trajectories,
)
from sparsectl.sparsify.batches import Batches
from sparsectl.sparsify.descent import fit
from sparsectl.task import StateMap

Cut = Callable[[MLPDynamics, Batches, int], MLPDynamics]
"""(model, data, number of ReLUs to keep) -> untrained rest; the given model stays as it is."""
Rounds = Sequence[tuple[int, int]]
"""(ReLUs to keep, gradient steps of fine-tuning) of every round."""


def rounds_to(count: int, available: int, budget: Budget) -> list[tuple[int, int]]:
    """Rounds that halve the number of ReLUs, with equal shares of what is left of the budget."""
    counts = halvings(available, count)
    return list(zip(counts, shares(budget.left, counts), strict=True))


def iterate(
    method: str,
    cut: Cut,
    available: int,
    model: MLPDynamics,
    episodes: Episodes,
    state_map: StateMap,
    rounds: Rounds,
    budget: Budget,
    seed: int,
) -> Iterator[Member]:
    """The model after every round; learning rates start anew in each ("rewinding" of the
    schedule, Renda, Frankle and Carbin 2020, which beats fine-tuning at a low rate).

    Args:
        method: its name.
        cut: what a round removes.
        available: ReLUs of the model.
        model: trained; left as it is.
        episodes, state_map: data.
        rounds: numbers of ReLUs, descending, and steps; `budget.steps` plays no role here.
        budget: of the rest.
        seed: of split and batches.

    Raises:
        ConfigError: a count above the one before, or below 0.
        TrainingDiverged: see `fit`.
    """
    clock, steps = Clock(), budget.spent
    batches = Batches.of(trajectories(episodes, state_map, budget.train, seed), budget.train)
    for count, more in rounds:
        check_count(count, available, method)
        model = cut(model, batches, count)
        fit(model, batches, budget.training(more, seed), f"{method} {count}")
        available, steps = count, steps + more
        yield Member(model, count, steps, clock.seconds)
