"""Exact planning by branch and bound over the action box, for wide networks and few steps."""

from sparsectl.mip.ocp import OCP
from sparsectl.mip.search.boxes.search import BoxSearch, refusal, unsupported
from sparsectl.mip.search.contract import Outcome
from sparsectl.mip.search.pool import Pool
from sparsectl.mip.solution import Limits
from sparsectl.program.bounds import HorizonBounds

__all__ = ["ENGINE", "BoxSearch", "refusal", "unsupported"]


class _Boxes:
    """See `Engine`."""

    def unsupported(self, ocp: OCP) -> str | None:
        return unsupported(ocp)

    def search(
        self, pool: Pool, bounds: HorizonBounds, limits: Limits, deadline: float | None
    ) -> Outcome:
        return BoxSearch(pool, bounds).run(limits, deadline)


ENGINE = _Boxes()
