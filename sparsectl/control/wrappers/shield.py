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

from sparsectl.control.base import Controller, ControllerState, Wrapper, idle_action
from sparsectl.control.certificates import SAME, Known, drawn_in, judge
from sparsectl.control.mip import MIPController
from sparsectl.control.nearest import WithAction, nearest
from sparsectl.control.plans import finish
from sparsectl.errors import NonFiniteError
from sparsectl.task import Constraints, Problem
from sparsectl.task.cost import Cost
from sparsectl.types import Plan, Status

if TYPE_CHECKING:
    from sparsectl.control.config import Setup
    from sparsectl.control.settings import ShieldConfig

_LEAST, _WRAP_UP, _SHARE = 0.005, 0.02, 0.15
"""With less time than the first there is no search; the second [s], or if that is more the third as
a share of the time, is kept free after it: solvers are late."""


@dataclass(frozen=True)
class Memory:
    """What a shield remembers.

    Attributes:
        asked: its last plan, which it goes on from.
        certificate: the last one. Shape (H, nu), or None.
        step: decision that the certificate is of.
    """

    inner: Any = None
    asked: Plan | None = None
    certificate: np.ndarray | None = None
    step: int = 0
    search: Any = None


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
        inner: the controller to shield, of the same task; its horizon may be another.
    """

    def __init__(self, setup: Setup, config: ShieldConfig, inner: Controller) -> None:
        super().__init__(inner)
        self.name, self.horizon, self.config = setup.name, setup.horizon, config
        self.takes_starts, self.looks_ahead, self.program = False, True, setup.program
        programs = WithAction(setup.program, setup.task.nu)
        inputs, explore = setup.task.inputs, config.mip.explore
        if inputs is not None and inputs.discrete.any():
            explore = max(1, explore)
        settings = replace(config.mip, seconds=None, explore=explore)
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
        certified, acts = bool(known.certified[best]), wanted and bool(known.away[best] <= SAME)
        facts = {
            "certified": certified,
            "intervened": not acts,
            "needless": self._needless(problem, state, known) if wanted and not acts else None,
            "by": str(known.names[best]),
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
                problem.observation, inner.horizon, step=state.step, late=self.task.map.delay,
                last=last, loose=loose,
            )  # fmt: skip
        return inner.solve(problem, own, deadline=deadline)

    def _continuations(
        self, problem: Problem, state: ControllerState, memory: Memory, asked: Plan
    ) -> Known:
        """What can be said without a search."""
        horizon, idle = problem.horizon, idle_action(self.task)[None]
        found: list[tuple[str, np.ndarray]] = []
        rest: list[np.ndarray] = []  # of the last certificate, then held or idle
        if memory.certificate is not None and state.step - memory.step < horizon:
            left = memory.certificate[state.step - memory.step :]
            rest = [left, np.concatenate([left, idle])]
        if asked.status.has_plan and asked.horizon:
            own = self._own(problem, state, memory, asked)
            found = [("its own", own), ("idle", np.concatenate([own[:1], idle]))]
            found += [("last certificate", np.concatenate([own[:1], r[1:]])) for r in rest]
        found += [("last certificate", actions) for actions in rest]
        found.append(("idle", idle))
        plans = problem.admit(np.stack([_held(actions, horizon) for _, actions in found]))
        names = [name for name, _ in found]
        return judge(self.program, problem, self._tight(problem), names, plans, plans[0, 0])

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
        known: Known,
        deadline: float | None,
    ) -> tuple[Known, Plan, Any]:
        """With what a search for the nearest certificate found, its plan and its memory."""
        wish, spent = known.plans[0, 0], memory.search or 0.0
        left = np.inf if deadline is None else deadline - time.perf_counter()
        if left < max(_LEAST, spent):
            message = "no time left for a search"
            nothing = Plan(known.plans[0, :0], problem.x0[None], Status.NO_SOLUTION, np.inf)
            return known, replace(nothing, info={"message": message}), memory.search
        end = None if deadline is None else deadline - max(_WRAP_UP, _SHARE * left)
        tight = self._tight(problem)
        own = replace(state, plan=None, memory=memory.search)
        plan, spent = self._search.solve(
            nearest(problem, wish, tight), own, deadline=end, starts=list(known.plans)
        )
        if plan.status.has_plan:
            exact = plan.actions.copy()
            exact[0] = wish  # where only rounding is in between
            plans = np.stack([exact, plan.actions])
            known = known.and_also(judge(self.program, problem, tight, ["search"] * 2, plans, wish))
        return known, plan, spent

    def _tight(self, problem: Problem) -> Constraints:
        return drawn_in(problem.constraints, self.config.margin, problem.horizon)

    def _needless(self, problem: Problem, state: ControllerState, known: Known) -> bool | None:
        """Whether what the controller would have done keeps all constraints but the end's."""
        if problem.observation is None:
            return None
        last = None if problem.inputs is None else problem.inputs.last
        free = self._free.problem(
            problem.observation, problem.horizon, step=state.step, late=self.task.map.delay,
            last=last,
        )  # fmt: skip
        limits = free.constraints if free.own is None else free.own
        finite = np.isfinite(known.violation[0])
        return bool(finite and not limits.violated(known.states[0]).any())

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
