"""The same questions about any controller, at starts that are drawn: nothing is proved."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import numpy as np

from sparsectl.control import Controller, ControllerState
from sparsectl.mip import Limits, solve
from sparsectl.program import ReluProgram
from sparsectl.task import Problem, Task
from sparsectl.verify.config import VerifyConfig
from sparsectl.verify.result import Clock, Result
from sparsectl.verify.starts import Starts
from sparsectl.verify.worst import Worst

_PLAYED = 0.7
"""Share of the time in which starts are played; the rest is for regret."""


@dataclass(frozen=True)
class Model:
    """A controller in the model.

    Attributes:
        program: [x; u] -> x'.
        task: from states to observations.
        near: observation whose entries that are no state hold. Shape (observation_size,).
        problem: cost, constraints and horizon, see `Task.problem` with `loose`.
    """

    controller: Controller
    program: ReluProgram
    task: Task
    near: np.ndarray
    problem: Problem

    def play(self, start: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """States (H + 1, nx) and actions (H, nu) from a start."""
        states, actions = [np.asarray(start, dtype=np.float64)], []
        memory = ControllerState()
        for _ in range(self.problem.horizon):
            seen = self.task.map.observation(states[-1], self.near)
            plan, memory = self.controller.decide(seen, memory)
            actions.append(self.controller.first_action(plan))
            states.append(self.program(np.concatenate([states[-1], actions[-1]])))
        return np.stack(states), np.stack(actions)

    def measured(self, states: np.ndarray, actions: np.ndarray) -> tuple[float, float]:
        """Cost and worst violation of a motion."""
        constraints = self.problem.constraints
        by = np.where(constraints.violated(states), constraints.excess(states), 0.0)
        return float(self.problem.cost(states, actions)), float(by.max(initial=0.0))


def sample(
    model: Model,
    plans: Problem | None,
    starts: Starts,
    config: VerifyConfig,
    count: int,
    notes: tuple[str, ...] = (),
) -> Result:
    """Play starts that are drawn evenly, as many as there is time for.

    Args:
        plans: problem of the plans that regret compares with; None: it is not asked for.
    """
    clock, rng = Clock(config.seconds), np.random.default_rng(0)
    drawn = starts.low + rng.random((count, len(starts.low))) * (starts.high - starts.low)
    rows: list[tuple[float, float]] = []
    tracks: list[tuple[np.ndarray, np.ndarray]] = []
    share = _PLAYED if plans is not None else 1.0
    for start in drawn:
        if rows and time.perf_counter() > clock.until(share):
            break
        tracks.append(model.play(start))
        rows.append(model.measured(*tracks[-1]))
    costs, by = (np.array(column) for column in zip(*rows, strict=True))
    n = len(rows)
    regret = None
    if plans is not None:
        found = _regrets(model, plans, drawn[:n], costs, tracks, clock)
        if np.isfinite(found).any():
            regret = _worst(np.where(np.isfinite(found), found, -np.inf), drawn)
    limited = not model.problem.constraints.empty
    notes = (*notes, f"sampled: {n} starts, nothing is proved about others")
    wall, cpu = clock.spent
    return Result(
        starts, model.problem.horizon, False, None, _worst(costs, drawn),
        _worst(by, drawn) if limited else None, regret, notes, wall, cpu,
    )  # fmt: skip


def _regrets(
    model: Model, plans: Problem, drawn: np.ndarray, costs: np.ndarray,
    tracks: list[tuple[np.ndarray, np.ndarray]], clock: Clock,
) -> np.ndarray:  # fmt: skip
    """Cost less that of the best plan found, of the most costly starts first. Shape (n,)."""
    found = np.full(len(costs), -np.inf)
    for k in np.argsort(-costs):
        left = clock.until(1.0) - time.perf_counter()
        if left <= 0:
            break
        first = plans.admit(tracks[k][1])
        plan = solve(
            model.program, replace(plans, x0=drawn[k]), starts=[first],
            limits=Limits(seconds=max(left / 4, 0.1)),
        )  # fmt: skip
        if plan.status.has_plan:
            found[k] = costs[k] - plan.cost
    return found


def _worst(values: np.ndarray, drawn: np.ndarray) -> Worst:
    k = int(np.argmax(values))
    return Worst(float(values[k]), drawn[k], np.inf, len(values), False, 0.0)
