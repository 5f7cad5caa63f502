"""Exact planning by branch and bound over the action box, for wide networks and few steps."""

from sparsectl.mip.search.boxes.search import BoxSearch, unsupported

__all__ = ["BoxSearch", "unsupported"]
