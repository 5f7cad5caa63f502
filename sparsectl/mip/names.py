"""What searches and bounds are called; nothing heavy is imported for a name."""

from __future__ import annotations

from typing import Literal

from sparsectl.errors import one_of
from sparsectl.mip.backends import BACKENDS

BoundMethod = Literal["interval", "crown", "lp"]
AUTO = "auto"
"""The hull of modes where the network allows it, the action box where the network is wide and the
horizon short, else SCIP or HiGHS."""
OWN = {
    "hull": "sparsectl.mip.search.hull",
    "boxes": "sparsectl.mip.search.boxes",
}
"""Searches of our own: modules with an `ENGINE` (see `search.contract`)."""


def check_engine(name: str) -> None:
    """Refuse a name that is no engine's.

    Raises:
        ConfigError: unknown name.
    """
    known = (AUTO, *OWN, *BACKENDS)
    one_of(name, known, "mip backend is")
