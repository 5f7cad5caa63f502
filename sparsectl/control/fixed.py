"""Controllers that do not plan: the floors that every planner must clear."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from sparsectl.control.base import Controller, ControllerState, idle_action
from sparsectl.control.config import ControllerConfig, Setup, register
from sparsectl.control.plans import finish
from sparsectl.task import Problem
from sparsectl.types import Plan


@dataclass(frozen=True)
class _Bare(ControllerConfig):
    """Nothing to set."""

    makes: ClassVar[type[Controller]]

    def build(self, setup: Setup) -> Controller:
        """See `ControllerConfig.build`."""
        return self.makes(setup)


class Zero(Controller):
    """Always the idle action (zero, clipped into the box)."""

    def solve(self, problem: Problem, state: ControllerState, **_: Any) -> tuple[Plan, Any]:
        """The idle action at every step."""
        actions = np.repeat(idle_action(self.task)[None], problem.horizon, axis=0)
        return finish(self.program, problem, actions, source="zero"), None


class Random(Controller):
    """Actions uniform over the box or its levels, the same ones for the same state."""

    def solve(self, problem: Problem, state: ControllerState, **_: Any) -> tuple[Plan, Any]:
        """Independent uniform actions."""
        rng = state.rng("random")
        if problem.inputs is not None:
            actions = problem.inputs.draw(rng, problem.horizon)
        else:
            size = (problem.horizon, problem.nu)
            actions = rng.uniform(problem.u_low, problem.u_high, size)
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


@register("zero")
class ZeroConfig(_Bare):
    """Settings of `Zero`: none."""

    makes = Zero


@register("random")
class RandomConfig(_Bare):
    """Settings of `Random`: none."""

    makes = Random


@register("proposal")
class FollowConfig(_Bare):
    """Settings of `Follow`: none but the `proposal` that every entry may have."""

    makes, takes_starts, starts_mip = Follow, True, False
