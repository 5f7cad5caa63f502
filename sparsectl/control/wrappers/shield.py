"""A controller that acts only where a plan begins with its action that stays safe.

A predictive safety filter (Wabersich and Zeilinger 2021, arXiv:1812.05506). A plan is a
*certificate* where it keeps every hard constraint of the task for H steps under the model, those on
its end too. The action of the controller inside is applied where a certificate begins with it, else
the nearest one that has a certificate. What is known already is asked first: what the controller
itself would do next, the last certificate moved on, idling. Then the exact planner searches for the
certificate whose first action is nearest. Where there is none in time, of all that is known, the
rest of the last certificate among it, what violates least acts, and the plan says so.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from sparsectl.control.base import Controller, ControllerState, Wrapper, finish, idle_action
from sparsectl.control.mip import MIPController
from sparsectl.control.nearest import WithAction, distance, nearest
from sparsectl.errors import NonFiniteError
from sparsectl.task import Constraints, Problem
from sparsectl.task.cost import Cost
from sparsectl.types import Plan, Status

if TYPE_CHECKING:
    from sparsectl.control.config import Setup
    from sparsectl.control.settings import ShieldConfig

SAME = 1e-6
"""Actions that are no farther apart, in half widths of the action box, are the same."""
_LEAST, _WRAP_UP = 0.005, 0.004
"""With less time than the first there is no search; the second is kept free after it [s]."""


@dataclass(frozen=True)
class Memory:
    """What a shield remembers.

    Attributes:
        inner: memory of the controller inside.
        asked: its last plan, which it goes on from.
        certificate: the last one. Shape (H, nu), or None.
        step: decision that the certificate is of.
        search: memory of the search.
    """

    inner: Any = None
    asked: Plan | None = None
    certificate: np.ndarray | None = None
    step: int = 0
    search: Any = None


@dataclass(frozen=True)
class _Known:
    """Plans of a decision, the first one what the controller inside would do.

    Attributes:
        names: where they come from.
        plans: Shape (n, H, nu).
        states: under the model. Shape (n, H + 1, nx).
        away: of their first actions from the wish, see `nearest.distance`. Shape (n,).
        violation: summed over steps and constraints; inf where not finite. Shape (n,).
        safe: which of them are certificates. Shape (n,), bool.
    """

    names: tuple[str, ...]
    plans: np.ndarray
    states: np.ndarray
    away: np.ndarray
    violation: np.ndarray
    safe: np.ndarray

    @property
    def best(self) -> int:
        """The certificate that begins nearest to the wish; without one what violates least."""
        nearest_first = np.where(self.safe, self.away, np.inf)
        return int(np.argmin(nearest_first if self.safe.any() else self.violation))

    @property
    def settled(self) -> bool:
        """Whether a certificate begins with the wish itself."""
        return bool((self.safe & (self.away <= SAME)).any())


class Shield(Wrapper):
    """Lets a controller act where that is safe under the model, see above.

    `Plan.actions` are the certificate, and `Plan.cost` is what the task says of it. Without a
    certificate the plan is `SOFTENED`, `info["violated"]` says what it violates most and
    `info["softened"]` why. `info["shield"]` has

    - `certified`: whether the plan is a certificate;
    - `intervened`: whether another action is applied than the controller's, and `distance`: how
      far from it, see `nearest.distance`;
    - `needless`: of an intervention, whether what the controller would have done keeps all
      constraints for H steps but those on the end; None: not known;
    - `by`: where the plan comes from: "its own", "idle", "last certificate", "search";
    - `nearest`: what is proved of the distance ("optimal", ...); "" where nothing is;
    - `seconds`: time of the shield, without the controller's.

    Args:
        setup: model and task.
        config: settings.
        inner: the controller to shield, of the same task; its horizon may be another.
    """

    def __init__(self, setup: Setup, config: ShieldConfig, inner: Controller) -> None:
        super().__init__(inner)
        self.name, self.horizon, self.config = setup.name, setup.horizon, config
        self.takes_starts, self.looks_ahead, self.program = False, True, setup.program
        programs = WithAction(setup.program, setup.task.nu)
        settings = replace(config.mip, seconds=None)
        self._search = MIPController(replace(setup, program=programs), settings, [])
        self._free = setup.task.without_end()

    def solve(
        self,
        problem: Problem,
        state: ControllerState,
        *,
        deadline: float | None = None,
        starts: Sequence[np.ndarray] = (),
    ) -> tuple[Plan, Memory]:
        """A certificate that begins with the controller's action or near it, if there is one."""
        started = time.perf_counter()
        memory = state.memory if isinstance(state.memory, Memory) else Memory()
        asked, inner = self._ask(problem, state, memory, deadline)
        began = time.perf_counter()
        known = self._continuations(problem, state, replace(memory, inner=inner), asked)
        claim, why, search = "", "", memory.search
        if not known.settled:
            end = deadline
            if end is None and self.config.seconds is not None:
                end = began + self.config.seconds
            known, found, search = self._searched(problem, state, memory, known, end)
            claim, why = found.claim, found.info.get("softened") or found.info.get("message", "")
        best, wanted = known.best, asked.status.has_plan
        certified, acts = bool(known.safe[best]), wanted and bool(known.away[best] <= SAME)
        facts = {
            "certified": certified,
            "intervened": not acts,
            "needless": self._needless(problem, state, known) if wanted and not acts else None,
            "by": known.names[best],
            "distance": float(known.away[best]) if wanted else None,
            "nearest": claim if certified and wanted and not acts else "",
            "seconds": time.perf_counter() - began,
        }
        plan = self._plan(problem, known.plans[best], asked, facts, why)
        plan = replace(plan, seconds=time.perf_counter() - started)
        kept = {"certificate": known.plans[best], "step": state.step} if certified else {}
        return plan, replace(memory, inner=inner, asked=asked, search=search, **kept)

    def _ask(
        self, problem: Problem, state: ControllerState, memory: Memory, deadline: float | None
    ) -> tuple[Plan, Any]:
        """The plan of the controller inside, and its memory."""
        inner, own = self.inner, replace(state, plan=memory.asked, memory=memory.inner)
        if deadline is not None:
            now = time.perf_counter()
            deadline = now + self.config.share * (deadline - now)
        if inner.horizon != problem.horizon and problem.observation is not None:
            last = None if problem.inputs is None else problem.inputs.last
            loose = not inner.looks_ahead
            problem = self.task.problem(
                problem.observation, inner.horizon, step=state.step, last=last, loose=loose
            )
        return inner.solve(problem, own, deadline=deadline)

    def _continuations(
        self, problem: Problem, state: ControllerState, memory: Memory, asked: Plan
    ) -> _Known:
        """What can be said without a search."""
        horizon, idle = problem.horizon, idle_action(self.task)[None]
        found: list[tuple[str, np.ndarray]] = []
        rest = None
        if memory.certificate is not None:
            rest = memory.certificate[state.step - memory.step :]
        if asked.status.has_plan and asked.horizon:
            own = self._own(problem, state, memory, asked)
            found = [("its own", own), ("idle", np.concatenate([own[:1], idle]))]
            if rest is not None and len(rest):
                found.append(("last certificate", np.concatenate([own[:1], rest[1:]])))
        if rest is not None and len(rest):
            found.append(("last certificate", rest))
        found.append(("idle", idle))
        plans = np.stack([_held(actions, horizon) for _, actions in found])
        return self._judged(problem, [name for name, _ in found], problem.admit(plans))

    def _own(
        self, problem: Problem, state: ControllerState, memory: Memory, asked: Plan
    ) -> np.ndarray:
        """What the controller inside would do: its plan, or what a policy does in the model.

        Shape (at least 1, nu).
        """
        seen = problem.observation
        if self.inner.looks_ahead or seen is None:
            return asked.actions
        program, inputs, hidden = self.program.at(problem), problem.inputs, memory.inner
        none = Constraints(np.zeros((0, problem.nx)), np.zeros(0))
        now = replace(problem, cost=Cost(()), constraints=none, own=None, horizon=1)
        actions = [asked.actions[0]]
        for t in range(1, problem.horizon):
            x = program(np.concatenate([now.x0, actions[-1]]))
            if not np.isfinite(x).all():
                break
            seen = self.task.map.observation(x, seen)
            rules = None if inputs is None else replace(inputs, last=actions[-1], blocks=None)
            now = replace(now, x0=x, observation=seen, inputs=rules)
            own = replace(state, step=state.step + t, plan=asked, memory=hidden)
            try:
                plan, hidden = self.inner.solve(now, own)
            except NonFiniteError:
                break
            if not plan.horizon:
                break
            actions.append(plan.actions[0])
        return np.stack(actions)

    def _searched(
        self,
        problem: Problem,
        state: ControllerState,
        memory: Memory,
        known: _Known,
        deadline: float | None,
    ) -> tuple[_Known, Plan, Any]:
        """With what a search for the nearest certificate found, its plan and its memory."""
        wish, spent = known.plans[0, 0], memory.search or 0.0
        if deadline is not None and deadline - time.perf_counter() < max(_LEAST, spent):
            message = "no time left for a search"
            nothing = Plan(known.plans[0, :0], problem.x0[None], Status.NO_SOLUTION, np.inf)
            return known, replace(nothing, info={"message": message}), memory.search
        end = None if deadline is None else deadline - _WRAP_UP
        own = replace(state, plan=None, memory=memory.search)
        plan, spent = self._search.solve(
            nearest(problem, wish), own, deadline=end, starts=list(known.plans)
        )
        if plan.status.has_plan:
            exact = plan.actions.copy()
            exact[0] = wish  # where only rounding is in between
            plans = problem.admit(np.stack([exact, plan.actions]))
            found = self._judged(problem, ["search"] * 2, plans, wish)
            known = _Known(
                known.names + found.names,
                *(
                    np.concatenate([getattr(k, name) for k in (known, found)])
                    for name in ("plans", "states", "away", "violation", "safe")
                ),
            )
        return known, plan, spent

    def _judged(
        self,
        problem: Problem,
        names: Sequence[str],
        plans: np.ndarray,
        wish: np.ndarray | None = None,
    ) -> _Known:
        """Admissible plans, rolled out and held against the constraints."""
        constraints = problem.constraints
        away = distance(problem, plans[:, 0], plans[0, 0] if wish is None else wish)
        with np.errstate(over="ignore", invalid="ignore"):
            states = self._rollout(problem, plans)
            finite = np.isfinite(states).all(axis=(-1, -2))
            violation = np.where(finite, constraints.violation(states, weighted=False), np.inf)
            safe = finite & ~constraints.violated(states).any(axis=(-1, -2))
        if problem.inputs is not None:  # no admissible action may be in reach of the last one
            safe &= problem.inputs.excess(plans) <= SAME
        return _Known(tuple(names), plans, states, away, violation, safe)

    def _rollout(self, problem: Problem, plans: np.ndarray) -> np.ndarray:
        """Exact states of plans, also where the model's program is another one at every state."""
        if self.program.exact_at(problem):
            return self.program.at(problem).rollout(problem.x0, plans)
        states = np.empty((len(plans), problem.horizon + 1, problem.nx))
        states[:, 0] = problem.x0
        for trail, actions in zip(states, plans, strict=True):
            for t, u in enumerate(actions):
                program = self.program.at(replace(problem, x0=trail[t], horizon=1))
                trail[t + 1] = program(np.concatenate([trail[t], u]))
        return states

    def _needless(self, problem: Problem, state: ControllerState, known: _Known) -> bool | None:
        """Whether what the controller would have done keeps all constraints but the end's."""
        if problem.observation is None:
            return None
        last = None if problem.inputs is None else problem.inputs.last
        free = self._free.problem(problem.observation, problem.horizon, step=state.step, last=last)
        finite = np.isfinite(known.violation[0])
        return bool(finite and not free.constraints.violated(known.states[0]).any())

    def _plan(
        self,
        problem: Problem,
        actions: np.ndarray,
        asked: Plan,
        facts: dict[str, Any],
        why: str,
    ) -> Plan:
        """The plan that acts; the controller's own, with its proof, where it is the certificate."""
        info = {"shield": facts}
        if facts["certified"] and np.array_equal(asked.actions, actions):
            return replace(asked, info={**asked.info, **info})
        source = "shield" if facts["intervened"] else asked.source
        plan = finish(self.program, problem, actions, source=source, info=info)
        if facts["certified"] or not plan.status.has_plan:
            return plan
        return replace(plan, status=Status.SOFTENED, info={**plan.info, "softened": why})


def _held(actions: np.ndarray, horizon: int) -> np.ndarray:
    """The first actions, the last one held where there are too few. Shape (horizon, nu)."""
    tail = np.repeat(actions[-1:], horizon, axis=0)
    return np.concatenate([actions, tail])[:horizon]
