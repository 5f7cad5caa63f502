"""Operations on ReLU programs. Each returns another program; none approximates."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from sparsectl.errors import ShapeError
from sparsectl.program.relu_program import ReluProgram


def affine(M: np.ndarray, c: np.ndarray) -> ReluProgram:
    """The program `y = M v + c` without neurons. M has shape (n_out, n_in)."""
    M = np.atleast_2d(np.asarray(M, dtype=np.float64))
    return ReluProgram(M.shape[1], sp.csr_array((0, M.shape[1])), np.zeros(0), sp.csr_array(M), c)


def from_layers(weights: list[np.ndarray], biases: list[np.ndarray]) -> ReluProgram:
    """A plain ReLU network; the last layer is linear.

    Args:
        weights: Shapes (n_k, n_{k-1}).
        biases: Shapes (n_k,).
    """
    sizes = [np.shape(W)[1] for W in weights] + [np.shape(weights[-1])[0]]
    n_in, hidden = sizes[0], sizes[1:-1]
    m = sum(hidden)
    A = np.zeros((m, n_in + m))
    # Layer k reads the columns of layer k-1: the inputs first, then the neurons in order.
    starts = np.concatenate([[0], n_in + np.cumsum([0, *hidden])])
    for k, W in enumerate(weights[:-1]):
        rows = slice(starts[k + 1] - n_in, starts[k + 2] - n_in)
        A[rows, starts[k] : starts[k] + sizes[k]] = W
    C = np.zeros((sizes[-1], n_in + m))
    C[:, starts[len(hidden)] : starts[len(hidden)] + sizes[-2]] = weights[-1]
    b = np.concatenate([*biases[:-1], np.zeros(0)])
    return ReluProgram(n_in, sp.csr_array(A), b, sp.csr_array(C), biases[-1])


def precompose(program: ReluProgram, M: np.ndarray, c: np.ndarray | None = None) -> ReluProgram:
    """`v -> program(M v + c)`: input normalisation, relative coordinates. M: (n_in, n_new)."""
    M = sp.csr_array(M)
    c = np.zeros(program.n_in) if c is None else np.asarray(c, dtype=np.float64)
    if M.shape[0] != program.n_in:
        raise ShapeError(f"map has {M.shape[0]} rows, the program {program.n_in} inputs")
    n = program.n_in
    A_in, C_in = program.A[:, :n], program.C[:, :n]
    A = sp.hstack([A_in @ M, program.A[:, n:]], format="csr")
    C = sp.hstack([C_in @ M, program.C[:, n:]], format="csr")
    b, d = program.b + A_in @ c, program.d + C_in @ c
    return ReluProgram(M.shape[1], A, b, C, d, program.step)


def postcompose(program: ReluProgram, M: np.ndarray, c: np.ndarray | None = None) -> ReluProgram:
    """`v -> M program(v) + c`: output scaling. M: (n_new, n_out)."""
    M = sp.csr_array(M)
    c = np.zeros(M.shape[0]) if c is None else np.asarray(c, dtype=np.float64)
    C, d = M @ program.C, M @ program.d + c
    return ReluProgram(program.n_in, program.A, program.b, C, d, program.step)


def add_linear(program: ReluProgram, M: np.ndarray) -> ReluProgram:
    """`v -> program(v) + M v`: residual and skip connections. M: (n_out, n_in)."""
    pad = sp.csr_array((program.n_out, program.m))
    C = program.C + sp.hstack([sp.csr_array(M), pad], format="csr")
    return ReluProgram(program.n_in, program.A, program.b, C, program.d, program.step)


def fix_inputs(program: ReluProgram, index: np.ndarray, values: np.ndarray) -> ReluProgram:
    """Substitute numbers for some inputs; the rest keep their order."""
    index = np.asarray(index, dtype=int)
    keep = np.setdiff1d(np.arange(program.n_in + program.m), index)
    b, d = program.b + program.A[:, index] @ values, program.d + program.C[:, index] @ values
    n_in = len(keep) - program.m
    return ReluProgram(n_in, program.A[:, keep], b, program.C[:, keep], d, program.step)


def fold_inputs(program: ReluProgram, index: np.ndarray, values: np.ndarray) -> ReluProgram:
    """As `fix_inputs`, but the inputs stay where they are and are ignored."""
    index, c = np.asarray(index, dtype=int), np.zeros(program.n_in)
    c[index] = values
    free = np.ones(program.n_in)
    free[index] = 0.0
    return precompose(program, np.diag(free), c)


def compose(outer: ReluProgram, inner: ReluProgram) -> ReluProgram:
    """`v -> outer(inner(v))`; the neurons of `inner` come first."""
    if outer.n_in != inner.n_out:
        raise ShapeError(f"outer takes {outer.n_in} inputs, inner gives {inner.n_out} outputs")
    n = outer.n_in
    later = outer.A[:, :n] @ inner.C
    A = sp.vstack(
        [
            sp.hstack([inner.A, sp.csr_array((inner.m, outer.m))]),
            sp.hstack([later, outer.A[:, n:]]),
        ],
        format="csr",
    )
    b = np.concatenate([inner.b, outer.b + outer.A[:, :n] @ inner.d])
    C = sp.hstack([outer.C[:, :n] @ inner.C, outer.C[:, n:]], format="csr")
    d, step = outer.d + outer.C[:, :n] @ inner.d, np.concatenate([inner.step, outer.step])
    return ReluProgram(inner.n_in, A, b, C, d, step)


def stack(programs: list[ReluProgram], weights: list[float] | None = None) -> ReluProgram:
    """Programs side by side on the same input: outputs concatenated, or summed with weights."""
    n, m = programs[0].n_in, sum(p.m for p in programs)
    rows_A: list[sp.csr_array] = []
    rows_C: list[sp.csr_array] = []
    start = 0
    for p in programs:
        before, after = start, m - start - p.m
        for rows, part in ((rows_A, p.A), (rows_C, p.C)):
            k = part.shape[0]
            rows.append(
                sp.hstack(
                    [part[:, :n], sp.csr_array((k, before)), part[:, n:], sp.csr_array((k, after))]
                )
            )
        start += p.m
    A, b = sp.vstack(rows_A, format="csr"), np.concatenate([p.b for p in programs])
    step = np.concatenate([p.step for p in programs])
    if weights is None:
        d = np.concatenate([p.d for p in programs])
        return ReluProgram(n, A, b, sp.vstack(rows_C, format="csr"), d, step)
    C = sum((w * r for w, r in zip(weights, rows_C, strict=True)), start=0 * rows_C[0])
    d = sum((w * p.d for w, p in zip(weights, programs, strict=True)), start=0 * programs[0].d)
    return ReluProgram(n, A, b, sp.csr_array(C), d, step)


def unroll(program: ReluProgram, x0: np.ndarray, horizon: int) -> ReluProgram:
    """Program from all actions, shape (H * nu,), to all states x_1..x_H, shape (H * nx,)."""
    nx = program.n_out
    nu = program.n_in - nx
    total = horizon * nu
    select = [np.eye(total)[t * nu : (t + 1) * nu] for t in range(horizon)]
    step = precompose(fix_inputs(program, np.arange(nx), x0), select[0])
    outputs = step
    for t in range(1, horizon):
        # Inputs of the step are [x_t; u_t]; x_t is the last block of what is known so far.
        feed = stack([outputs, affine(select[t], np.zeros(nu))])
        last = np.hstack([np.zeros((nx, (t - 1) * nx)), np.eye(nx), np.zeros((nx, nu))])
        take_u = np.hstack([np.zeros((nu, t * nx)), np.eye(nu)])
        keep = affine(np.eye(t * nx, t * nx + nu), np.zeros(t * nx))
        outputs = compose(stack([keep, precompose(program, np.vstack([last, take_u]))]), feed)
    return outputs


def reduce(program: ReluProgram, active: np.ndarray, inactive: np.ndarray) -> ReluProgram:
    """Substitute neurons whose sign is known; the others remain, in order.

    Exact wherever the given signs hold. An identity neuron counts as active, a zero neuron as
    inactive.

    Args:
        active: Shape (m,), bool: z_i = a_i; of a step neuron z_i = 1.
        inactive: Shape (m,), bool: z_i = 0.
    """
    keep = ~(active | inactive)
    n, m, kept = program.n_in, program.m, int(keep.sum())
    # Row i of [T | s]: v and all z as affine functions of [v; kept z].
    T = np.zeros((n + m, n + kept))
    s = np.zeros(n + m)
    T[:n, :n] = np.eye(n)
    T[n + np.flatnonzero(keep), n + np.arange(kept)] = 1.0
    for level in program.levels:
        rows = np.flatnonzero(active[level.start : level.stop])
        if len(rows):
            k = n + level.start
            A = level.A[rows]
            T[k + rows] = A @ T[:k]
            s[k + rows] = A @ s[:k] + level.b[rows]
            if level.step is not None:
                steps = k + rows[level.step[rows]]
                T[steps], s[steps] = 0.0, 1.0
    A, C = program.A[keep], program.C
    return ReluProgram(
        n,
        sp.csr_array(A @ T),
        program.b[keep] + A @ s,
        sp.csr_array(C @ T),
        program.d + C @ s,
        program.step[keep],
    )


def prune(program: ReluProgram) -> ReluProgram:
    """Drop neurons that no output depends on."""
    n = program.n_in
    needed = np.asarray(abs(program.C[:, n:]).sum(axis=0)).ravel() > 0
    for level in reversed(program.levels):
        later = program.A[level.start : level.stop, n:][needed[level.start : level.stop]]
        needed |= np.asarray(abs(later).sum(axis=0)).ravel() > 0
    return program if needed.all() else reduce(program, np.zeros_like(needed), ~needed)
