"""Backward linear relaxation (CROWN, Zhang et al. 2018) of a rollout over many action boxes.

All arrays have a leading batch axis B: one entry is one box of the search.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sparsectl.program import crown
from sparsectl.program.crown import Lines
from sparsectl.program.relu_program import Matrix, ReluProgram

_ROUNDING = 1e-9
"""Outward widening of neuron bounds, relative to 1 + |bound|."""


@dataclass(frozen=True)
class Half:
    """The part of every box where linear u <= side: (B, H nu) and (B,)."""

    linear: np.ndarray
    side: np.ndarray

    def outside(self, u_low: np.ndarray, u_high: np.ndarray) -> np.ndarray:
        """Boxes (B, H, nu) that have no such part. Shape (B,)."""
        reach, rest = self._within(u_low, u_high)
        return np.asarray(reach.sum(1) < -rest)

    def rises(self, forms: np.ndarray, u_low: np.ndarray, u_high: np.ndarray) -> np.ndarray:
        """What least values of linear forms (B, k, H nu) over boxes rise by there. Shape (B, k).

        From the minimiser, entries go back to where the inequality holds, those first that cost
        least for what they add to it.
        """
        reach, rest = self._within(u_low, u_high)
        against = forms * self.linear[:, None] < 0
        excess = np.where(against, reach[:, None], -reach[:, None]).sum(-1) - rest[:, None]
        price = np.where(against, abs(forms), 0.0)
        price = price / np.maximum(abs(self.linear), 1e-300)[:, None]
        order = price.argsort(-1)
        price = np.take_along_axis(price, order, -1)
        room = np.take_along_axis(np.where(against, 2 * reach[:, None], 0.0), order, -1)
        used = np.clip(excess[..., None] - (np.cumsum(room, -1) - room), 0.0, room)
        return np.asarray((price * used).sum(-1))

    def _within(self, u_low: np.ndarray, u_high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """How far every entry moves the left side from its middle, and what is left of the side."""
        center, radius = (u_low + u_high) / 2, (u_high - u_low) / 2
        reach = abs(self.linear) * radius.reshape(self.linear.shape)
        return reach, self.side - (self.linear * center.reshape(self.linear.shape)).sum(1)


class Relaxation:
    """A dynamics program over a horizon, ready for batched sweeps.

    Args:
        program: inputs [x; u], outputs x'.
        x0: start. Shape (nx,).
        horizon: H.
    """

    def __init__(self, program: ReluProgram, x0: np.ndarray, horizon: int) -> None:
        self.x0, self.horizon = np.asarray(x0, dtype=np.float64), horizon
        self.program, self.n, self.m, self.nx = program, program.n_in, program.m, program.n_out
        self.nu = self.n - self.nx

    def tighten(
        self, lines: Lines, u_low: np.ndarray, u_high: np.ndarray,
        half: Half | None = None,
    ) -> np.ndarray:  # fmt: skip
        """Improve bounds of unstable neurons and of those that the middle contradicts, in place.

        Bounds of a part without plans may contradict one another: the box is empty then.

        Args:
            lines: sound relaxations; updated.
            u_low, u_high: action boxes. Shape (B, H, nu).
            half: only plans there count; None: all.

        Returns:
            How every pre-activation depends on the actions. Shape (B, H, m, H nu).
        """
        center, radius = (u_low + u_high) / 2, (u_high - u_low) / 2
        batch, horizon = len(u_low), self.horizon
        slopes = np.zeros((batch, horizon, self.m, horizon * self.nu))
        states = self.program.rollout(self.x0, center)[:, :-1]
        pre = self.program.evaluate(np.concatenate([states, center], axis=-1))[1]
        contradicted = (pre < lines.low) | (pre > lines.high)
        for t in range(horizon):
            for level in self.program.levels:
                rows = slice(level.start, level.stop)
                open_ = lines.unstable[:, t, rows] | contradicted[:, t, rows]
                wanted = np.flatnonzero(open_.any(axis=0))
                if len(wanted) == 0:
                    continue
                low, high, by_action = self._backward(
                    t, level.A[wanted], level.b[wanted], level.start, lines, center, radius, half
                )
                i = level.start + wanted
                low, high = low - _ROUNDING * (1 + abs(low)), high + _ROUNDING * (1 + abs(high))
                lines.low[:, t, i] = np.maximum(lines.low[:, t, i], low)
                lines.high[:, t, i] = np.minimum(lines.high[:, t, i], high)
                slopes[:, t, i] = by_action
                lines.refresh(t, rows)
        return slopes

    def of_states(
        self, t: int, forms: np.ndarray, lines: Lines, u_low: np.ndarray, u_high: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Bounds (B, k) of linear forms (k, nx) of x_{t+1}, and their slopes (B, k, H nu)."""
        center, radius = (u_low + u_high) / 2, (u_high - u_low) / 2
        low, high, by_action = self._backward(
            t, forms @ self.program.output, forms @ self.program.d, self.m, lines, center, radius
        )
        low, high = low - _ROUNDING * (1 + abs(low)), high + _ROUNDING * (1 + abs(high))
        return low, high, by_action

    def _backward(
        self, t: int, A: Matrix, b: np.ndarray, z_stop: int,
        lines: Lines, center: np.ndarray, radius: np.ndarray,
        half: Half | None = None,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
        """Bounds (B, k) of `A [v_t; z_t,<z_stop] + b`, and their mean slopes in the actions."""
        A = A if isinstance(A, np.ndarray) else A.toarray()
        batch, k = len(center), len(A)
        form = np.broadcast_to(np.concatenate([A, -A]), (batch, 2 * k, A.shape[1]))
        constant = np.broadcast_to(np.concatenate([b, -b]), (batch, 2 * k))
        by_action = np.zeros((batch, 2 * k, self.horizon * self.nu))
        start = np.broadcast_to(self.x0, (batch, 1, self.nx))
        found = crown.backward(
            self.program, lines, t, (form, constant), z_stop, (center, radius),
            (start, np.zeros_like(start)), by_action=by_action,
        )  # fmt: skip
        if half is not None:
            found = found + half.rises(by_action, center - radius, center + radius)
        return found[:, :k], -found[:, k:], (by_action[:, :k] - by_action[:, k:]) / 2
