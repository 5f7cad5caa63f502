"""What every exact search takes and gives, whether it is ours or a solver's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from sparsectl.mip.ocp import OCP
from sparsectl.mip.solution import Limits
from sparsectl.program.bounds import HorizonBounds

if TYPE_CHECKING:
    from sparsectl.mip.search.pool import Pool

WEAK_DUALITY = "weak duality"
"""Bounds that are computed here from multipliers, whatever a solver's tolerances."""


@dataclass(frozen=True)
class Outcome:
    """What a search proved; plans went to the pool.

    Attributes:
        bound: lower bound on the cost of every plan; inf: there is none; -inf: nothing known.
        certificate: whose word the bound is: `WEAK_DUALITY`, or a solver's name.
        nodes: size of the search.
        trace: (seconds since the pool started, cost, bound).
        message: in words.
    """

    bound: float = -np.inf
    certificate: str = ""
    nodes: int = 0
    trace: tuple[tuple[float, float, float], ...] = ()
    message: str = ""


class Engine(Protocol):
    """A search for plans of least cost."""

    def unsupported(self, ocp: OCP) -> str | None:
        """Why it cannot plan here, or None."""

    def search(
        self, pool: Pool, bounds: HorizonBounds, limits: Limits, deadline: float | None
    ) -> Outcome:
        """Search until the gap is closed, the deadline, or the node limit.

        Args:
            pool: what is planned, and the best plan so far; better ones are offered to it.
            bounds: sound bounds on neurons, states and actions.
            limits: gaps and node limit.
            deadline: `time.perf_counter()` value, or None.
        """
