"""CROWN through the prefix of one rollout, with few calls: a step on its lower lines is one matrix.

With all of a step's neurons on their lower lines, what reads them is linear in what they read, and
one product takes any forms through the step. Where a form has a neuron of unknown sign with a
negative coefficient, that times (upper line minus lower line) is added. This is what
`crown.backward` does, level by level for a batch of boxes; over long horizons of small networks
calls cost more than their numbers, and here are about four to a step.
"""

from __future__ import annotations

import numpy as np

from sparsectl.program.crown import Lines
from sparsectl.program.relu_program import Matrix, ReluProgram


class Prefix:
    """Steps of one rollout that are bounded, in order, and bounds of forms that go back through.

    Forms are rows over [x; u; 1; z] of a step, z being the neurons before those that they are
    about.

    Args:
        u_low, u_high: boxes of the actions. Shape (H, nu).

    Attributes:
        lines: relaxations of the neurons, of a batch of one.
    """

    def __init__(self, program: ReluProgram, u_low: np.ndarray, u_high: np.ndarray) -> None:
        horizon, n = len(u_low), program.n_in
        self.program, self.nx = program, program.n_out
        low, high = np.zeros((2, 1, horizon, program.m))
        self.lines = Lines.empty(low, high, program.step)
        self._levels = [rows(level.A, level.b, n) for level in program.levels]
        self._output = rows(program.output, program.d, n)
        # Centre and radius of [x; u]; the two columns are x alone and u alone.
        self._middle, self._radius = np.zeros((2, horizon, n, 2))
        self._middle[:, self.nx :, 1] = (u_low + u_high) / 2
        self._radius[:, self.nx :, 1] = (u_high - u_low) / 2
        self._outputs: list[np.ndarray] = []
        self._corrections: list[list[tuple[np.ndarray, np.ndarray]]] = []

    def begin(self, low: np.ndarray, high: np.ndarray) -> None:
        """The next step, from a box of states. Two of shape (nx,)."""
        t, nx = len(self._corrections), self.nx
        self._middle[t, :nx, 0], self._radius[t, :nx, 0] = (low + high) / 2, (high - low) / 2
        self._corrections.append([])
        self._neurons: list[np.ndarray] = []

    def neurons(self, index: int) -> np.ndarray:
        """Pre-activations of a level on the lower lines of those before it. Shape (rows, ...)."""
        return self._lowered(self._levels[index])

    def note(self, index: int, forms: np.ndarray, low: np.ndarray, high: np.ndarray) -> None:
        """A level's forms, from `neurons`, and bounds. low, high: Shape (rows,)."""
        level, t, n = self.program.levels[index], len(self._corrections) - 1, self.program.n_in
        here, lines = slice(level.start, level.stop), self.lines
        lines.low[0, t, here], lines.high[0, t, here] = low, high
        lines.refresh(t, here)
        self._neurons.append(forms)
        lower, upper, lift = (a[0, t, here] for a in (lines.lower, lines.upper, lines.offset))
        if lines.floor is not None:
            lift = lift - lines.floor[0, t, here]
        open_ = np.flatnonzero((upper != lower) | (lift != 0.0))
        if len(open_):
            correction = (upper - lower)[open_, None] * forms[open_]
            correction[:, n] += lift[open_]
            columns = n + 1 + level.start + open_
            self._corrections[t].insert(0, (columns, correction))

    def end(self) -> np.ndarray:
        """The step's outputs on its lower lines, when all levels are noted. Shape (nx, ...)."""
        self._outputs.append(self._lowered(self._output))
        return self._outputs[-1]

    def _lowered(self, raw: np.ndarray) -> np.ndarray:
        """Rows over [x; u; 1; z], with all z on their lower lines."""
        n, t = self.program.n_in, len(self._corrections) - 1
        forms = raw.copy()
        for level, fields in zip(self.program.levels, self._neurons, strict=False):
            here = slice(level.start, level.stop)
            z = raw[:, n + 1 + level.start : n + 1 + level.stop]
            forms[:, : fields.shape[1]] += (z * self.lines.lower[0, t, here]) @ fields
            if self.lines.floor is not None:
                forms[:, n] += z @ self.lines.floor[0, t, here]
        return forms

    def bounds(self, forms: np.ndarray, t: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Least and greatest values of forms of a step on its lower lines. Two of shape (k,).

        The best of what the boxes of states at this step and at every one before it say.

        Args:
            forms: Shape (k, n_in + 1 or more).
            t: step; None: the last that was begun.
        """
        t = len(self._corrections) - 1 if t is None else t
        k, n, nx = len(forms), self.program.n_in, self.nx
        over = np.empty((t + 1, 2 * k, n + 1))
        form = np.concatenate([forms, -forms])
        for s in range(t, -1, -1):
            for columns, correction in self._corrections[s]:
                if columns[0] < form.shape[1]:
                    below = np.minimum(form[:, columns], 0.0)
                    form[:, : correction.shape[1]] += below @ correction
            over[t - s] = form[:, : n + 1]
            if s > 0:
                form = form[:, :nx] @ self._outputs[s - 1]
        inputs, back = over[..., :n], slice(t, None, -1)
        least = inputs @ self._middle[back] - abs(inputs) @ self._radius[back]
        passed = (over[..., n] + least[..., 1]).cumsum(0)
        found = (passed + least[..., 0]).max(0)
        return found[:k], -found[k:]


def rows(A: Matrix, b: np.ndarray, n_in: int) -> np.ndarray:
    """Rows over [x; u; 1; z] of `A [x; u; z] + b`."""
    A = A if isinstance(A, np.ndarray) else A.toarray()
    return np.concatenate([A[:, :n_in], b[:, None], A[:, n_in:]], axis=1)
