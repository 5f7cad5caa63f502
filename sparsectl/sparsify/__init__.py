"""From a dense ReLU model to models with few ReLUs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sparsectl._lazy import names_on_demand

if TYPE_CHECKING:
    from sparsectl.sparsify.config import SparsifyConfig
    from sparsectl.sparsify.family import Family, Member
    from sparsectl.sparsify.losses import Objective
    from sparsectl.sparsify.sparsify import sparsify

names_on_demand(__name__)
