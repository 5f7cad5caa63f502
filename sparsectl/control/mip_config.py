"""Settings of the mixed-integer planner."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sparsectl.config import from_dict
from sparsectl.control.config import ControllerConfig, Setup, config_class, kinds, register
from sparsectl.errors import ConfigError
from sparsectl.mip.names import BoundMethod, check_engine

if TYPE_CHECKING:
    from sparsectl.control.mip import MIPController


@register("mip")
@dataclass(frozen=True)
class MIPConfig(ControllerConfig):
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

    takes_starts, starts_mip = True, False

    def __post_init__(self) -> None:
        if self.gap < 0 or not 0 <= self.share < 1 or min(self.polish, self.explore) < 0:
            raise ConfigError("mip needs gap >= 0, share in [0, 1), polish and explore >= 0")
        if self.nodes is not None and self.nodes < 1:
            raise ConfigError(f"mip nodes is {self.nodes}, expected at least 1")
        check_seconds("mip", self.seconds)
        check_penalty("mip", self.soft_penalty)
        check_engine(self.backend)
        for kind in self.starts:
            _start(kind)

    def build(self, setup: Setup) -> MIPController:
        """See `ControllerConfig.build`."""
        from sparsectl.control.mip import MIPController

        return MIPController(setup, self, [_start(kind).build(setup) for kind in self.starts])


def check_seconds(kind: str, seconds: float | None) -> None:
    """Refuse times that are not above 0."""
    if seconds is not None and not seconds > 0:
        raise ConfigError(f"{kind} seconds is {seconds}, expected more than 0")


def check_penalty(kind: str, penalty: float | None) -> None:
    """Refuse prices of violations that are not above 0."""
    if penalty is not None and not penalty > 0:
        raise ConfigError(f"{kind} soft_penalty is {penalty}, expected more than 0")


def _start(kind: str) -> ControllerConfig:
    """Settings of a controller that proposes starting plans: a kind's defaults."""
    try:
        cls = config_class(kind)
    except ConfigError as error:
        raise ConfigError(f"mip starts: {error}") from None
    if not cls.starts_mip:
        planners = (k for k in kinds() if config_class(k).takes_starts)
        others = ", ".join(k for k in planners if config_class(k).starts_mip)
        raise ConfigError(f"mip cannot start from {kind}: expected any of {others}")
    return from_dict(cls, {}, f"mip starts: {kind}")
