"""Methods of the sparsity scoreboard and what each may spend.

A progressive method has trained `dense + i * round` steps when it reaches the i-th number of ReLUs
of the schedule (i = 1, 2, ...); every other method gets the same number for that number of ReLUs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from sparsity_tasks import Setting

from sparsectl.sparsify import baselines
from sparsectl.sparsify.baselines import Budget, Member


@dataclass(frozen=True)
class Schedule:
    """Numbers of ReLUs that are walked, and steps.

    Attributes:
        counts: descending.
        dense: steps of the dense model.
        round: steps of every round.
    """

    counts: tuple[int, ...]
    dense: int
    round: int

    def total(self, count: int) -> int:
        """Gradient steps in all of a model with this number of ReLUs."""
        return self.dense + self.round * (1 + self.counts.index(count))

    def down_to(self, count: int) -> list[tuple[int, int]]:
        """Rounds (number of ReLUs, steps) up to a number of ReLUs."""
        return [(n, self.round) for n in self.counts[: 1 + self.counts.index(count)]]


Members = Callable[[Setting, Member, Schedule, Sequence[int], int], Iterator[Member]]
"""(task, dense model, schedule, numbers of ReLUs wanted, seed) -> members with their steps."""


@dataclass(frozen=True)
class Job:
    """A method as the scoreboard runs it.

    Attributes:
        members: trains and gives models.
        path: one run passes through all numbers of ReLUs of the schedule; else every number of
            ReLUs is a run of its own.
        from_nothing: the dense model is not used, so its CPU seconds are none of the method's.
    """

    members: Members
    path: bool = False
    from_nothing: bool = False


def one_by_one(method: Callable[..., Member], from_nothing: bool = False) -> Job:
    """A method that starts anew for every number of ReLUs."""

    def members(
        s: Setting, start: Member, schedule: Schedule, counts: Sequence[int], seed: int
    ) -> Iterator[Member]:
        for count in counts:
            budget = Budget(s.experiment.train, schedule.total(count), start.steps)
            yield method(start.model, s.episodes, s.map, count, budget, seed)

    return Job(members, from_nothing=from_nothing)


def along(path: Callable[..., Iterator[Member]]) -> Job:
    """A method that passes through all numbers of ReLUs of the schedule."""

    def members(
        s: Setting, start: Member, schedule: Schedule, counts: Sequence[int], seed: int
    ) -> Iterator[Member]:
        rounds = schedule.down_to(min(counts))
        budget = Budget(s.experiment.train, schedule.total(min(counts)), start.steps)
        yield from path(start.model, s.episodes, s.map, rounds, budget, seed)

    return Job(members, path=True)


def _scratch(shape: baselines.Shape, skip: bool) -> Job:
    return one_by_one(partial(baselines.scratch, shape=shape, skip=skip), from_nothing=True)


METHODS: dict[str, Job] = {
    "magnitude": along(baselines.magnitude_path),
    "frequency": along(baselines.frequency_path),
    "snl": one_by_one(baselines.snl),
    "scratch_two_skip": _scratch("two", True),
    "scratch_one_skip": _scratch("one", True),
    "scratch_narrow": _scratch("narrow", True),
    "scratch_two": _scratch("two", False),
    "scratch_one": _scratch("one", False),
}
