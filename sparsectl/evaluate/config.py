"""Settings of a comparison."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from sparsectl.checks import choices, whole, within
from sparsectl.control.config import config_class
from sparsectl.errors import ConfigError
from sparsectl.parallel import EngineName


@dataclass(frozen=True)
class EvaluateConfig:
    """Which episodes are played, how, and what is reported."""

    episodes: int = 20
    """Episodes per controller and model; episode i starts alike for all of them."""
    first_episode: int = 0
    """Number of the first one: choose settings on some episodes, and report others."""
    steps: int | None = None
    """Length of an episode; none: the environment's own limit."""
    until_success: bool = False
    """End an episode as soon as the environment says that the task is solved. Off: success is
    what holds at the end of a full episode."""
    budget: float | None = 0.2
    """Wall-clock time per decision [s]; none: unlimited and without fallbacks."""
    stall_noise: float = 0.0
    """Noise on the next action of a planner whose last one did nothing of what its model
    predicted, 1 being half the action box; it grows while that goes on. 0: none."""
    workers: int = 2
    """Episodes at once. Use 1 for decision times that no other episode disturbs."""
    engine: EngineName = "process"
    """`process`, `serial` or `ray`."""
    clips: int = 1
    """Episodes of which every controller gets a clip."""
    fps: float = 10.0
    """Speed of the clips [frames per second]."""
    planned_states: int = 10
    """States at which every controller plans once, for the comparison of planned costs."""
    models: dict[str, str] = field(default_factory=dict)
    """Further checkpoints to compare, by name; also members of the run's sparsified family:
    `{relus24: sparse/24}`."""
    device: str = "cpu"
    """Torch device of the samplers; `auto` takes a GPU where there is one."""
    compared_by: Literal["error", "return"] = "error"
    """What planners are compared by: the task error at the end of an episode, or the return, the
    sum of its rewards, which says more where episodes end in success."""
    error_label: str = "final error"
    """Name of the task error in tables and plots, with its unit."""
    error_scale: float = 1.0
    """Factor from the environment's unit to that of `error_label`, e.g. 1000 for mm."""

    proved_within: float | None = None
    """A decision counts as proved, too, where no plan can be better by more than this, in the unit
    of `error_label` where the cost is a distance at the plan's end alone, else in that of the
    cost. None: only within 1 %."""

    @property
    def numbers(self) -> range:
        """Numbers of the episodes that are played."""
        return range(self.first_episode, self.first_episode + self.episodes)

    def check_kind(self, name: str, kind: str) -> None:
        """Refuse a controller whose actions must act as they are where noise is added to actions.

        Raises:
            ConfigError: naming it.
        """
        if self.stall_noise and config_class(kind).inside:
            raise ConfigError(
                f"controllers.{name}: evaluate.stall_noise would change actions after the {kind} "
                "has certified them: leave one of the two out"
            )

    def __post_init__(self) -> None:
        within(self, "evaluate", "[0, inf)", "proved_within")
        whole(self, "evaluate", "[1, inf)", "episodes", "workers", "steps")
        whole(self, "evaluate", "[0, inf)", "clips", "planned_states", "first_episode")
        within(self, "evaluate", "[0, inf)", "stall_noise")
        within(self, "evaluate", "(0, inf)", "budget", "fps", "error_scale")
        choices(self, "evaluate")
