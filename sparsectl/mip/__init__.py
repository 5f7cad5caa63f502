"""Program + cost + constraints + horizon -> mixed-integer model -> solution with a proven gap."""

from sparsectl.mip.encode import encode, start_box
from sparsectl.mip.model import MIPModel
from sparsectl.mip.prepare import bound_neurons
from sparsectl.mip.solution import Limits, RawSolution, Solution
from sparsectl.mip.solve import solve

__all__ = [
    "Limits",
    "MIPModel",
    "RawSolution",
    "Solution",
    "bound_neurons",
    "encode",
    "solve",
    "start_box",
]
