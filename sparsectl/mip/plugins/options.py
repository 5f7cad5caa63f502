"""Options of the SCIP backend. What is off by default was measured and does not pay on average:
scripts/mip/solvers.py, results in scripts/results/solver_study.md."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from sparsectl.mip.plugins.base import Source

ROLLOUT_EVERY = 10
"""Levels of depth between rollouts where SCIP starts without a plan."""


@dataclass(frozen=True)
class SCIPOptions:
    """What SCIP does beyond `SETTINGS`."""

    settings: Mapping[str, Any] = field(default_factory=dict)
    """Further SCIP parameters, by SCIP's names, and `emphasis/heuristics`, `emphasis/presolving`:
    "off", "fast" or "aggressive"."""
    heuristics: Literal["auto", "default", "fast", "off", "aggressive"] = "auto"
    """SCIP's own primal heuristics; `auto`: fast where a feasible start is given, which saves a
    quarter of the time, else its default: without a start the fast ones take seconds to a plan."""
    cut_rounds: int = 10
    """Rounds of ideal single-neuron cuts before SCIP starts; 0: none. They save two fifths of
    the nodes and a seventh of the time; not used with a quadratic cost. See `ideal_cuts`."""
    rollout_every: int = -1
    """Roll out the relaxation's actions at depths that are multiples of this; 0: never; -1: 10
    without a feasible start, else never, because it finds nothing then."""
    sweep_depth: int = -1
    """Bound the neurons anew at nodes down to this depth; -1: never. Off: the nodes it saves do
    not pay for the sweeps (1.7 to 4 ms each)."""
    sweep_every: int = 1
    """Of those, at depths that are multiples of this."""
    branch_depth: int = -1
    """Branch by Jensen gap and duals down to this depth, then as SCIP does; -1: never. Off: no
    faster on average than SCIP's reliability branching, with a wider spread."""
    branch_trials: int = 1
    """How many of the best by that score are strong-branched; 1: the score alone decides."""


def resolve(options: SCIPOptions, warm: bool, source: Source | None) -> SCIPOptions:
    """The options with what was left open decided.

    Args:
        options: as given.
        warm: a feasible start is known.
        source: program behind the model, or None.
    """
    if options.heuristics == "auto":
        options = replace(options, heuristics="fast" if warm else "default")
    if options.rollout_every < 0:
        every = 0 if warm or source is None else ROLLOUT_EVERY
        options = replace(options, rollout_every=every)
    return options
