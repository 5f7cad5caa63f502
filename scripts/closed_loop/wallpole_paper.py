"""The pole between walls on paper: linearised, with the walls as hinges, and its terminal set.

Prints the terminal set as the boxes of configs/wallpole.yaml.

python -m scripts.closed_loop.wallpole_paper
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.linalg as sl
import scipy.sparse as sp
from scipy.optimize import linprog

from sparsectl.envs.wallpole.env import LIMITS
from sparsectl.envs.wallpole.scene import (
    CART_MASS,
    DAMPING,
    GRAVITY,
    LENGTH,
    STIFFNESS,
    SUBSTEPS,
    TIMESTEP,
    TIP_MASS,
    WALL,
)
from sparsectl.program.relu_program import ReluProgram

NAMES = ("position", "angle", "velocity", "spin")
TIP = np.array([1.0, LENGTH, 0.0, 0.0])
"""Of a state: where the tip is, to first order [m]."""
SPEED = np.roll(TIP, 2)
_WEIGHTS, _ACTION_WEIGHT, _SHRINK = (2.5, 17.0, 1.7, 0.02), 0.04, 0.99
"""Of the linear-quadratic regulator: of some hundred tried at random, the one with the largest
terminal set among those of few faces. The set shrinks by this factor a step."""
_ONSET = 1000.0
"""Slope at which a wall's damping sets in with penetration [N/m]: steep in place of a jump."""


@dataclass(frozen=True)
class Linear:
    """`x' = A x + B u + F f`, with the tip's force f [N] and everything held for a control step."""

    A: np.ndarray
    B: np.ndarray
    F: np.ndarray


def linear() -> Linear:
    """The upright pole, linearised and integrated exactly over a control step."""
    fall = GRAVITY * TIP_MASS / CART_MASS
    rate = np.zeros((6, 6))
    rate[0, 2] = rate[1, 3] = 1.0
    rate[2, 1], rate[3, 1] = -fall, (fall + GRAVITY) / LENGTH
    rate[2, 4], rate[3, 4] = 1.0 / CART_MASS, -1.0 / (CART_MASS * LENGTH)
    rate[3, 5] = 1.0 / (TIP_MASS * LENGTH)  # a force on the tip moves the tip alone
    step = sl.expm(rate * SUBSTEPS * TIMESTEP)
    return Linear(step[:4, :4], step[:4, 4:5], step[:4, 5:])


def program() -> ReluProgram:
    """Dynamics with four ReLUs; inputs (x, u), outputs x'.

    A wall pushes with max(0, min(k r + nu v, s r)) for penetration r and its rate v: spring and
    damper where the tip is in the wall, the damper growing in over a centimetre or two.
    """
    model, width = linear(), 5 + 4
    A, b = np.zeros((4, width)), np.zeros(4)
    for i, side in enumerate((1.0, -1.0)):
        force = side * (STIFFNESS * TIP + DAMPING * SPEED)
        A[i, :4], b[i] = force - side * _ONSET * TIP, (_ONSET - STIFFNESS) * WALL
        A[2 + i, :4], A[2 + i, 5 + i], b[2 + i] = force, -1.0, -STIFFNESS * WALL
    C = np.hstack([model.A, model.B, np.zeros((4, 2)), -model.F, model.F])
    return ReluProgram(5, sp.csr_array(A), b, sp.csr_array(C), np.zeros(4))


def gain() -> np.ndarray:
    """Of the feedback u = K x that keeps states in the terminal set. Shape (1, 4)."""
    model = linear()
    P = sl.solve_discrete_are(model.A, model.B, np.diag(_WEIGHTS), [[_ACTION_WEIGHT]])
    return -np.linalg.solve(_ACTION_WEIGHT + model.B.T @ P @ model.B, model.B.T @ P @ model.A)


def terminal_set() -> np.ndarray:
    """Rows H of the largest set |H x| <= 1 that the feedback shrinks by 1 % a step.

    In it limits and actions are kept and the tip touches no wall. Gilbert and Tan (1991):
    rows of the limits, and of the limits some steps later, until a step adds nothing.
    """
    model, K = linear(), gain()
    closed = (model.A + model.B @ K) / _SHRINK
    H = np.vstack([np.diag(1.0 / LIMITS), K, TIP / WALL])
    later = H
    while len(later := np.array([r for r in later @ closed if largest(r, H) > 1 + 1e-9])):
        H = np.vstack([H, later])
    kept = list(range(len(H)))
    for i in reversed(range(len(H))):
        others = [j for j in kept if j != i]
        if largest(H[i], H[others]) <= 1 + 1e-9:
            kept = others
    return H[kept]


def largest(row: np.ndarray, H: np.ndarray) -> float:
    """Largest `row . x` with |H x| <= 1; infinite where there is none."""
    sides = np.ones(2 * len(H))
    found = linprog(-row, A_ub=np.vstack([H, -H]), b_ub=sides, bounds=(None, None))
    return -found.fun if found.status == 0 else np.inf


def expression(row: Sequence[float]) -> str:
    """A row as the expression of a config."""
    signed = (f"{v:+.4g}*{name}" for v, name in zip(row, NAMES, strict=True) if abs(v) > 1e-9)
    return " ".join(signed).replace(" +", " + ").replace(" -", " - ").removeprefix("+")


if __name__ == "__main__":
    for row in terminal_set():
        if np.count_nonzero(abs(row) > 1e-9) > 1:  # the limits themselves are there already
            print(f"    - {{of: {expression(row)}, low: -1, high: 1, when: terminal}}")
