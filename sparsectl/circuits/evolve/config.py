"""Settings of training by evolution."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from sparsectl.checks import choices, whole, within
from sparsectl.errors import ConfigError


@dataclass(frozen=True)
class TrainConfig:
    """Evolution of a policy's parameters."""

    kind: Literal["evolution"] = field(default="evolution", kw_only=True)
    """Name of this way of training."""
    method: Literal["es", "cma", "sepcma"] = "es"
    """`es`: evolution strategy with Adam; `cma`: CMA-ES, for up to a few hundred parameters;
    `sepcma`: CMA-ES with a diagonal covariance, for more."""
    population: int = 8
    """Candidates per generation; even for `es`, whose candidates come in mirrored pairs."""
    sigma: float = 0.02
    """Standard deviation of the candidates around their mean: throughout (`es`), or in the first
    generation (`cma`, `sepcma`)."""
    scale: dict[str, float] = field(default_factory=dict)
    """Factors of `sigma` and `learning_rate` by parameter name, e.g. 10 for a parameter in other
    units. Others: 1."""
    learning_rate: float = 0.01
    """Step size of Adam (`es`)."""
    clip: float | None = None
    """Largest magnitude of a gradient entry before Adam (`es`); none: unlimited."""
    decay: float = 1.0
    """`sigma` and `learning_rate` fall geometrically to this times themselves at the end (`es`)."""
    steps: int = 1_000_000
    """Environment steps of all candidates, in whole generations; evaluations come on top."""
    episodes: int = 1
    """Episodes of every candidate in every generation, from starts that all of them share."""
    episode_steps: int | None = None
    """Length of an episode; none: the environment's own."""
    eval_every: int = 50_000
    """Environment steps between evaluations of the mean, after each of which the run is saved."""
    eval_episodes: int = 10
    """Episodes of an evaluation, from starts that no training uses."""
    seed: int = 0
    """Of candidates and starts."""
    engine: Literal["serial", "process", "ray"] = "serial"
    """Where candidates play: `serial`, in MuJoCo's threads; `process` and `ray`, a share of the
    population in each worker."""
    workers: int = 1
    """Threads or processes."""

    def __post_init__(self) -> None:
        choices(self, "evolution")
        whole(self, "evolution", "[2, inf)", "population")
        if self.method == "es" and self.population % 2:
            raise ConfigError(
                f"population is {self.population}: method 'es' mirrors every candidate and needs "
                f"an even number, for example {self.population + 1}"
            )
        if self.method != "es" and self.population < 4:
            raise ConfigError(
                f"population is {self.population}: method '{self.method}' adapts its covariance "
                "to the better half and needs at least 4"
            )
        within(self, "evolution", "(0, inf)", "sigma", "learning_rate", "clip")
        within(self, "evolution", "(0, 1]", "decay")
        for name, factor in self.scale.items():
            if not 0 < factor < math.inf:
                raise ConfigError(f"scale of '{name}' is {factor}, expected a number above 0")
        counts = ("steps", "episodes", "eval_every", "eval_episodes", "workers", "episode_steps")
        whole(self, "evolution", "[1, inf)", *counts)
        whole(self, "evolution", "[0, inf)", "seed")
