"""Exact planning by convex hulls of modes, for networks whose neurons see few directions."""

from sparsectl.mip.search.hull.cells import TooManyModes
from sparsectl.mip.search.hull.search import HullSearch, directions, unsupported

__all__ = ["HullSearch", "TooManyModes", "directions", "unsupported"]
