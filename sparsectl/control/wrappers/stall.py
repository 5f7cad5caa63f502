"""A way out for a planner whose last action did nothing of what its model predicted."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from sparsectl.control.base import Controller, ControllerState, Wrapper
from sparsectl.control.plans import finish
from sparsectl.errors import ConfigError
from sparsectl.task import Problem
from sparsectl.task.levels import Levels
from sparsectl.types import Plan, Status

if TYPE_CHECKING:
    from sparsectl.program import Programs

SHARE = 0.05
"""A decision stalled when no state entry changed by more than this share of the largest change
that was predicted."""
GROWTH = 4
"""Noise grows with every stall in a row, up to this multiple."""


@dataclass(frozen=True)
class Memory:
    """What `inner` remembers, and the decisions in a row, up to now, after which noise acted."""

    inner: Any = None
    stalls: int = 0


class StallNoise(Wrapper):
    """Adds noise to `inner`'s next action while the state stays as it is.

    A planner that is back in the state it planned from makes the same plan again, however often
    the world shows that its model is wrong about it. Where the last plan predicted a change and
    (nearly) none came, Gaussian noise is added to the first action: of standard deviation `noise`
    after one such decision, 2 `noise` after two in a row, and so on up to `GROWTH` times it.
    Where the noise is too small to change a level, one of the entries takes another of its levels.
    Everywhere else, and with idle plans, `inner` acts as it is.
    `info["stalls"]` counts them.

    Args:
        program: exact model, for the cost of the plan that acts.
        noise: 1 is half the action box.

    Raises:
        ConfigError: noise that is not above 0.
    """

    def __init__(self, inner: Controller, program: Programs, noise: float) -> None:
        if not 0 < noise < np.inf:
            raise ConfigError(f"stall noise is {noise}, expected above 0")
        super().__init__(inner)
        self.program, self.noise = program, noise

    def solve(self, problem: Problem, state: ControllerState, **given: Any) -> tuple[Plan, Memory]:
        """As `inner`'s, and out of a stall."""
        memory = state.memory if isinstance(state.memory, Memory) else Memory()
        own = replace(state, memory=memory.inner)
        plan, inner = self.inner.solve(problem, own, **given)
        count = 1 + memory.stalls if stalled(state, problem.x0) else 0
        noisy = self._noisy(problem, state, plan, count) if count else None
        return (plan, Memory(inner)) if noisy is None else (noisy, Memory(inner, count))

    def _noisy(
        self, problem: Problem, state: ControllerState, plan: Plan, count: int
    ) -> Plan | None:
        """The plan with noise after so many stalls in a row; None where there is none to change."""
        if not (plan.status.has_plan and plan.horizon):
            return None
        rng, half = state.rng("stall"), (problem.u_high - problem.u_low) / 2
        actions = plan.actions.copy()
        actions[0] += min(count, GROWTH) * self.noise * half * rng.standard_normal(problem.nu)
        levels = Levels.of(problem)
        if levels is not None and np.array_equal(problem.admit(actions)[0], plan.actions[0]):
            actions[0] = _another(rng, levels, problem, plan.actions[0])
        info = {k: v for k, v in plan.info.items() if k != "violated"} | {"stalls": count}
        other = finish(self.program, problem, actions, source=f"{plan.source}, noise", info=info)
        if not other.status.has_plan:
            return None
        status = plan.status if plan.status is Status.SOFTENED else other.status
        other = replace(other, status=status, seconds=plan.seconds, trace=plan.trace)
        if "violated" in other.info:  # the bound is that of plans that keep the constraints
            return other
        return replace(other, bound=plan.bound, certificate=plan.certificate)


def _another(
    rng: np.random.Generator, levels: Levels, problem: Problem, action: np.ndarray
) -> np.ndarray:
    """An action of which one entry has another level. Shape (nu,)."""
    middle, half = (problem.u_high + problem.u_low) / 2, (problem.u_high - problem.u_low) / 2
    z = (action - middle) / np.maximum(half, 1e-12)
    index, k = levels.index(z), rng.integers(len(levels.entries))
    index[k] = (index[k] + rng.integers(1, levels.count[k])) % levels.count[k]
    return middle + half * levels.placed(index, z)


def stalled(state: ControllerState, x: np.ndarray) -> bool:
    """Whether nothing changed as the last plan predicted. x: Shape (nx,)."""
    last = state.plan
    if last is None or len(last.states) < 2 or last.states.shape[1:] != x.shape:
        return False
    predicted = np.abs(last.states[1] - last.states[0]).max()
    changed = np.abs(x - last.states[0]).max()
    return bool(np.isfinite(predicted) and predicted > 0 and changed <= SHARE * predicted)
