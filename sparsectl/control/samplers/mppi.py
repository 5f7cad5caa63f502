"""Model predictive path integral control (Williams et al. 2017), low-temperature and iterated.

    z_n = mean + e_n        w_n ~ exp(-(J_n - min J) / lambda)         mean' = sum w_n z_n

Changes that make it hard to beat: most of the noise e_n has the covariance of the best samples,
some surrounds single ones at scales over two decades and changes only some entries, and part of
the samples is drawn afresh across the whole box. lambda follows the spread of the best costs (so
the scale of the cost does not matter), and the best plan ever evaluated is returned rather than
the last mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sparsectl.checks import within
from sparsectl.control.config import Setup, register
from sparsectl.control.samplers import mixture, noise
from sparsectl.control.samplers.base import Decision, IteratedConfig, Sampler
from sparsectl.control.samplers.clock import rounds
from sparsectl.errors import ConfigError
from sparsectl.task.levels import Levels

if TYPE_CHECKING:
    import torch

    from sparsectl.control.samplers.objective import Objective


@register("mppi")
@dataclass(frozen=True)
class MPPIConfig(IteratedConfig):
    """Settings of `MPPI`."""

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
        super().__post_init__()
        within(self, "mppi", "(0, inf)", "temperature")
        within(self, "mppi", "(0, 1]", "elites", "perturbed")
        within(self, "mppi", "[0, 1)", "correlation")
        within(self, "mppi", "[1, inf)", "expansion")
        if not 0 < self.sigma_min <= self.sigma:
            raise ConfigError("mppi needs 0 < sigma_min <= sigma")
        if not (self.fresh >= 0 and self.shaped >= 0 and self.fresh + self.shaped < 1):
            raise ConfigError("mppi needs fresh and shaped of at least 0, below 1 together")

    def build(self, setup: Setup) -> MPPI:
        """See `ControllerConfig.build`."""
        return MPPI(setup, self)


class MPPI(Sampler[MPPIConfig]):
    """Sampling planner with softmax-weighted averaging."""

    def search(self, decision: Decision) -> tuple[dict[str, Any], None]:
        """See `Sampler.search`."""
        import torch

        config, rng, kept = self.config, decision.state.rng("mppi"), decision.first
        objective, best = decision.objective, decision.best
        levels = Levels.of(decision.problem)
        if levels is not None:
            count, _ = mixture.search(decision, levels, config, self._weights)
            return {"samples": count}, None
        mean, elites, count = kept[-1], kept, 0
        for _ in rounds(config.iterations, decision.deadline, default=20):
            z = torch.cat([kept, self._draw(rng, objective, mean, elites)])
            costs = objective(z)
            best.offer(z, costs)
            count += len(z)
            if best.z is not None:
                mean, elites = _average(z, costs, config)
                kept = torch.stack([mean, best.z])
        best.offer(mean[None], objective(mean[None]))
        return {"samples": count}, None

    def _weights(self, costs: np.ndarray) -> np.ndarray:
        """Softmax of costs, at a temperature that follows their spread."""
        scale = self.config.temperature * (costs[-1] - costs[0]) + 1e-9
        weights = np.exp(-(costs - costs[0]) / scale)
        return weights / weights.sum()

    def _draw(
        self,
        rng: np.random.Generator,
        objective: Objective,
        mean: torch.Tensor,
        elites: torch.Tensor,
    ) -> torch.Tensor:
        """Samples of one iteration. Shape (samples, H, nu), in the unit box."""
        import torch

        config, (horizon, nu) = self.config, mean.shape
        far = int(config.fresh * config.samples)
        shaped = int(config.shaped * config.samples)
        near = config.samples - far - shaped
        e = noise.correlated(rng, near, horizon, nu, config.correlation)
        e *= rng.random(e.shape, dtype=np.float32) < config.perturbed
        e *= _factors(rng, near, config.sigma_min, config.sigma)
        chosen = torch.as_tensor(rng.integers(0, len(elites), near), device=elites.device)
        stretch = objective.tensor(_factors(rng, shaped, 1.0, config.expansion))
        parts = [
            elites[chosen] + objective.tensor(e),
            mean + stretch * noise.like(rng, elites, shaped),
            objective.tensor(noise.spread(rng, far, horizon, nu)),
        ]
        return torch.cat(parts).clamp(-1, 1)


def _factors(rng: np.random.Generator, count: int, low: float, high: float) -> np.ndarray:
    """Random factors, uniform in the logarithm. Shape (count, 1, 1), float32."""
    return low * (high / low) ** rng.random((count, 1, 1), dtype=np.float32)


def _average(
    z: torch.Tensor, costs: torch.Tensor, config: MPPIConfig
) -> tuple[torch.Tensor, torch.Tensor]:
    """Softmax-weighted mean (H, nu) and elites (k, H, nu); an infinite cost has no weight."""
    import torch

    best, index = torch.topk(costs, max(2, int(config.elites * len(costs))), largest=False)
    finite = torch.isfinite(best)
    best, index = best[finite], index[finite]
    scale = config.temperature * (best[-1] - best[0]) + 1e-9
    weights = torch.softmax(-(costs - best[0]) / scale, dim=0)
    return (weights[:, None, None] * z).sum(0), z[index]
