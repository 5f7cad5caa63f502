"""Backward linear relaxation (CROWN, Zhang et al. 2018) of a rollout over a batch of boxes.

Every neuron lies between two lines, lower a + floor <= z <= upper a + offset, so a linear form of
neurons is at least a linear form of what they read. A rollout is read backwards in this way until
only actions and the start are left. Arrays have a leading batch axis B: one entry is one box.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from sparsectl.program.relu_program import ReluProgram

_STEEP = 1e-3
"""No step neuron is relaxed by a line steeper than the inverse of this."""
Line: TypeAlias = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray | None]
"""Lower slopes, upper slopes, upper offsets and lower offsets (None: zeros), each (B, m)."""
Interval: TypeAlias = tuple[np.ndarray, np.ndarray]
"""Centre and radius."""


@dataclass
class Lines:
    """Relaxations of the neurons over a batch of boxes. Each of shape (B, H, m).

    Attributes:
        lower, floor: the lower line; of a ReLU it goes through 0, and any slope in [0, 1] is
            sound. floor is None where there are no step neurons.
        upper, offset: the upper line.
        step: which are step neurons, shape (m,), bool; None: none.
    """

    low: np.ndarray
    high: np.ndarray
    unstable: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    offset: np.ndarray
    floor: np.ndarray | None
    step: np.ndarray | None

    @classmethod
    def empty(cls, low: np.ndarray, high: np.ndarray, step: np.ndarray | None = None) -> Lines:
        """Lines that `refresh` has yet to set from bounds."""
        lower, upper, offset = (np.zeros(low.shape) for _ in range(3))
        steps = step is not None and bool(step.any())
        floor = np.zeros(low.shape) if steps else None
        return cls(low, high, np.zeros(low.shape, bool), lower, upper, offset, floor, step)

    @classmethod
    def of(cls, low: np.ndarray, high: np.ndarray, step: np.ndarray | None = None) -> Lines:
        """Lines from bounds."""
        lines = cls.empty(low, high, step)
        lines.refresh(slice(None), slice(None))
        return lines

    def at(self, step: int) -> Line:
        """What `through_neurons` takes of one step."""
        floor = None if self.floor is None else self.floor[:, step]
        return self.lower[:, step], self.upper[:, step], self.offset[:, step], floor

    def refresh(self, step: int | slice, rows: slice) -> None:
        """Set the lines of some neurons from their bounds."""
        low, high = self.low[:, step, rows], self.high[:, step, rows]
        unstable = (low < 0) & (high > 0)
        slope = np.where(unstable, high, low >= 0) / np.where(unstable, high - low, 1.0)
        self.unstable[:, step, rows] = unstable
        self.upper[:, step, rows] = slope
        self.offset[:, step, rows] = np.where(unstable, -slope * low, 0.0)
        self.lower[:, step, rows] = np.where(unstable, high > -low, slope)
        if self.floor is not None and self.step is not None:
            steps = np.arange(len(self.step))[rows]
            self._refresh_steps(step, steps[self.step[rows]], self.floor)

    def _refresh_steps(self, step: int | slice, rows: np.ndarray, floor: np.ndarray) -> None:
        """Step neurons: of z >= 0 and z >= a / h, and of z <= 1 and z <= 1 + a / -l, the line
        that leaves the smaller area.
        """
        low, high = self.low[:, step, rows], self.high[:, step, rows]
        on, unstable = low >= 0, (low < 0) & (high >= 0)
        rises = unstable & (high > np.maximum(-low, _STEEP))
        falls = unstable & (-low > np.maximum(high, _STEEP))
        self.lower[:, step, rows] = np.where(rises, 1.0 / np.where(rises, high, 1.0), 0.0)
        floor[:, step, rows] = on
        self.upper[:, step, rows] = np.where(falls, 1.0 / np.where(falls, -low, 1.0), 0.0)
        self.offset[:, step, rows] = on | unstable


def backward(
    program: ReluProgram,
    lines: Lines,
    t: int,
    forms: tuple[np.ndarray, np.ndarray],
    z_stop: int,
    actions: Interval,
    start: Interval,
    *,
    by_action: np.ndarray | None = None,
) -> np.ndarray:
    """Lower bounds of affine forms of [v_t; z_t,<z_stop] over the boxes. Shape (B, k).

    Args:
        program: dynamics program, inputs [x; u], outputs x'.
        lines: relaxations of its neurons.
        t: step of the forms.
        forms: coefficients (B, k, n_in + z_stop) and constants (B, k).
        z_stop: neurons that the forms read.
        actions: box of every step. Shape (B, H, nu).
        start: box of the start. Shape (B, 1, nx).
        by_action: filled with the slopes in the actions. Shape (B, k, H nu).
    """
    form, constant = forms
    nx, nu = program.n_out, program.n_in - program.n_out
    for s in range(t, -1, -1):
        form, constant = through_neurons(program, lines.at(s), form, constant, z_stop)
        over_x, over_u = form[..., :nx], form[..., nx:]
        constant = constant + _minimum(over_u, actions, s)
        if by_action is not None:
            by_action[..., s * nu : (s + 1) * nu] = over_u
        if s > 0:
            constant = constant + over_x @ program.d
            form, z_stop = _times(over_x, program.output), program.m
    return constant + _minimum(over_x, start, 0)


def through_neurons(
    program: ReluProgram,
    line: Line,
    form: np.ndarray,
    constant: np.ndarray,
    z_stop: int,
    weight: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Replace a step's neurons by lines below them; what is left is a form of [x; u].

    Args:
        line: the neurons' lines in this step.
        form, constant: k forms of every box, (B, k, n_in + z_stop) and (B, k), or one of each,
            (B, n_in + z_stop) and (B,).
        weight: filled with the coefficients of the neurons. Shape (B, m), of one form.
    """
    n, single = program.n_in, form.ndim == 2
    lower, upper, offset, floor = line
    for level in reversed(program.levels):
        if level.start >= z_stop:
            continue
        rows = slice(level.start, level.stop)
        over_z = form[..., n + level.start : n + level.stop]
        if weight is not None:
            weight[:, rows] = over_z
        negative = np.minimum(over_z, 0.0)
        if single:
            over_a = (over_z - negative) * lower[:, rows] + negative * upper[:, rows]
            constant = constant + (negative * offset[:, rows]).sum(1)
        else:
            over_a = (over_z - negative) * lower[:, None, rows]
            over_a += negative * upper[:, None, rows]
            constant = constant + np.matmul(negative, offset[:, rows, None])[..., 0]
        constant = constant + over_a @ level.b
        if floor is not None:
            positive, least = over_z - negative, floor[:, rows]
            rise = (
                (positive * least).sum(1)
                if single
                else np.matmul(positive, least[..., None])[..., 0]
            )
            constant = constant + rise
        form = form[..., : n + level.start] + _times(over_a, level.A)
    return form[..., :n], constant


def _times(form: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """form @ matrix by one product, which is faster than one for each box."""
    return (form.reshape(-1, form.shape[-1]) @ matrix).reshape(*form.shape[:-1], -1)


def _minimum(form: np.ndarray, box: Interval, s: int) -> np.ndarray:
    """Least value of forms (B, k, w) over a step's box."""
    center, radius = (a[:, s, :, None] for a in box)
    return (np.matmul(form, center) - np.matmul(abs(form), radius))[..., 0]
