"""LP bounds: every unstable pre-activation minimised and maximised over the LP relaxation.

The relaxation is the triangle of every unstable neuron of the prefix (Ehlers 2017), which is
the LP relaxation of the big-M encoding. Step neurons are relaxed as they are encoded; their own
bounds stay as they were given.
"""

from __future__ import annotations

import time
from dataclasses import replace

import highspy
import numpy as np

from sparsectl.mip import dual_bound
from sparsectl.mip.backends import highs_model
from sparsectl.mip.encode import encode
from sparsectl.mip.model import MIPModel
from sparsectl.program.bounds import MARGIN, HorizonBounds
from sparsectl.program.relu_program import ReluProgram
from sparsectl.task import Cost, Problem


def tighten(
    program: ReluProgram,
    problem: Problem,
    bounds: HorizonBounds,
    deadline: float | None = None,
) -> HorizonBounds:
    """Tighter bounds of the unstable neurons, step by step; sound whenever it stops.

    Args:
        problem: the problem; only its start, action box and hard constraints matter here.
        bounds: sound bounds to start from.
        deadline: `time.perf_counter()` value to stop at, or None.
    """
    low, high = bounds.pre_low.copy(), bounds.pre_high.copy()
    current = replace(bounds, pre_low=low, pre_high=high, method="lp")
    for t in range(bounds.horizon):
        if deadline is not None and time.perf_counter() > deadline:
            break
        unstable = np.flatnonzero(current.unstable[t] & ~program.step)
        if len(unstable) == 0:
            continue
        # Bounds of step t depend on steps before it; the model is rebuilt with what is known.
        first = problem.constraints.first(t + 1)
        prefix = replace(problem, horizon=t + 1, cost=Cost(()), constraints=first)
        model = encode(program, prefix, _prefix(current, t + 1))
        if model.infeasible is not None:
            return replace(current, empty=True)
        relaxation = _Relaxation(model, deadline)
        columns = {int(i): (int(z), int(s)) for step, i, z, s, _ in model.neurons if step == t}
        for i in unstable:
            if deadline is not None and time.perf_counter() > deadline:
                break
            z, s = columns[int(i)]
            lowest, negated = relaxation.minimum(z, s, 1.0), relaxation.minimum(z, s, -1.0)
            low[t, i] = max(low[t, i], lowest - MARGIN * (1 + abs(lowest)))
            high[t, i] = min(high[t, i], -negated + MARGIN * (1 + abs(negated)))
    return current


def _prefix(bounds: HorizonBounds, steps: int) -> HorizonBounds:
    return replace(
        bounds,
        pre_low=bounds.pre_low[:steps],
        pre_high=bounds.pre_high[:steps],
        x_low=bounds.x_low[: steps + 1],
        x_high=bounds.x_high[: steps + 1],
        u_low=bounds.u_low[:steps],
        u_high=bounds.u_high[:steps],
    )


class _Relaxation:
    """LP relaxation in HiGHS, re-solved warm for one objective after another."""

    def __init__(self, model: MIPModel, deadline: float | None) -> None:
        self._model = replace(model, c=np.zeros(model.n), offset=0.0)
        self._highs = highs_model.load(self._model, relax=True)
        self._transposed, self._deadline = model.A.T.tocsr(), deadline

    def minimum(self, z: int, s: int, sign: float) -> float:
        """Certified lower bound of sign * (z - s); -inf when the LP was not solved."""
        highs, c = self._highs, np.zeros(self._model.n)
        c[z], c[s] = sign, -sign
        highs.changeColCost(z, sign)
        highs.changeColCost(s, -sign)
        if self._deadline is not None:
            left = max(self._deadline - time.perf_counter(), 0.0)
            highs.setOptionValue("time_limit", highs.getRunTime() + left)
        highs.run()
        solved = highs.getModelStatus() == highspy.HighsModelStatus.kOptimal
        value = self._dual_bound(c) if solved else -np.inf
        highs.changeColCost(z, 0.0)
        highs.changeColCost(s, 0.0)
        return value

    def _dual_bound(self, c: np.ndarray) -> float:
        """Lower bound that the row duals prove."""
        model = self._model
        y = np.asarray(self._highs.getSolution().row_dual)
        fair = dual_bound.fair(y, model.row_low, model.row_high)
        return dual_bound.parts(
            fair, c, self._transposed, model.row_low, model.row_high, model.low, model.high
        )
