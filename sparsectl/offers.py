"""What rooms offer to rooms below them, by name: said with the package, made where it is wanted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

OFFERS: dict[str, Callable[[], Any]] = {}
"""`proposals`: the `Maker` of `control.wrappers.proposal`; `motor policies`: a function of a folder
that returns the policy there, with `predict`, the sizes of observation and action, and its meta."""
