"""Settings of the planners behind solvers, which are slow to import."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from sparsectl.checks import whole, within
from sparsectl.config import from_dict
from sparsectl.control.base import Controller
from sparsectl.control.config import ControllerConfig, Setup, config_class, kinds, register
from sparsectl.control.samplers.cem import CEMConfig
from sparsectl.control.samplers.gradient import GradientConfig
from sparsectl.errors import ConfigError, prefixed
from sparsectl.mip.names import BoundMethod, check_engine
from sparsectl.task import Problem


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
    tolerance: float | None = None
    """The same in the unit of the cost; whichever is met first counts. None: none."""
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
        within(self, "mip", "[0, inf)", "gap", "tolerance")
        within(self, "mip", "[0, 1)", "share")
        whole(self, "mip", "[0, inf)", "polish", "explore")
        within(self, "mip", "(0, inf)", "seconds", "soft_penalty")
        whole(self, "mip", "[1, inf)", "nodes")
        check_engine(self.backend)
        for kind in self.starts:
            _start(kind)

    def refusal(self, problem: Problem) -> str | None:
        """Why the backend cannot plan such problems, or None."""
        from sparsectl.mip.search.engines import refusal

        why = refusal(self.backend, problem)
        return None if why is None else f"backend '{self.backend}' cannot plan here: {why}"

    def build(self, setup: Setup) -> Controller:
        """See `ControllerConfig.build`."""
        from sparsectl.control.mip import MIPController

        return MIPController(setup, self, [_start(kind).build(setup) for kind in self.starts])


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
    tolerance: float | None = None
    """The same in the unit of the cost; whichever is met first counts. None: none."""
    soft_penalty: float | None = 1e3
    """When hard constraints cannot hold: retry with this cost per unit of violation (None: no)."""

    def __post_init__(self) -> None:
        within(self, "relaxation", "[0, inf)", "gap", "tolerance")
        whole(self, "relaxation", "[0, inf)", "polish")
        within(self, "relaxation", "(0, inf)", "soft_penalty")

    def build(self, setup: Setup) -> Controller:
        """See `ControllerConfig.build`."""
        from sparsectl.control.relaxation import Relaxation

        return Relaxation(setup, self)


@dataclass(frozen=True)
class DescentConfig(GradientConfig):
    """Settings of gradient shooting that starts from good plans."""

    near: tuple[float, float] = (0.05, 0.5)
    """Least and largest standard deviation around known plans, 1 being half the action box."""


@register("two_models")
@dataclass(frozen=True)
class TwoModelsConfig(ControllerConfig):
    """Settings of `TwoModels`."""

    sparse: str
    """Checkpoint of the sparse model, for example `sparse/24` in the run's folder."""
    share: float = 0.3
    """Share of the time for the global plan on the sparse model, at most."""
    refine: Literal["auto", "gradient", "cem", "both"] = "auto"
    """Planner that refines on the dense model. `both`: cem, then gradient, half the time each;
    `auto`: both where there are at least 0.2 s for it, else cem."""
    seconds: float | None = 5.0
    """Time per decision when no deadline is given [s]; None: the parts' own limits."""
    plans: int = 8
    """Different plans of the sparse model that are refined, at most."""
    mip: MIPConfig = field(default_factory=MIPConfig)
    """Of the global plan; its `seconds` count only where there is no time limit at all."""
    gradient: DescentConfig = field(default_factory=DescentConfig)
    """Of the refinement by gradient."""
    cem: CEMConfig = field(default_factory=CEMConfig)
    """Of the refinement by sampling."""

    takes_starts, starts_mip, checkpoints = True, False, ("sparse",)

    def __post_init__(self) -> None:
        if not self.sparse.strip():
            raise ConfigError("two_models needs the folder of a checkpoint as `sparse`")
        within(self, "two_models", "(0, 1)", "share")
        whole(self, "two_models", "[1, inf)", "plans")
        within(self, "two_models", "(0, inf)", "seconds")

    def refusal(self, problem: Problem) -> str | None:
        """Why the global planner cannot plan such problems, or None."""
        why = self.mip.refusal(problem)
        return None if why is None else f"mip: {why}"

    def build(self, setup: Setup) -> Controller:
        """See `ControllerConfig.build`."""
        from sparsectl.control.two_models import TwoModels

        return TwoModels(setup, self)


@dataclass(frozen=True)
class NearestConfig(MIPConfig):
    """Settings of the search for the nearest action; costs are shares of half the action box."""

    tolerance: float | None = 1e-3
    """How much farther than the nearest a safe action may be."""
    starts: list[str] = field(default_factory=list)
    """None: it starts from the plans that the shield knows."""
    explore: int = 0
    """As of `mip`; at least 1 where entries have levels, to seek plans level by level."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.starts:
            raise ConfigError("the search of a shield starts from what it knows: leave out starts")


@register("shield")
@dataclass(frozen=True)
class ShieldConfig(ControllerConfig):
    """Settings of `Shield`."""

    of: dict[str, Any]
    """Entry of the controller that acts where that is safe, with its `kind`."""
    seconds: float | None = 0.3
    """Time for the search of a decision when no deadline is given [s]; None: until proved."""
    share: float = 0.5
    """Share of the time until a deadline for the controller inside, at most."""
    margin: float = 0.0
    """Share of half their width by which boxes, those on the end too, are drawn in on either side
    as far as that can be: for what the model gets wrong from one decision to the next."""
    mip: NearestConfig = field(default_factory=NearestConfig)
    """Of the search; its `seconds` are those above."""

    starts_mip, inside = False, "of"

    def __post_init__(self) -> None:
        within(self, "shield", "(0, inf)", "seconds")
        within(self, "shield", "(0, 1)", "share")
        within(self, "shield", "[0, 1)", "margin")
        if "kind" not in self.of:
            raise ConfigError("of: no `kind` of controller to shield, as in `of: {kind: mppi}`")
        if "models" in self.of:
            raise ConfigError("of: models are those that the shield plays with: name them outside")

    def refusal(self, problem: Problem) -> str | None:
        """Why there is nothing to shield, or the search cannot plan such problems, or None."""
        if problem.constraints.empty:
            return (
                "there is nothing to shield: the task has no hard constraints; give some under "
                "task.constraints, without a price"
            )
        from sparsectl.control.nearest import nearest

        return self.mip.refusal(nearest(problem, problem.u_low, problem.constraints))

    def outside(self) -> str | None:
        """That of the controller inside."""
        own = {k: v for k, v in self.of.items() if k not in ("kind", "horizon", "proposal")}
        return from_dict(config_class(self.of["kind"]), own).outside()

    def build(self, setup: Setup) -> Controller:
        """See `ControllerConfig.build`."""
        from sparsectl.control.build import build
        from sparsectl.control.wrappers.shield import Shield

        why = self.refusal(setup.task.outline(setup.horizon))
        if why is not None:
            raise ConfigError(why)
        inner = build(
            f"{setup.name}.of", self.of, setup.task, setup.dynamics, setup.program, setup.horizon,
            setup.device,
        )  # fmt: skip
        return Shield(setup, self, inner)


def _start(kind: str) -> ControllerConfig:
    """Settings of a controller that proposes starting plans: a kind's defaults."""
    with prefixed("mip starts", ConfigError):
        cls = config_class(kind)
    if not cls.starts_mip:
        planners = (k for k in kinds() if config_class(k).takes_starts)
        others = ", ".join(k for k in planners if config_class(k).starts_mip)
        raise ConfigError(f"mip cannot start from {kind}: expected any of {others}")
    return from_dict(cls, {}, f"mip starts: {kind}")
