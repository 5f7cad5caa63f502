"""Bounds of neurons inside one node of a search tree.

The sweep of `program.bounds` with what the node knows: signs of neurons that branching or
propagation fixed, and bounds of pre-activations, states and actions. A neuron of known sign is a
linear piece; the half-space that its sign cuts off bounds its own pre-activation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sparsectl.program.bounds import Box, HorizonBounds, _interval, _Propagation, _widen
from sparsectl.program.relu_program import ReluProgram

EMPTY = 1e-6
"""Lower above upper bound by this, relative to 1 + |bound|, proves that a node is empty."""


@dataclass(frozen=True)
class Domain:
    """Bounds that hold in a node: fields as in `HorizonBounds`."""

    pre_low: np.ndarray
    pre_high: np.ndarray
    x_low: np.ndarray
    x_high: np.ndarray
    u_low: np.ndarray
    u_high: np.ndarray


def sweep(program: ReluProgram, domain: Domain, first: int = 0) -> HorizonBounds:
    """Tighter bounds in a node, never wider than its domain.

    Args:
        program: dynamics program, inputs [x; u], outputs x'.
        domain: what is known; steps before `first` are taken as they are.
        first: step to start from.

    Returns:
        Bounds; `empty` when the domain holds no rollout.
    """
    return _Sweep(program, domain).run_from(first)


class _Sweep(_Propagation):
    def __init__(self, program: ReluProgram, domain: Domain) -> None:
        horizon = len(domain.pre_low)
        box = Box(
            domain.x_low[0], domain.x_high[0], domain.u_low, domain.u_high,
            domain.x_low[1:], domain.x_high[1:],
        )  # fmt: skip
        super().__init__(program, box, horizon, crown=True)
        self.pre_low, self.pre_high = domain.pre_low.copy(), domain.pre_high.copy()

    def run_from(self, first: int) -> HorizonBounds:
        empty = _crossed(self.pre_low, self.pre_high) or _crossed(self.x_low, self.x_high)
        everything = slice(0, self.program.m)
        for t in range(self.horizon):
            if empty:
                break
            if t < first:
                self._relax(t, everything)
                continue
            empty = not self._inner_step(t)
        return HorizonBounds(
            self.pre_low, self.pre_high, self.x_low, self.x_high, self.u_low, self.u_high,
            "node", empty,
        )  # fmt: skip

    def _inner_step(self, t: int) -> bool:
        """One step inside the known bounds; whether it can hold a rollout."""
        program = self.program
        low = np.concatenate([self.x_low[t], self.u_low[t], np.zeros(program.m)])
        high = np.concatenate([self.x_high[t], self.u_high[t], np.zeros(program.m)])
        for level in program.levels:
            k = program.n_in + level.start
            rows = slice(level.start, level.stop)
            lo, hi = _interval(level.A, level.b, low[:k], high[:k])
            if t > 0 or level.start > 0:
                lo, hi = self._backward(t, level.A, level.b, level.start, lo, hi)
            lo, hi = _widen(lo, hi)
            lo, hi = np.maximum(lo, self.pre_low[t, rows]), np.minimum(hi, self.pre_high[t, rows])
            if _crossed(lo, hi):
                return False
            hi = np.maximum(lo, hi)
            self.pre_low[t, rows], self.pre_high[t, rows] = lo, hi
            self._relax(t, rows)
            z = slice(k, program.n_in + level.stop)
            low[z], high[z] = level.activate(lo), level.activate(hi)
        lo, hi = _interval(program.output, program.d, low, high)
        lo, hi = _widen(*self._backward(t, program.output, program.d, program.m, lo, hi))
        lo, hi = np.maximum(lo, self.x_low[t + 1]), np.minimum(hi, self.x_high[t + 1])
        self.x_low[t + 1], self.x_high[t + 1] = lo, np.maximum(lo, hi)
        return not _crossed(lo, hi)


def _crossed(low: np.ndarray, high: np.ndarray) -> bool:
    return bool((low > high + EMPTY * (1 + abs(high))).any())
