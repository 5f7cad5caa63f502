"""Primal heuristic: the relaxation's actions, rolled out exactly, are a complete solution."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyscipopt
from pyscipopt import SCIP_HEURTIMING, SCIP_RESULT

from sparsectl.mip.plugins.base import Link, guarded

FEASIBLE = 1e-8
"""Largest violation of a submitted assignment."""


class Rollout(pyscipopt.Heur):
    """Rolls out the actions of the node's relaxation in the program and submits the result.

    Attributes:
        found: solutions that SCIP accepted.
        calls: rollouts.
    """

    def __init__(self, link: Link) -> None:
        self.link = link
        self.found = self.calls = 0

    def include(self, scip: pyscipopt.Model, every: int) -> None:
        """At the root and at every `every`-th level of depth of a node."""
        scip.includeHeur(
            self, "rollout", "exact rollout of the relaxation's actions", "R", priority=1_000_000,
            freq=every, timingmask=SCIP_HEURTIMING.AFTERLPNODE,
        )  # fmt: skip

    @guarded
    def heurinitsol(self) -> None:
        """Called by SCIP before the search, and after every restart."""
        transformed = [self.model.getTransformedVar(v) for v in self.link.variables]
        # The others follow from these.
        self._active = [(i, v) for i, v in enumerate(transformed) if v.isActive()]

    @guarded
    def heurexec(self, heurtiming: int, nodeinfeasible: bool) -> dict[str, Any]:
        """Called by SCIP."""
        if nodeinfeasible:
            return {"result": SCIP_RESULT.DIDNOTRUN}
        link, scip = self.link, self.model
        model, source = link.model, link.source
        shape = model.u.shape
        actions = np.array([scip.getSolVal(None, link.variables[i]) for i in model.u.ravel()])
        problem = source.problem
        actions = np.clip(actions.reshape(shape), problem.u_low, problem.u_high)
        states = source.program.rollout(problem.x0, actions)
        self.calls += 1
        values = model.assign(states, actions)
        better = model.objective(values) < scip.getPrimalbound() - scip.epsilon()
        if not better or model.violation(values) > FEASIBLE:
            return {"result": SCIP_RESULT.DIDNOTFIND}
        solution = scip.createSol(self)
        full = link.complete(values).tolist()
        for i, variable in self._active:
            scip.setSolVal(solution, variable, full[i])
        if scip.trySol(solution, printreason=False, checklprows=False):
            self.found += 1
            return {"result": SCIP_RESULT.FOUNDSOL}
        return {"result": SCIP_RESULT.DIDNOTFIND}
