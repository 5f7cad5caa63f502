"""Program + cost + constraints + horizon -> mixed-integer model -> solution with a proven gap."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sparsectl._lazy import names_on_demand

if TYPE_CHECKING:
    from sparsectl.mip.encode import encode, start_box
    from sparsectl.mip.model import MIPModel
    from sparsectl.mip.prepare import bound_neurons
    from sparsectl.mip.solution import Limits, RawSolution, Solution
    from sparsectl.mip.solve import solve

names_on_demand(__name__)
