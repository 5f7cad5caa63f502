"""Branching rule that knows what a binary stands for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyscipopt
from pyscipopt import SCIP_RESULT

from sparsectl.mip.plugins.base import Link, guarded

_SPREAD = 0.02
"""Share of the mean price that every neuron has, where duals are degenerate."""


class NeuronBranching(pyscipopt.Branchrule):
    """Strong branching on the few neurons whose convexification matters most.

    Score: the smaller of z and s in the relaxation, of which one is zero in every rollout (the
    neuron's Jensen gap), times what the relaxation gains by it: the duals of the two big-M rows.
    The `trials` best are strong-branched; with one of them, the score alone decides.

    Attributes:
        calls: decisions.
    """

    def __init__(self, link: Link, depth: int, trials: int = 1) -> None:
        self.link, self.depth, self.trials = link, depth, trials
        self.calls = 0
        A = link.model.A.tocsc()
        self._neuron_of_row = {
            f"r{r}": k
            for k, d in enumerate(link.model.neurons[:, 4])
            for r in A.indices[A.indptr[d] : A.indptr[d + 1]]
        }

    def include(self, scip: pyscipopt.Model) -> None:
        """Before SCIP's own rules, down to the given depth."""
        scip.includeBranchrule(
            self, "neuron", "Jensen gap times dual", priority=1_000_000, maxdepth=self.depth,
            maxbounddist=1.0,
        )  # fmt: skip

    @guarded
    def branchinitsol(self) -> None:
        """Called by SCIP before the search, and after every restart."""
        variables = self.link.variables
        self._neuron = {
            self.model.getTransformedVar(variables[d]).ptr(): k
            for k, d in enumerate(self.link.model.neurons[:, 4])
        }

    @guarded
    def branchexeclp(self, allowaddcons: bool) -> dict[str, Any]:
        """Called by SCIP."""
        scip = self.model
        candidates, values, _, _, count, _ = scip.getLPBranchCands()
        prices = self._prices()
        scored = []
        for position, variable in enumerate(candidates[:count]):
            k = self._neuron.get(variable.ptr())
            if k is not None:
                scored.append((self._gap(k) * prices[k], position))
        scored.sort(reverse=True)
        if not scored or scored[0][0] <= 0.0:
            return {"result": SCIP_RESULT.DIDNOTRUN}
        self.calls += 1
        best = scored[0][1]
        if self.trials > 1:
            tried = self._try(candidates, [p for _, p in scored[: self.trials]])
            if isinstance(tried, dict):
                return tried
            best = tried
        scip.branchVarVal(candidates[best], values[best])
        return {"result": SCIP_RESULT.BRANCHED}

    def _gap(self, k: int) -> float:
        _, _, z, s, _ = self.link.model.neurons[k]
        scip, variables = self.model, self.link.variables
        return min(scip.getSolVal(None, variables[z]), scip.getSolVal(None, variables[s]))

    def _prices(self) -> np.ndarray:
        """Duals of the neurons' big-M rows in the relaxation. Shape (neurons,)."""
        prices = np.zeros(len(self.link.model.neurons))
        for row in self.model.getLPRowsData():
            k = self._neuron_of_row.get(row.name)
            if k is not None:
                prices[k] += abs(row.getDualsol())
        return prices + _SPREAD * prices.mean()

    def _try(
        self, candidates: list[pyscipopt.Variable], positions: list[int]
    ) -> int | dict[str, Any]:
        """Strong branching: the best of the positions, or a result that settles the node."""
        scip = self.model
        bound, cutoff = scip.getLPObjVal(), scip.getCutoffbound()
        best, best_score = positions[0], -np.inf
        scip.startStrongbranch()
        settled: dict[str, Any] | None = None
        for p in positions:
            variable = candidates[p]
            answer = scip.getVarStrongbranch(variable, 2**31 - 1, idempotent=False)
            down, up, down_valid, up_valid, down_empty, up_empty, _, _, error = answer
            if error:
                break
            down_empty = down_empty or (down_valid and down >= cutoff)
            up_empty = up_empty or (up_valid and up >= cutoff)
            if down_empty and up_empty:
                settled = {"result": SCIP_RESULT.CUTOFF}
                break
            if down_empty or up_empty:
                tighten = scip.tightenVarLb if down_empty else scip.tightenVarUb
                tighten(variable, 1.0 if down_empty else 0.0)
                settled = {"result": SCIP_RESULT.REDUCEDDOM}
                break
            score = max(down - bound, 1e-6) * max(up - bound, 1e-6)
            if score > best_score:
                best, best_score = p, score
        scip.endStrongbranch()
        return best if settled is None else settled
