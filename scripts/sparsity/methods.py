"""Methods of the sparsity scoreboard and what each may spend.

The sparsifier on the dense model has taken that model's steps and those of its rounds when it
reaches a number of ReLUs on one path; every other method gets as many for that number of ReLUs, and
so does every member of the sparsifier on a network of its own that fine-tunes on branches
(`progressive`): what lies behind a member is its budget, though the family together costs more
than a path (the CPU seconds in its rows are those of all members so far). On one path
(`progressive_path`, an ablation) that network, of 72 ReLUs and not 128, has fewer removals before
the first round: it takes 400 steps less on the default schedule, and its rows state the budget.
"""

from __future__ import annotations

import dataclasses
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from scripts.sparsity.tasks import Setting
from sparsectl import dynamics
from sparsectl.sparsify import SparsifyConfig, baselines, sparsify
from sparsectl.sparsify.baselines import Budget, Member
from sparsectl.sparsify.rounds import stages


@dataclass(frozen=True)
class Schedule:
    """Numbers of ReLUs that are walked, and gradient steps."""

    counts: tuple[int, ...]
    """Descending, below those of the dense model."""
    dense: int
    """Steps of the dense model."""
    start: int
    """Its ReLUs."""
    removal: int
    """The sparsifier's steps after each of a round's removals."""
    finetune: int
    """Its steps at the end of each round."""
    rate: float
    """Peak learning rate of all methods."""

    def config(self, seed: int, hidden: tuple[int, ...] = ()) -> SparsifyConfig:
        """The sparsifier on one path; `hidden` is trained for as long as the dense model."""
        return SparsifyConfig(
            counts=self.counts, hidden=hidden, initial_steps=self.dense, seed=seed, branch=False,
            removal_steps=self.removal, finetune_steps=self.finetune, learning_rate=self.rate,
        )  # fmt: skip

    def branching(self, seed: int, hidden: tuple[int, ...]) -> SparsifyConfig:
        """The sparsifier on branches: few first steps, the rest of the budget at every member."""
        return dataclasses.replace(
            self.config(seed, hidden), branch=True, initial_steps=self.dense // 3,
            total_steps=tuple(self.total(n) for n in self.counts),
        )  # fmt: skip

    def rounds(self) -> list[tuple[int, int]]:
        """(number of ReLUs, steps) of every round."""
        pairs = itertools.pairwise((self.start, *self.counts))
        stride = self.config(0).stride
        # Fine-tuning takes the place of the steps after a round's last removal.
        removals = [(n, len(stages(before, n, stride)) - 1) for before, n in pairs]
        return [(n, self.finetune + self.removal * more) for n, more in removals]

    def total(self, count: int) -> int:
        """Gradient steps in all of a model with this number of ReLUs."""
        return self.dense + sum(steps for _, steps in self.down_to(count))

    def down_to(self, count: int) -> list[tuple[int, int]]:
        """Rounds up to a number of ReLUs."""
        return self.rounds()[: 1 + self.counts.index(count)]


Members = Callable[[Setting, Member, Schedule, Sequence[int], int], Iterator[Member]]
"""(task, dense model, schedule, numbers of ReLUs wanted, seed) -> members with their steps."""


@dataclass(frozen=True)
class Job:
    """A method as the scoreboard runs it."""

    members: Members
    path: bool = False
    """One run passes through all numbers of ReLUs of the schedule; else each has its own."""
    from_nothing: bool = False
    """The dense model is not used, so its CPU seconds are none of the method's."""


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


def progressive(deep: bool, branch: bool = False) -> Job:
    """The sparsifier, from the dense model or from a network of three layers of 24 ReLUs."""

    def members(
        s: Setting, start: Member, schedule: Schedule, counts: Sequence[int], seed: int
    ) -> Iterator[Member]:
        hidden = (24, 24, 24) if deep else ()
        short = dataclasses.replace(
            schedule, counts=tuple(n for n in schedule.counts if n >= min(counts))
        )
        config = short.branching(seed, hidden) if branch else short.config(seed, hidden)
        train = dataclasses.replace(s.experiment.train, seed=seed)
        kind = "branching" if branch else "progressive"
        facts = (*hidden, schedule.rate, *short.counts, config.initial_steps, schedule.removal)
        name = "-".join(map(str, (kind, *facts, schedule.finetune, seed)))
        folder = s.folder / name
        started, resumed = time.process_time(), (folder / "family.json").exists()
        family = sparsify(
            start.model, s.episodes, s.map, config, train, run_dir=folder, progress=False
        )
        seconds = sum(m.cpu_seconds for m in family.members)
        # The time of the deep network is in no member.
        seconds = max(0.0, time.process_time() - started - seconds) if deep and not resumed else 0.0
        for member in family.members:
            seconds += member.cpu_seconds
            if member.path is not None:
                model, _ = dynamics.load(folder / member.path)
                assert isinstance(model, dynamics.MLPDynamics)
                # A round that was retried has spent more, but its result is one of this budget.
                yield Member(model, member.relus, schedule.total(member.target), seconds)

    return Job(members, path=True, from_nothing=deep)


def _scratch(shape: baselines.Shape, skip: bool, lanes: bool = False) -> Job:
    method = partial(baselines.scratch, shape=shape, skip=skip, lanes=lanes)
    return one_by_one(method, from_nothing=True)


METHODS: dict[str, Job] = {
    "progressive": progressive(deep=True, branch=True),
    "progressive_path": progressive(deep=True),
    "progressive_dense": progressive(deep=False),
    "one_shot": one_by_one(baselines.one_shot),
    "magnitude": along(baselines.magnitude_path),
    "frequency": along(baselines.frequency_path),
    "snl": one_by_one(baselines.snl),
    "scratch_two_skip": _scratch("two", True),
    "scratch_one_skip": _scratch("one", True),
    "scratch_three_lanes": _scratch("three", True, lanes=True),
    "scratch_two": _scratch("two", False),
    "scratch_one": _scratch("one", False),
}
