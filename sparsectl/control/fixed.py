"""Controllers that do not plan: the floors that every planner must clear."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sparsectl.control.base import Controller, ControllerState, finish, idle_action
from sparsectl.control.config import ControllerConfig, Setup, register
from sparsectl.task import Problem
from sparsectl.types import Plan


@register("zero")
@dataclass(frozen=True)
class ZeroConfig(ControllerConfig):
    """Nothing to set."""

    def build(self, setup: Setup) -> Zero:
        """See `ControllerConfig.build`."""
        return Zero(setup)


@register("random")
@dataclass(frozen=True)
class RandomConfig(ControllerConfig):
    """Nothing to set."""

    def build(self, setup: Setup) -> Random:
        """See `ControllerConfig.build`."""
        return Random(setup)


@register("proposal")
@dataclass(frozen=True)
class FollowConfig(ControllerConfig):
    """Nothing to set but the `proposal` that every entry may have."""

    takes_starts, starts_mip = True, False

    def build(self, setup: Setup) -> Follow:
        """See `ControllerConfig.build`."""
        return Follow(setup)


class Zero(Controller):
    """Always the idle action (zero, clipped into the box)."""

    def solve(
        self,
        problem: Problem,
        state: ControllerState,
        *,
        deadline: float | None = None,
        starts: Sequence[np.ndarray] = (),
    ) -> tuple[Plan, Any]:
        """The idle action at every step."""
        actions = np.repeat(idle_action(self.task)[None], problem.horizon, axis=0)
        return finish(self.program, problem, actions, source="zero"), None


class Random(Controller):
    """Actions uniform over the box, the same ones for the same state."""

    def solve(
        self,
        problem: Problem,
        state: ControllerState,
        *,
        deadline: float | None = None,
        starts: Sequence[np.ndarray] = (),
    ) -> tuple[Plan, Any]:
        """Independent uniform actions."""
        size = (problem.horizon, problem.nu)
        actions = state.rng("random").uniform(problem.u_low, problem.u_high, size)
        return finish(self.program, problem, actions, source="random"), None


class Follow(Controller):
    """Does what it is given: the floor that planning from a proposal must clear."""

    takes_starts = True

    def solve(
        self,
        problem: Problem,
        state: ControllerState,
        *,
        deadline: float | None = None,
        starts: Sequence[np.ndarray] = (),
    ) -> tuple[Plan, Any]:
        """The last of the starts; idle without one."""
        idle = np.zeros((problem.horizon, problem.nu))
        actions, source = (starts[-1], "proposal") if len(starts) else (idle, "idle")
        return finish(self.program, problem, actions, source=source), None
