"""Settings of training by evolution."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from sparsectl.errors import ConfigError, nearest
from sparsectl.parallel import ENGINES

METHODS = ("es", "cma", "sepcma")


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
    weight_decay: float = 0.0
    """Added to the descent direction as this times the parameter (`es`)."""
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
        for name, options in (("method", METHODS), ("engine", ENGINES)):
            if getattr(self, name) not in options:
                value = getattr(self, name)
                raise ConfigError(f"unknown {name} '{value}'" + nearest(value, options))
        if self.population < 2:
            raise ConfigError(f"population is {self.population}, expected at least 2 candidates")
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
        for name in ("sigma", "learning_rate", "clip", "decay"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise ConfigError(f"{name} is {value}, expected a number above 0")
        if self.decay > 1:
            raise ConfigError(f"decay is {self.decay}, expected at most 1 (1: constant)")
        for name, factor in self.scale.items():
            if not 0 < factor < math.inf:
                raise ConfigError(f"scale of '{name}' is {factor}, expected a number above 0")
        if not 0 <= self.weight_decay < math.inf:
            raise ConfigError(f"weight_decay is {self.weight_decay}, expected at least 0")
        for name in ("steps", "episodes", "eval_every", "eval_episodes", "workers"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}, expected at least 1")
        if self.episode_steps is not None and self.episode_steps < 1:
            raise ConfigError(f"episode_steps is {self.episode_steps}, expected at least 1")
        if self.seed < 0:
            raise ConfigError(f"seed is {self.seed}, expected at least 0")
