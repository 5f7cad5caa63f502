"""What is verified, and how long."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sparsectl.checks import whole, within
from sparsectl.errors import ConfigError


@dataclass(frozen=True)
class VerifyConfig:
    """How a controller's behaviour over a box of start states is verified."""

    controller: str | None = None
    """Name of the controller; None: the only policy among them."""
    starts: dict[str, Any] = field(default_factory=dict)
    """Box of start states: `part: [low, high]`, `part: value`, `part[i]: ...`, by the names of
    `task.observation.state`. Parts that are not named have the range that resets give them."""
    steps: int | None = None
    """Steps H; None: the horizon."""
    seconds: float = 60.0
    """Time for all questions together [s]."""
    workers: int = 2
    """Processes among which boxes and questions are spread; one thread each. 1: this one."""
    gap: float = 0.01
    """Relative gap at which a worst case is done."""
    edge: float = 0.015
    """Boxes of the map are not split below this share of the edges of the box of all starts."""
    regret: bool = True
    """Whether the worst regret is asked for, which needs mixed-integer programs."""
    samples: int | None = None
    """Draw so many starts in place of a proof, for controllers without a closed form; None: a
    proof where the controller is a policy, else 20."""
    replays: int = 8
    """Starts that are played in the environment itself."""

    def __post_init__(self) -> None:
        within(self, "verify", "(0, inf)", "seconds")
        within(self, "verify", "[0, inf)", "gap")
        within(self, "verify", "(0, 1]", "edge")
        whole(self, "verify", "[0, inf)", "replays")
        whole(self, "verify", "[1, inf)", "workers")
        for name in ("steps", "samples"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"verify.{name} is {value}, expected at least 1")
