"""Settings of the planner by convex relaxation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from sparsectl.control.config import ControllerConfig, Setup, register
from sparsectl.control.mip_config import check_penalty
from sparsectl.errors import ConfigError
from sparsectl.mip.names import BoundMethod

if TYPE_CHECKING:
    from sparsectl.control.relaxation import Relaxation


@register("relaxation")
@dataclass(frozen=True)
class RelaxationConfig(ControllerConfig):
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
        check_penalty("relaxation", self.soft_penalty)

    def build(self, setup: Setup) -> Relaxation:
        """See `ControllerConfig.build`."""
        from sparsectl.control.relaxation import Relaxation

        return Relaxation(setup, self)
