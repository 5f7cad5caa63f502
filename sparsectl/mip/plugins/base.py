"""What all plugins share: the problem they know about, and what happens when one fails.

PySCIPOpt prints an exception of a callback and goes on. Here the first one is kept, the solve is
interrupted, and the caller hears of it.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyscipopt

from sparsectl.errors import SparsectlError
from sparsectl.mip.model import MIPModel
from sparsectl.program.relu_program import ReluProgram
from sparsectl.task import Problem


class PluginFailed(SparsectlError):
    """An exception inside a SCIP plugin; it is the cause (`__cause__`)."""

    @classmethod
    def of(cls, error: Exception) -> PluginFailed:
        """From the exception itself."""
        return cls(
            f"a SCIP plugin failed with {type(error).__name__}: {error}; the solve was stopped. "
            "Plan without plugins (SCIPOptions with rollout_every=0, sweep_depth=-1, "
            "branch_depth=-1) and report this"
        )


@dataclass(frozen=True)
class Source:
    """Where a `MIPModel` comes from: what a solver cannot see in its rows."""

    program: ReluProgram
    problem: Problem
    soft: bool = False
    """Constraints may be violated at a price, so they bound nothing."""


@dataclass
class Link:
    """A `MIPModel` inside SCIP.

    Attributes:
        model: the arrays.
        variables: SCIP's variables: the model's own, then the squares of its quadratic cost.
        source: program and problem.
        failure: the first exception of a plugin, or None.
    """

    model: MIPModel
    variables: Sequence[pyscipopt.Variable]
    source: Source
    failure: Exception | None = None

    def complete(self, values: np.ndarray) -> np.ndarray:
        """Values of all of SCIP's variables, of an assignment of the model's. Shape (n + q,)."""
        return np.concatenate([values, values[np.flatnonzero(self.model.q)] ** 2])

    def fail(self, scip: pyscipopt.Model, error: Exception) -> None:
        """Keep the first failure and stop the solve."""
        if self.failure is None:
            self.failure = error
        self.stop(scip)

    def stop(self, scip: pyscipopt.Model) -> None:
        """Interrupt the solve as soon as SCIP allows it."""
        # Not while plugins are set up; the next callback tries again.
        with contextlib.suppress(Exception):
            scip.interruptSolve()


def guarded(callback: Callable[..., dict[str, Any] | None]) -> Callable[..., dict[str, Any]]:
    """A callback of a plugin with a `link`, whose exceptions are not lost."""

    @functools.wraps(callback)
    def call(self: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        idle = {"result": pyscipopt.SCIP_RESULT.DIDNOTRUN}
        if self.link.failure is not None:
            self.link.stop(self.model)
            return idle
        try:
            return callback(self, *args, **kwargs) or idle
        except Exception as error:
            self.link.fail(self.model, error)
            return idle

    return call
