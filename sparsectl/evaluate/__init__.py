"""Closed-loop comparison: episodes, statistics, tables, plots, clips and one HTML report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sparsectl._lazy import names_on_demand

if TYPE_CHECKING:
    from sparsectl.evaluate.comparison import compare
    from sparsectl.evaluate.config import EvaluateConfig
    from sparsectl.evaluate.episode import run_episode
    from sparsectl.evaluate.results import Results

names_on_demand(__name__)
