"""Propagator: bound the neurons anew inside a node, fix what became stable."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyscipopt
from pyscipopt import SCIP_PROPTIMING, SCIP_RESULT

from sparsectl.mip.encode import start_box
from sparsectl.mip.plugins.base import Link, guarded
from sparsectl.mip.plugins.sweep import Domain, sweep
from sparsectl.program.bounds import HorizonBounds, propagate

_WORTH = 0.9
"""A bound is passed on when it shrinks to this share of the node's present one."""


class Sweep(pyscipopt.Prop):
    """Runs `sweep` on the domain of a node.

    A neuron that became stable gets its binary fixed; the others get tighter z and s, and, where
    `rows`, the tighter big-M rows z <= h d and s <= -l (1 - d), valid below the node.

    Attributes:
        calls, cutoffs, fixed: sweeps, nodes they proved empty, binaries they fixed.
    """

    def __init__(self, link: Link, depth: int, every: int = 1, rows: bool = True) -> None:
        self.link, self.depth, self.every, self.rows = link, depth, every, rows
        self.calls = self.cutoffs = self.fixed = self.added = 0
        self._done = -1
        source = link.source
        box = start_box(source.problem, soft=source.soft)
        self._root = propagate(source.program, box, source.problem.horizon, "crown")
        self._t, self._i, self._z, self._s, self._d = link.model.neurons.T
        self._variables: list[pyscipopt.Variable] = []

    def include(self, scip: pyscipopt.Model) -> None:
        """Before the relaxation of a node is solved."""
        scip.includeProp(
            self, "sweep", "bounds of neurons inside the node", presolpriority=0,
            presolmaxrounds=0, proptiming=SCIP_PROPTIMING.BEFORELP, priority=-1_000_000,
            freq=self.every, delay=True,
        )  # fmt: skip

    @guarded
    def propinitsol(self) -> None:
        """Called by SCIP before the search, and after every restart."""
        scip, link = self.model, self.link
        self._variables = [scip.getTransformedVar(v) for v in link.variables[: link.model.n]]
        self._usable = np.array([v.isActive() for v in self._variables])
        self._done = -1

    def propexitsol(self, restart: bool) -> None:
        """Called by SCIP."""
        self._variables = []

    @guarded
    def propexec(self, proptiming: int) -> dict[str, Any]:
        """Called by SCIP."""
        scip = self.model
        if scip.inProbing() or scip.getDepth() > self.depth or not self._variables:
            return {"result": SCIP_RESULT.DIDNOTRUN}
        node = scip.getCurrentNode().getNumber()
        if node == self._done:
            return {"result": SCIP_RESULT.DIDNOTRUN}
        self._done = node
        low = np.array([v.getLbLocal() for v in self._variables])
        high = np.array([v.getUbLocal() for v in self._variables])
        domain = self._domain(low, high)
        first = self._first_change(domain)
        if first == len(domain.pre_low):
            return {"result": SCIP_RESULT.DIDNOTFIND}
        self.calls += 1
        bounds = sweep(self.link.source.program, domain, first)
        if bounds.empty:
            self.cutoffs += 1
            return {"result": SCIP_RESULT.CUTOFF}
        return {"result": self._apply(bounds, low, high)}

    def _domain(self, low: np.ndarray, high: np.ndarray) -> Domain:
        """The root's bounds, intersected with what SCIP knows in this node."""
        root, model = self._root, self.link.model
        pre_low, pre_high = root.pre_low.copy(), root.pre_high.copy()
        at = self._t, self._i
        usable = self._usable
        # z = 0 or s = 0, so a bound of one is a bound of the pre-activation.
        z_high = np.where(usable[self._z], high[self._z], np.inf)
        s_high = np.where(usable[self._s], high[self._s], np.inf)
        on = usable[self._d] & (low[self._d] > 0.5)
        off = usable[self._d] & (high[self._d] < 0.5)
        pre_high[at] = np.minimum(pre_high[at], np.where(off, 0.0, z_high))
        pre_low[at] = np.maximum(pre_low[at], np.where(on, 0.0, -s_high))
        x_low, x_high = root.x_low.copy(), root.x_high.copy()
        known = usable[model.x]
        x_low[1:] = np.where(known, np.maximum(x_low[1:], low[model.x]), x_low[1:])
        x_high[1:] = np.where(known, np.minimum(x_high[1:], high[model.x]), x_high[1:])
        known = usable[model.u]
        u_low = np.where(known, np.maximum(root.u_low, low[model.u]), root.u_low)
        u_high = np.where(known, np.minimum(root.u_high, high[model.u]), root.u_high)
        return Domain(pre_low, pre_high, x_low, x_high, u_low, u_high)

    def _first_change(self, domain: Domain) -> int:
        """First step at which a sweep could find more than the root's; H when there is none."""
        root, slack = self._root, 1e-9
        steps = len(domain.pre_low)
        pairs = (
            (root.pre_low + slack, domain.pre_low, domain.pre_high, root.pre_high - slack),
            (root.u_low + slack, domain.u_low, domain.u_high, root.u_high - slack),
            (root.x_low + slack, domain.x_low, domain.x_high, root.x_high - slack),
        )
        changed = np.zeros(steps, dtype=bool)
        for low, inner_low, inner_high, high in pairs:
            changed |= np.any((inner_low > low) | (inner_high < high), axis=1)[:steps]
        return int(np.argmax(changed)) if changed.any() else steps

    def _apply(self, bounds: HorizonBounds, low: np.ndarray, high: np.ndarray) -> int:
        """Pass the bounds on to SCIP."""
        scip, variables, result = self.model, self._variables, SCIP_RESULT.DIDNOTFIND
        pre_low, pre_high = bounds.pre_low[self._t, self._i], bounds.pre_high[self._t, self._i]
        free = self._usable[self._d] & (low[self._d] < 0.5) & (high[self._d] > 0.5)
        for k in np.flatnonzero(free):
            d = variables[self._d[k]]
            if pre_low[k] >= 0 or pre_high[k] <= 0:
                tighten = scip.tightenVarLb if pre_low[k] >= 0 else scip.tightenVarUb
                infeasible, _ = tighten(d, 1.0 if pre_low[k] >= 0 else 0.0)
                self.fixed += 1
                if infeasible:
                    return SCIP_RESULT.CUTOFF
                result = SCIP_RESULT.REDUCEDDOM
                continue
            for column, limit in ((self._z[k], pre_high[k]), (self._s[k], -pre_low[k])):
                if limit > _WORTH * high[column] or not self._usable[column]:
                    continue
                if scip.tightenVarUb(variables[column], limit)[0]:
                    return SCIP_RESULT.CUTOFF
                result = SCIP_RESULT.REDUCEDDOM
                if self.rows:
                    self.added += 1
                    share = d if column == self._z[k] else 1 - d
                    scip.addConsLocal(variables[column] <= limit * share, propagate=False)
        return result
