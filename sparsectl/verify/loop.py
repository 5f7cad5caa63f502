"""A policy and a model as one program, and what is asked of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sparsectl.program import ReluProgram
from sparsectl.program.algebra import affine, compose, precompose, stack
from sparsectl.task import Problem


@dataclass(frozen=True)
class Loop:
    """Policy and dynamics over a horizon, as a function of the start alone.

    Its state s = [x; u] is the task's state and the action that led to it, so that costs of actions
    are costs of states; the u of the start is never read.

    Attributes:
        program: s -> s', without further inputs.
        problem: cost, constraints and horizon; its x0 is of no account.
    """

    program: ReluProgram
    problem: Problem

    @property
    def nx(self) -> int:
        """Size of the task's state."""
        return self.problem.nx

    @property
    def horizon(self) -> int:
        """Number of steps H."""
        return self.problem.horizon

    def rollout(self, x0: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """States (..., H + 1, nx) and actions (..., H, nu) from starts (..., nx), exact."""
        s = np.concatenate([x0, np.zeros((*x0.shape[:-1], self.problem.nu))], axis=-1)
        along = [s]
        with np.errstate(over="ignore", invalid="ignore"):
            for _ in range(self.horizon):
                along.append(self.program(along[-1]))
        found = np.stack(along, axis=-2)
        return found[..., : self.nx], found[..., 1:, self.nx :]

    def costs(self, x0: np.ndarray) -> np.ndarray:
        """Exact cost of starts. Shapes (..., nx) -> (...)."""
        states, actions = self.rollout(x0)
        return np.asarray(self.problem.cost(states, actions))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """What each hard constraint is."""
        return self.problem.constraints.names


def close(dynamics: ReluProgram, policy: ReluProgram, problem: Problem) -> Loop:
    """One program of both.

    Args:
        dynamics: [x; u] -> x'.
        policy: x -> u, see `policies.lower`.
    """
    nx, nu = problem.nx, problem.nu
    x, u = np.eye(nx, nx + nu), np.eye(nx + nu)[nx:]
    decided = stack([affine(x, np.zeros(nx)), precompose(policy, x)])
    moved = stack([dynamics, affine(u, np.zeros(nu))])
    return Loop(compose(moved, decided), problem)
