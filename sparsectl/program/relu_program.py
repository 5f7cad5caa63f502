"""The canonical form of everything that is planned with.

    z_i = max(0, a_i),   a_i = A_i [v; z_<i] + b_i        i = 1..m, in topological order
    y   = C [v; z] + d

with input v, shape (n_in,). A step neuron, the second kind, is z_i = 1 where a_i >= 0 and 0 where
a_i < 0; a sign neuron is 2 z_i - 1, folded into what reads it, so the sign of 0 is +1.

A dynamics step has v = [x; u] and y = x_next. With m = 0 the program is an affine map. In mixed
logical dynamical terms (Bemporad and Morari 1999), every neuron is one auxiliary variable with
one binary.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol, TypeAlias

import numpy as np
import scipy.sparse as sp

from sparsectl.errors import ConfigError, NonFiniteError, ShapeError

Matrix: TypeAlias = np.ndarray | sp.csr_array
_DENSE_LIMIT = 4_000_000


@dataclass(frozen=True)
class Level:
    """Neurons that depend only on inputs and earlier levels, evaluated at once.

    Attributes:
        start, stop: the neurons `z[start:stop]`.
        A: Shape (stop - start, n_in + start).
        b: Shape (stop - start,).
        step: which of them are step neurons, shape (stop - start,), bool; None: all are ReLUs.
    """

    start: int
    stop: int
    A: Matrix
    b: np.ndarray
    step: np.ndarray | None = None

    def activate(self, pre: np.ndarray) -> np.ndarray:
        """Neurons of pre-activations, both of shape (..., stop - start). Non-decreasing."""
        z = np.maximum(pre, 0.0)
        if self.step is not None:
            z[..., self.step] = pre[..., self.step] >= 0
        return z


@dataclass(frozen=True)
class ReluProgram:
    """A ReLU or step network in canonical form. Immutable; operations return another program.

    Attributes:
        A: Shape (m, n_in + m), strictly lower triangular in its z part.
        b: Shape (m,).
        C: Shape (n_out, n_in + m).
        d: Shape (n_out,).
        step: step neurons; the others are ReLUs. Shape (m,), bool; empty: all are ReLUs.
    """

    n_in: int
    A: sp.csr_array
    b: np.ndarray
    C: sp.csr_array
    d: np.ndarray
    step: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=bool))

    def __post_init__(self) -> None:
        for name in ("A", "C"):
            value = sp.csr_array(getattr(self, name), dtype=np.float64)
            value.eliminate_zeros()
            object.__setattr__(self, name, value)
        for name in ("b", "d"):
            object.__setattr__(self, name, np.asarray(getattr(self, name), dtype=np.float64))
        step = np.asarray(self.step, dtype=bool)
        object.__setattr__(self, "step", step if step.size else np.zeros(self.m, dtype=bool))
        if self.step.shape != (self.m,):
            raise ShapeError(f"step has shape {self.step.shape}, expected ({self.m},) neurons")
        width = self.n_in + self.m
        if self.A.shape != (self.m, width) or self.C.shape != (self.n_out, width):
            raise ShapeError(
                f"program of {self.n_in} inputs and {self.m} neurons: A has shape "
                f"{self.A.shape}, C {self.C.shape}, expected ({self.m}, {width}) and "
                f"({self.n_out}, {width})"
            )
        for name, values in (("A", self.A.data), ("b", self.b), ("C", self.C.data), ("d", self.d)):
            if not np.isfinite(values).all():
                raise NonFiniteError(f"program array {name} holds a NaN or infinity")
        rows = np.repeat(np.arange(self.m), np.diff(self.A.indptr))
        if (self.A.indices >= self.n_in + rows).any():
            raise ShapeError("program neurons are not in topological order")

    @property
    def m(self) -> int:
        """Number of neurons: ReLUs and steps."""
        return len(self.b)

    @cached_property
    def has_steps(self) -> bool:
        """Whether any neuron is a step neuron."""
        return bool(self.step.any())

    def require_relus(self, what: str) -> None:
        """Refuse step neurons.

        Raises:
            ConfigError: `what` needs a program of ReLUs only, and this one has step neurons.
        """
        if self.has_steps:
            raise ConfigError(
                f"{what} takes ReLU neurons only, this program has {int(self.step.sum())} step "
                "(sign) neurons: plan with controller mip, backend auto, scip or highs"
            )

    @property
    def n_out(self) -> int:
        """Number of outputs."""
        return len(self.d)

    @cached_property
    def levels(self) -> tuple[Level, ...]:
        """Consecutive groups of neurons that can be evaluated together."""
        depends = self.A[:, self.n_in :].tocsr()
        bounds, start = [0], 0
        for i in range(self.m):
            row = depends.indices[depends.indptr[i] : depends.indptr[i + 1]]
            if len(row) and row.max() >= start:
                bounds.append(i)
                start = i
        bounds.append(self.m)
        return tuple(self._level(i, j) for i, j in itertools.pairwise(bounds) if j > i)

    def _level(self, i: int, j: int) -> Level:
        step = self.step[i:j]
        A = _compact(self.A[i:j, : self.n_in + i])
        return Level(i, j, A, self.b[i:j], step if step.any() else None)

    @cached_property
    def output(self) -> Matrix:
        """C, dense where that is small."""
        return _compact(self.C)

    def at(self, problem: Decision) -> ReluProgram:
        """Itself: the same program at every state. See `Programs`."""
        return self

    def exact_at(self, problem: Decision) -> bool:
        """Always: see `Programs`."""
        return True

    def __call__(self, v: np.ndarray) -> np.ndarray:
        """Outputs. Shape (..., n_out), of inputs of shape (..., n_in)."""
        return self.evaluate(v)[0]

    def evaluate(self, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Outputs (..., n_out) and pre-activations (..., m) of inputs (..., n_in)."""
        v = np.asarray(v, dtype=np.float64)
        if v.shape[-1:] != (self.n_in,):
            raise ShapeError(f"program input has shape {v.shape}, expected (..., {self.n_in})")
        flat = v.reshape(-1, self.n_in)
        values = np.empty((len(flat), self.n_in + self.m))
        values[:, : self.n_in] = flat
        pre = np.empty((len(flat), self.m))
        for level in self.levels:
            known = values[:, : self.n_in + level.start]
            pre[:, level.start : level.stop] = (level.A @ known.T).T + level.b
            values[:, self.n_in + level.start : self.n_in + level.stop] = level.activate(
                pre[:, level.start : level.stop]
            )
        y = (self.output @ values.T).T + self.d
        return y.reshape(*v.shape[:-1], self.n_out), pre.reshape(*v.shape[:-1], self.m)

    def rollout(self, x0: np.ndarray, actions: np.ndarray) -> np.ndarray:
        """Exact states of a dynamics program. Shape (..., H + 1, nx).

        Args:
            x0: Shape (..., nx), or (nx,) shared by all.
            actions: Shape (..., H, nu) with nx + nu = n_in and nx = n_out.
        """
        actions = np.asarray(actions, dtype=np.float64)
        x = np.broadcast_to(x0, (*actions.shape[:-2], self.n_out)).astype(np.float64)
        states = [x]
        for t in range(actions.shape[-2]):
            states.append(self(np.concatenate([states[-1], actions[..., t, :]], axis=-1)))
        return np.stack(states, axis=-2)

    def patterns(self, x0: np.ndarray, actions: np.ndarray) -> np.ndarray:
        """Which neurons are active along one rollout. Shape (H, m), bool."""
        states = self.rollout(x0, actions)
        pre = self.evaluate(np.concatenate([states[:-1], actions], axis=-1))[1]
        return (pre > 0) | (self.step & (pre == 0))

    def affine(self, active: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """The affine pieces of one activation pattern.

        Args:
            active: Shape (m,), bool.

        Returns:
            (M, c, P, p): outputs are `M v + c`, pre-activations `P v + p`.
        """
        P, p = np.zeros((self.m, self.n_in)), np.zeros(self.m)
        Z, z = np.zeros((self.n_in + self.m, self.n_in)), np.zeros(self.n_in + self.m)
        Z[: self.n_in] = np.eye(self.n_in)
        for level in self.levels:
            rows, k = slice(level.start, level.stop), self.n_in + level.start
            P[rows], p[rows] = level.A @ Z[:k], level.A @ z[:k] + level.b
            on = np.asarray(active[rows], dtype=np.float64)
            after = slice(k, self.n_in + level.stop)
            Z[after], z[after] = P[rows] * on[:, None], p[rows] * on
            if level.step is not None:
                steps = k + np.flatnonzero(level.step)
                Z[steps], z[steps] = 0.0, on[level.step]
        return self.output @ Z, self.output @ z + self.d, P, p


class Decision(Protocol):
    """What a decision tells the programs: `task.Problem` is one."""

    @property
    def x0(self) -> np.ndarray:
        """Present state. Shape (nx,)."""

    @property
    def u_low(self) -> np.ndarray:
        """Lowest actions. Shape (nu,)."""

    @property
    def u_high(self) -> np.ndarray:
        """Highest actions. Shape (nu,)."""

    @property
    def horizon(self) -> int:
        """Number of steps."""


class Programs(Protocol):
    """Where a planner's program comes from: one for all states, or one for the state at hand.

    A `ReluProgram` is the constant case: its own `at` returns itself.
    """

    def at(self, problem: Decision) -> ReluProgram:
        """The program to plan a decision with.

        It need be exact only for rollouts from `problem.x0` over `problem.horizon` steps with
        actions in `problem`'s box.
        """

    def exact_at(self, problem: Decision) -> bool:
        """Whether it is: if not, what is proved about the program says nothing of the model."""


def _compact(matrix: sp.csr_array) -> Matrix:
    rows, columns = matrix.shape
    return matrix.toarray() if rows * columns <= _DENSE_LIMIT else matrix
