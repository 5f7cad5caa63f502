"""Backward linear relaxation (CROWN, Zhang et al. 2018) of a rollout over many action boxes.

All arrays have a leading batch axis B: one entry is one box of the search.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sparsectl.program.relu_program import Matrix, ReluProgram

_ROUNDING = 1e-9
"""Outward widening of neuron bounds, relative to 1 + |bound|."""


@dataclass
class Lines:
    """Relaxations of the neurons over a batch of boxes. Each of shape (B, H, m).

    Attributes:
        low, high: bounds of pre-activations.
        unstable: sign not known.
        lower: slope of the lower line through 0 (any value in [0, 1] is sound).
        upper, offset: the upper line.
    """

    low: np.ndarray
    high: np.ndarray
    unstable: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    offset: np.ndarray

    @classmethod
    def of(cls, low: np.ndarray, high: np.ndarray) -> Lines:
        """Lines from bounds."""
        lines = cls(low, high, *(np.empty(low.shape) for _ in range(4)))
        lines.unstable = np.empty(low.shape, dtype=bool)
        lines.refresh(slice(None), slice(None))
        return lines

    def refresh(self, step: int | slice, rows: slice) -> None:
        """Set the lines of some neurons from their bounds."""
        low, high = self.low[:, step, rows], self.high[:, step, rows]
        unstable = (low < 0) & (high > 0)
        slope = np.where(unstable, high, low >= 0) / np.where(unstable, high - low, 1.0)
        self.unstable[:, step, rows] = unstable
        self.upper[:, step, rows] = slope
        self.offset[:, step, rows] = np.where(unstable, -slope * low, 0.0)
        self.lower[:, step, rows] = np.where(unstable, high > -low, slope)


class Relaxation:
    """A dynamics program over a horizon, ready for batched sweeps.

    Args:
        program: inputs [x; u], outputs x'.
        x0: start. Shape (nx,).
        horizon: H.
    """

    def __init__(self, program: ReluProgram, x0: np.ndarray, horizon: int) -> None:
        self.x0, self.horizon = np.asarray(x0, dtype=np.float64), horizon
        self.n, self.m, self.nx = program.n_in, program.m, program.n_out
        self.nu = self.n - self.nx
        self.levels = [(v.start, v.stop, _dense(v.A), v.b) for v in program.levels]
        self.output, self.d = _dense(program.output), program.d

    def tighten(self, lines: Lines, u_low: np.ndarray, u_high: np.ndarray, first: int):
        """Improve the bounds of unstable neurons from step `first` on, in place.

        Args:
            lines: sound relaxations; updated.
            u_low, u_high: action boxes. Shape (B, H, nu).
            first: earlier steps are as tight as they get.

        Returns:
            How every pre-activation depends on the actions. Shape (B, H, m, H nu).
        """
        center, radius = (u_low + u_high) / 2, (u_high - u_low) / 2
        batch, horizon = len(u_low), self.horizon
        slopes = np.zeros((batch, horizon, self.m, horizon * self.nu))
        for t in range(first, horizon):
            for start, stop, A, b in self.levels:
                rows = slice(start, stop)
                wanted = np.flatnonzero(lines.unstable[:, t, rows].any(axis=0))
                if len(wanted) == 0:
                    continue
                low, high, by_action = self._backward(
                    t, A[wanted], b[wanted], start, lines, center, radius
                )
                i = start + wanted
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
            t, forms @ self.output, forms @ self.d, self.m, lines, center, radius
        )
        low, high = low - _ROUNDING * (1 + abs(low)), high + _ROUNDING * (1 + abs(high))
        return low, high, by_action

    def _backward(
        self, t: int, A: np.ndarray, b: np.ndarray, z_stop: int,
        lines: Lines, center: np.ndarray, radius: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
        """Bounds (B, k) of `A [v_t; z_t,<z_stop] + b`, and their mean slopes in the actions."""
        batch, k, nu = len(center), len(A), self.nu
        form = np.broadcast_to(np.concatenate([A, -A]), (batch, 2 * k, A.shape[1]))
        constant = np.broadcast_to(np.concatenate([b, -b]), (batch, 2 * k))
        by_action = np.zeros((batch, 2 * k, self.horizon * nu))
        for s in range(t, -1, -1):
            form, constant = self._through(s, form, constant, z_stop, lines)
            over_u, over_x = form[:, :, self.nx :], form[:, :, : self.nx]
            by_action[:, :, s * nu : (s + 1) * nu] = over_u
            constant = constant + np.matmul(over_u, center[:, s, :, None])[..., 0]
            constant = constant - np.matmul(abs(over_u), radius[:, s, :, None])[..., 0]
            if s == 0:
                constant = constant + over_x @ self.x0
            else:
                constant = constant + over_x @ self.d
                form = (over_x.reshape(-1, self.nx) @ self.output).reshape(batch, 2 * k, -1)
                z_stop = self.m
        return constant[:, :k], -constant[:, k:], (by_action[:, :k] - by_action[:, k:]) / 2

    def _through(
        self, s: int, form: np.ndarray, constant: np.ndarray, z_stop: int, lines: Lines
    ) -> tuple[np.ndarray, np.ndarray]:
        for start, stop, A, b in reversed(self.levels):
            if start >= z_stop:
                continue
            over_z = form[:, :, self.n + start : self.n + stop]
            negative = np.minimum(over_z, 0.0)
            over_a = (over_z - negative) * lines.lower[:, s, None, start:stop]
            over_a += negative * lines.upper[:, s, None, start:stop]
            constant = constant + np.matmul(negative, lines.offset[:, s, start:stop, None])[..., 0]
            constant = constant + over_a @ b
            batch, k, width = over_a.shape
            passed = (over_a.reshape(batch * k, width) @ A).reshape(batch, k, -1)
            form = form[:, :, : self.n + start] + passed
        return form[:, :, : self.n], constant


def _dense(matrix: Matrix) -> np.ndarray:
    return matrix if isinstance(matrix, np.ndarray) else matrix.toarray()
