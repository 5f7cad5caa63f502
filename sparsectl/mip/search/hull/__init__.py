"""Exact planning by convex hulls of modes, for networks whose neurons see few directions."""

import time

from sparsectl.mip.ocp import OCP
from sparsectl.mip.search.contract import WEAK_DUALITY, Outcome
from sparsectl.mip.search.hull.cells import TooManyModes
from sparsectl.mip.search.hull.search import HullSearch, directions, refusal, unsupported
from sparsectl.mip.search.pool import Pool
from sparsectl.mip.solution import Limits
from sparsectl.program.bounds import HorizonBounds

__all__ = ["ENGINE", "HullSearch", "TooManyModes", "directions", "refusal", "unsupported"]

_LISTING = 0.7
"""Share of the time that listing the modes may take."""


class _Hull:
    """See `Engine`."""

    def unsupported(self, ocp: OCP) -> str | None:
        return unsupported(ocp)

    def search(
        self, pool: Pool, bounds: HorizonBounds, limits: Limits, deadline: float | None
    ) -> Outcome:
        listing = None
        if deadline is not None:
            now = time.perf_counter()
            listing = now + _LISTING * (deadline - now)
        try:
            engine = HullSearch(pool, bounds, listing)
        except TooManyModes as error:
            return Outcome(message=f"no hull of modes: {error}")
        try:
            return engine.run(limits, deadline)
        except TooManyModes as error:  # rounding: a cell that cannot be cut; the bound stands
            trace, why = tuple(engine.trace), f"the hull of modes was given up: {error}"
            return Outcome(engine.bound, WEAK_DUALITY, engine.nodes, trace, why)


ENGINE = _Hull()
