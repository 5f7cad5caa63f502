"""Closed-loop comparison: episodes, statistics, tables, plots, clips and one HTML report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sparsectl.evaluate.config import EvaluateConfig

if TYPE_CHECKING:
    from sparsectl.evaluate.comparison import compare
    from sparsectl.evaluate.episode import run_episode
    from sparsectl.evaluate.results import Results

__all__ = ["EvaluateConfig", "Results", "compare", "run_episode"]

_LAZY = {"compare": "comparison", "run_episode": "episode", "Results": "results"}


def __getattr__(name: str) -> Any:
    """Load `compare`, `run_episode` and `Results` at first use: configs alone stay light."""
    if name not in _LAZY:
        raise AttributeError(f"module 'sparsectl.evaluate' has no attribute '{name}'")
    from importlib import import_module

    value = getattr(import_module(f"sparsectl.evaluate.{_LAZY[name]}"), name)
    globals()[name] = value
    return value
