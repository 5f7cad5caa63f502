"""Settings of the planners that search in the torch model."""

from __future__ import annotations

from dataclasses import dataclass

from sparsectl.errors import ConfigError


@dataclass(frozen=True)
class CEMConfig:
    """Settings of `CEM`."""

    samples: int = 256
    """Plans per iteration."""
    iterations: int | None = None
    """Iterations per decision; None: until the deadline (20 without one)."""
    elites: int = 32
    """Plans that the Gaussian is fitted to."""
    kept: float = 0.3
    """Fraction of the elites that is carried over."""
    sigma: float = 0.6
    """Initial standard deviation, 1 being half the action box."""
    sigma_min: float = 0.02
    """The Gaussian has contracted when its mean deviation is below this."""
    exponent: float = 2.0
    """Of the noise's power spectrum 1 / f^exponent; 0 is white noise."""
    momentum: float = 0.1
    """Weight of the old mean and deviation in the new ones."""
    shaped: float = 0.8
    """Fraction of the samples drawn with the elites' full covariance, once there are elites."""
    expansion: float = 1.2
    """Factor on that covariance's deviations; above 1 it contracts more slowly."""

    def __post_init__(self) -> None:
        if self.samples < 4 or (self.iterations is not None and self.iterations < 1):
            raise ConfigError("cem needs samples >= 4 and iterations >= 1")
        if not 2 <= self.elites <= self.samples:
            raise ConfigError("cem needs 2 <= elites <= samples")
        if not (0 <= self.kept <= 1 and 0 <= self.momentum < 1):
            raise ConfigError("cem needs kept in [0, 1] and momentum in [0, 1)")
        if not (self.sigma > 0 and self.sigma_min > 0 and self.exponent >= 0):
            raise ConfigError("cem needs sigma and sigma_min above 0 and exponent >= 0")
        if not (0 <= self.shaped < 1 and self.expansion > 0):
            raise ConfigError("cem needs shaped in [0, 1) and expansion above 0")


@dataclass(frozen=True)
class GradientConfig:
    """Settings of `Gradient`."""

    starts: int = 32
    """Plans optimised at once."""
    steps: int = 80
    """Adam steps per round."""
    rounds: int | None = None
    """Rounds per decision; None: until the deadline (1 without one)."""
    rate: float = 0.2
    """Adam's first step size, 1 being half the action box."""
    rate_min: float = 0.003
    """Step size at the end of a round."""
    far: float = 0.5
    """Fraction of the new plans that are drawn across the box; the others lie around known ones."""
    near: tuple[float, float] = (0.5, 0.5)
    """Least and largest standard deviation around known plans, 1 being half the action box."""

    def __post_init__(self) -> None:
        if self.starts < 4 or self.steps < 1 or (self.rounds is not None and self.rounds < 1):
            raise ConfigError("gradient needs starts >= 4, steps >= 1 and rounds >= 1")
        if not 0 < self.rate_min <= self.rate:
            raise ConfigError("gradient needs 0 < rate_min <= rate")
        if not (0 <= self.far <= 1 and 0 <= self.near[0] <= self.near[1]):
            raise ConfigError("gradient needs far in [0, 1] and near from 0 or more upwards")


@dataclass(frozen=True)
class MPPIConfig:
    """Settings of `MPPI`."""

    samples: int = 256
    """Plans per iteration."""
    iterations: int | None = None
    """Iterations per decision; None: until the deadline (20 without one)."""
    temperature: float = 0.05
    """lambda, as a fraction of the cost range of the elites."""
    elites: float = 0.25
    """Fraction of the samples whose cost range sets lambda and that the next ones start from."""
    sigma: float = 0.6
    """Largest standard deviation of the noise, 1 being half the action box."""
    sigma_min: float = 0.01
    """Smallest one; every sample draws its own in between, uniformly in the logarithm."""
    correlation: float = 0.3
    """Of the noise at one step with the next, in [0, 1)."""
    perturbed: float = 0.25
    """Probability that an entry of a plan is perturbed at all."""
    shaped: float = 0.6
    """Fraction of the samples whose noise has the covariance of the elites."""
    expansion: float = 3.0
    """Largest factor on that noise; every sample draws its own from 1 on."""
    fresh: float = 0.2
    """Fraction of the samples drawn across the whole box instead of around a plan."""

    def __post_init__(self) -> None:
        if self.samples < 4 or (self.iterations is not None and self.iterations < 1):
            raise ConfigError("mppi needs samples >= 4 and iterations >= 1")
        if not (self.temperature > 0 and 0 < self.elites <= 1):
            raise ConfigError("mppi needs temperature above 0 and elites in (0, 1]")
        if not 0 < self.sigma_min <= self.sigma:
            raise ConfigError("mppi needs 0 < sigma_min <= sigma")
        if not (0 <= self.correlation < 1 and 0 < self.perturbed <= 1):
            raise ConfigError("mppi needs correlation in [0, 1) and perturbed in (0, 1]")
        if not (self.fresh >= 0 and self.shaped >= 0 and self.fresh + self.shaped < 1):
            raise ConfigError("mppi needs fresh and shaped of at least 0, below 1 together")
        if self.expansion < 1:
            raise ConfigError("mppi needs expansion of at least 1")
