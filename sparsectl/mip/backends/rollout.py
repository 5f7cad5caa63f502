"""SCIP's primal heuristic: the relaxation's actions, rolled out exactly, are a complete solution.

PySCIPOpt prints an exception of a callback and goes on. Here the first one is kept, the solve is
interrupted, and the caller hears of it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyscipopt
from pyscipopt import SCIP_HEURTIMING, SCIP_RESULT

from sparsectl.errors import SparsectlError
from sparsectl.mip.model import MIPModel
from sparsectl.mip.ocp import OCP

FEASIBLE = 1e-8
"""Largest violation of a submitted assignment."""


class PluginFailed(SparsectlError):
    """An exception inside a SCIP plugin; it is the cause (`__cause__`)."""

    @classmethod
    def of(cls, error: Exception) -> PluginFailed:
        """From the exception itself."""
        return cls(
            f"a SCIP plugin failed with {type(error).__name__}: {error}; the solve was stopped. "
            "Plan without it (SCIPOptions with rollout_every=0) and report this"
        )


class Rollout(pyscipopt.Heur):
    """Rolls out the actions of the node's relaxation in the program and submits the result.

    Args:
        variables: SCIP's variables: the model's own, then the squares of its quadratic cost.

    Attributes:
        found: solutions that SCIP accepted.
        failure: the first exception, or None.
    """

    def __init__(self, model: MIPModel, variables: Sequence[pyscipopt.Variable], ocp: OCP) -> None:
        self.arrays, self.variables, self.ocp = model, variables, ocp
        self.found = self.calls = 0
        self.failure: Exception | None = None

    def include(self, scip: pyscipopt.Model, every: int) -> None:
        """At the root and at every `every`-th level of depth of a node."""
        scip.includeHeur(
            self, "rollout", "exact rollout of the relaxation's actions", "R", priority=1_000_000,
            freq=every, timingmask=SCIP_HEURTIMING.AFTERLPNODE,
        )  # fmt: skip

    def heurexec(self, heurtiming: int, nodeinfeasible: bool) -> dict[str, Any]:
        """Called by SCIP."""
        if nodeinfeasible or self.failure is not None:
            return {"result": SCIP_RESULT.DIDNOTRUN}
        try:
            return {"result": self._try()}
        except Exception as error:
            self.failure = error
            with contextlib.suppress(Exception):
                self.model.interruptSolve()
            return {"result": SCIP_RESULT.DIDNOTRUN}

    def _try(self) -> Any:
        model, scip, problem = self.arrays, self.model, self.ocp.problem
        actions = np.array([scip.getSolVal(None, self.variables[i]) for i in model.u.ravel()])
        actions = problem.admit(actions.reshape(model.u.shape))
        self.calls += 1
        values = model.assign(self.ocp.rollout(actions), actions)
        better = model.objective(values) < scip.getPrimalbound() - scip.epsilon()
        if not better or model.violation(values) > FEASIBLE:
            return SCIP_RESULT.DIDNOTFIND
        solution = scip.createSol(self)
        full = np.concatenate([values, values[np.flatnonzero(model.q)] ** 2])
        for variable, value in zip(self.variables, full.tolist(), strict=True):
            transformed = scip.getTransformedVar(variable)
            if transformed.isActive():  # the others follow from these
                scip.setSolVal(solution, transformed, value)
        # Dual reductions may have given other variables values that follow from these: check all.
        if scip.trySol(solution, printreason=False, checklprows=True):
            self.found += 1
            return SCIP_RESULT.FOUNDSOL
        return SCIP_RESULT.DIDNOTFIND
