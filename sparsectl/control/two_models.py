"""A planner with two models: a global plan on a sparse one, refined on the dense one.

A model of few ReLUs can be searched globally, but its plan is only as good as its predictions; a
dense model predicts well, but is searched locally. Part of the time goes to the mixed-integer
planner on the sparse program. The different plans that it met, and the last plan moved on, are
where a gradient or sampling planner starts on the dense model in the rest of the time.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sparsectl import dynamics
from sparsectl.control.base import Controller, ControllerState
from sparsectl.control.candidates import candidates, exact_costs
from sparsectl.control.plans import finish, no_plan
from sparsectl.control.wrappers.supervised import expected
from sparsectl.dynamics.lower import programs
from sparsectl.errors import CheckpointError, ConfigError, prefixed
from sparsectl.task import Problem, Task
from sparsectl.types import Plan, Status

if TYPE_CHECKING:
    from sparsectl.control.config import Setup
    from sparsectl.control.settings import TwoModelsConfig
    from sparsectl.dynamics import Model

_FACTS = ("steps", "samples")
_WRAP_UP = 0.003
"""Kept free at the end for the exact rollouts [s]."""
_ENOUGH = 0.2
"""With less time than this for both, `refine: auto` refines by cem alone [s]."""


@dataclass(frozen=True)
class Memory:
    """What the parts of the planner remember: the global one, and the refiners in order."""

    sparse: Any = None
    refiners: tuple[Any, ...] = (None, None)


class TwoModels(Controller):
    """Global plan on a sparse model, refined on the dense model before the same deadline.

    `Plan.cost` is that of the dense program, and `Plan.bound` is None: what is proved about the
    sparse model says nothing about the dense one. `Plan.info` has

    - `sparse_status`, `sparse_cost`, `sparse_bound`, `sparse_gap`, `sparse_seconds`: the global
      plan under the sparse model; `sparse_message` where there is none or it is softened;
    - `plans`: how many plans of the sparse model were refined;
    - `unrefined`: cost of the global plan under the dense model, and `improvement`: how much
      less the returned plan costs there, both with penalties of violations (None without one);
    - `chosen`: "refined", "sparse", "given" or "warm" (the last plan moved on, or idle);
    - `refinement`: why the dense model could not be planned with, where it could not.

    Args:
        setup: the dense model and the task.

    Raises:
        CheckpointError: the sparse model; see `load_sparse`.
    """

    takes_starts = True

    def __init__(self, setup: Setup, config: TwoModelsConfig) -> None:
        super().__init__(setup)
        self.config, sparse = config, load_sparse(config, setup.task)
        few = replace(setup, dynamics=sparse, program=programs(sparse))
        self._global = config.mip.build(few)
        self._refiners: list[Controller] = []
        if config.refine != "gradient":
            self._refiners.append(config.cem.build(setup))
        if config.refine != "cem":
            self._refiners.append(config.gradient.build(setup))

    def solve(
        self,
        problem: Problem,
        state: ControllerState,
        *,
        deadline: float | None = None,
        starts: Sequence[np.ndarray] = (),
    ) -> tuple[Plan, Memory]:
        """Best plan under the dense model; `HEURISTIC`, or `FAILED` when neither has one."""
        config, started = self.config, time.perf_counter()
        if deadline is None and config.seconds is not None:
            deadline = started + config.seconds
        part = None if deadline is None else started + config.share * (deadline - started)
        end = None if deadline is None else deadline - _WRAP_UP
        memory = state.memory if isinstance(state.memory, Memory) else Memory()
        own = replace(state, memory=memory.sparse)
        sparse, prepared = _attempt(self._global, problem, own, part, starts)
        found = sparse.alternatives[: config.plans]
        between = time.perf_counter()
        first = [*starts, *reversed(found)]
        refined, remembered = self._refine(problem, state, memory, end, first)
        facts = {k: plan.info[k] for plan in refined for k in _FACTS if k in plan.info}
        info = {**facts, **_about(sparse, between - started), "plans": len(found)}
        failed = [p.info.get("message", "") for p in refined if not p.status.has_plan]
        if failed:
            info["refinement"] = failed[0]
        warm = candidates(self.task, state, problem.horizon)
        choice = [("refined", plan.actions) for plan in reversed(refined)]
        choice += [("sparse", a) for a in (sparse.actions, *found)]
        choice += [("given", a) for a in starts] + [("warm", a) for a in warm]
        plan = self._best(problem, choice, sparse, _joined(refined, between - started), info)
        return plan, Memory(prepared, remembered)

    def _refine(
        self,
        problem: Problem,
        state: ControllerState,
        memory: Memory,
        end: float | None,
        starts: list[np.ndarray],
    ) -> tuple[list[Plan], tuple[Any, ...]]:
        """Plan of each refiner in turn, the later ones starting from the earlier ones' too."""
        done: list[Plan] = []
        remembered = list(memory.refiners)
        short = end is not None and end - time.perf_counter() < _ENOUGH
        refiners = self._refiners[:1] if self.config.refine == "auto" and short else self._refiners
        for k, refiner in enumerate(refiners):
            now = time.perf_counter()
            part = None if end is None else now + (end - now) / (len(refiners) - k)
            known = [*starts, *(p.actions for p in done if p.status.has_plan)]
            own = replace(state, memory=remembered[k])
            found, remembered[k] = _attempt(refiner, problem, own, part, known)
            done.append(replace(found, seconds=time.perf_counter() - now))
        return done, tuple(remembered)

    def _best(
        self,
        problem: Problem,
        choice: list[tuple[str, np.ndarray]],
        sparse: Plan,
        trace: tuple[tuple[float, float, float], ...],
        info: dict[str, Any],
    ) -> Plan:
        """The best of named plans in the exact dense program; the global one if none is finite."""
        choice = [(name, a) for name, a in choice if len(a) == problem.horizon]
        program = self.program.at(problem)
        costs = exact_costs(program, problem, np.stack([a for _, a in choice]))
        best = int(np.argmin(costs))
        has_sparse = sparse.status.has_plan and sparse.horizon == problem.horizon
        if not np.isfinite(costs[best]):
            info["message"] = "the dense model's rollouts are not finite"
            if has_sparse:
                chosen = {"chosen": "sparse", "violation": sparse.info.get("violation", 0.0)}
                return Plan(
                    sparse.actions, sparse.states, Status.HEURISTIC, float("inf"),
                    source="two_models", info={**info, **chosen},
                )  # fmt: skip
            empty = no_plan(problem, Status.FAILED, info["message"], source="two_models")
            return replace(empty, info=info)
        index = next((i for i, (name, _) in enumerate(choice) if name == "sparse"), None)
        unrefined = costs[index] if has_sparse and index is not None else np.inf
        known = bool(np.isfinite(unrefined))
        info["unrefined"] = float(unrefined) if known else None
        info["improvement"] = float(unrefined - costs[best]) if known else None
        name, actions = choice[best]
        info["chosen"] = name
        return finish(program, problem, actions, source="two_models", trace=trace, info=info)


def _attempt(
    planner: Controller,
    problem: Problem,
    state: ControllerState,
    deadline: float | None,
    starts: Sequence[np.ndarray],
) -> tuple[Plan, Any]:
    """What a part of the planner found; its failure is an outcome, for the other part to mend."""
    try:
        return planner.solve(problem, state, deadline=deadline, starts=starts)
    except Exception as error:
        if isinstance(error, ConfigError) or not expected(error):
            raise
        message = f"{type(error).__name__}: {error}"
        return no_plan(problem, Status.FAILED, message, source="two_models"), state.memory


def _joined(plans: list[Plan], started: float) -> tuple[tuple[float, float, float], ...]:
    """Improvements over all plans that were made one after another from `started` [s] on."""
    trace: list[tuple[float, float, float]] = []
    for plan in plans:
        for seconds, cost, bound in plan.trace:
            if not trace or cost < trace[-1][1]:
                trace.append((started + seconds, cost, bound))
        started += plan.seconds
    return tuple(trace)


def _about(sparse: Plan, seconds: float) -> dict[str, Any]:
    """Facts about the global plan."""
    facts = {
        "sparse_status": str(sparse.status),
        "sparse_cost": sparse.cost if sparse.status.has_plan else None,
        "sparse_bound": sparse.bound,
        "sparse_gap": sparse.gap,
        "sparse_seconds": seconds,
    }
    message = sparse.info.get("softened")
    if not sparse.status.has_plan:
        message = sparse.info.get("message") or sparse.status.advice
    return {**facts, "sparse_message": message} if message else facts


def load_sparse(config: TwoModelsConfig, task: Task) -> Model:
    """The sparse model of a config, fitted to the task.

    Raises:
        CheckpointError: missing, damaged, or of other states or actions. That it is of the same
            environment, only who knows the environment can check.
    """
    path = Path(config.sparse)
    with prefixed("sparse", CheckpointError):
        model, meta = dynamics.load(path)
        names = task.map.names
        dynamics.check_compatible(
            meta, env_id=meta.get("env_id") or "this task", dynamics=model, nx=task.nx,
            nu=task.nu, names=names, where=path,
        )  # fmt: skip
    return model
