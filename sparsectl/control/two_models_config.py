"""Settings of the planner with two models, and the sparse model that they name."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from sparsectl.control.config import ControllerConfig, Setup, register
from sparsectl.control.mip_config import MIPConfig, check_seconds
from sparsectl.control.samplers.cem import CEMConfig
from sparsectl.control.samplers.gradient import GradientConfig
from sparsectl.errors import CheckpointError, ConfigError
from sparsectl.task import Task

if TYPE_CHECKING:
    from sparsectl.control.two_models import TwoModels
    from sparsectl.dynamics import Model


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
        if not 0 < self.share < 1 or self.plans < 1:
            raise ConfigError("two_models needs share between 0 and 1 and plans >= 1")
        check_seconds("two_models", self.seconds)

    def build(self, setup: Setup) -> TwoModels:
        """See `ControllerConfig.build`."""
        from sparsectl.control.two_models import TwoModels

        return TwoModels(setup, self, load_sparse(self, setup.task))


def load_sparse(config: TwoModelsConfig, task: Task) -> Model:
    """The sparse model of a config, fitted to the task.

    Raises:
        CheckpointError: missing, damaged, or of other states or actions. That it is of the same
            environment, only who knows the environment can check.
    """
    from sparsectl import dynamics

    path = Path(config.sparse)
    try:
        model, meta = dynamics.load(path)
        names = task.map.names
        dynamics.check_compatible(
            meta, env_id=meta.get("env_id") or "this task", dynamics=model, nx=task.nx,
            nu=task.nu, names=names, where=path,
        )  # fmt: skip
    except CheckpointError as error:
        raise CheckpointError(f"sparse: {error}") from None
    return model
