"""Settings of the planners that solve programs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from sparsectl.errors import ConfigError
from sparsectl.mip.names import BoundMethod, check_engine


@dataclass(frozen=True)
class MIPConfig:
    """Settings of `MIPController`."""

    backend: str = "auto"
    """`auto` (chosen by size and structure), `hull`, `boxes`, `scip` or `highs`."""
    bounds: BoundMethod = "crown"
    """Neuron bounds: `interval`, `crown` or `lp`."""
    gap: float = 1e-3
    """Relative gap at which a plan counts as proved."""
    seconds: float | None = 5.0
    """Time per decision when no deadline is given [s]; None: until proved."""
    nodes: int | None = None
    """Node limit per decision, for runs that must repeat exactly; None: none."""
    starts: list[str] = field(default_factory=lambda: ["cem"])
    """Controllers that propose starting plans: any of mppi, cem, gradient. May be empty."""
    share: float = 0.3
    """Share of the time for the starting plans."""
    polish: int = 4
    """How many starting plans are polished by pattern LPs."""
    explore: int = 6
    """How many plans of a wide search around the starting plans are polished too; 0: no search."""
    soft_penalty: float | None = 1e3
    """When hard constraints cannot hold: retry with this cost per unit of violation (None: no)."""

    def __post_init__(self) -> None:
        check_engine(self.backend)
        if self.gap < 0 or not 0 <= self.share < 1 or min(self.polish, self.explore) < 0:
            raise ConfigError("mip needs gap >= 0, share in [0, 1), polish and explore >= 0")
        if self.seconds is not None and not self.seconds > 0:
            raise ConfigError(f"mip seconds is {self.seconds}, expected more than 0")
        if self.soft_penalty is not None and not self.soft_penalty > 0:
            raise ConfigError(f"mip soft_penalty is {self.soft_penalty}, expected more than 0")


@dataclass(frozen=True)
class RelaxationConfig:
    """Settings of `Relaxation`."""

    solver: Literal["auto", "clarabel", "highs"] = "auto"
    """`clarabel` (interior point) or `highs` (simplex, linear costs only); `auto`: clarabel. Where
    one fails the other is tried."""
    bounds: BoundMethod = "crown"
    """Neuron bounds: `interval`, `crown` or `lp`."""
    polish: int = 0
    """At most this many pattern LPs improve the plan; 0: the relaxation's own plan."""
    gap: float = 1e-3
    """Relative gap at which a plan counts as proved."""
    soft_penalty: float | None = 1e3
    """When hard constraints cannot hold: retry with this cost per unit of violation (None: no)."""

    def __post_init__(self) -> None:
        if self.gap < 0 or self.polish < 0:
            raise ConfigError("relaxation needs gap >= 0 and polish >= 0")
        if self.soft_penalty is not None and not self.soft_penalty > 0:
            raise ConfigError(
                f"relaxation soft_penalty is {self.soft_penalty}, expected more than 0"
            )
