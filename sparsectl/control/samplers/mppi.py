"""Model predictive path integral control (Williams et al. 2017), low-temperature and iterated.

    z_n = mean + e_n        w_n ~ exp(-(J_n - min J) / lambda)         mean' = sum w_n z_n

Changes that make it hard to beat: most of the noise e_n has the covariance of the best samples,
some surrounds single ones at scales over two decades and changes only some entries, and part of
the samples is drawn afresh across the whole box. lambda follows the spread of the best costs (so
the scale of the cost does not matter), and the best plan ever evaluated is returned rather than
the last mean.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from sparsectl.control.samplers import covariance, noise
from sparsectl.control.samplers.base import Decision, ModelPlanner
from sparsectl.control.samplers.clock import rounds
from sparsectl.control.samplers.config import MPPIConfig
from sparsectl.control.samplers.objective import Objective


class MPPI(ModelPlanner[MPPIConfig]):
    """Sampling planner with softmax-weighted averaging."""

    settings, source = MPPIConfig, "mppi"

    @torch.inference_mode()
    def search(self, decision: Decision) -> dict[str, Any]:
        """See `ModelPlanner.search`."""
        config, rng, kept = self.config, decision.state.rng("mppi"), decision.first
        objective, best = decision.objective, decision.best
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
        return {"samples": count}

    def _draw(
        self,
        rng: np.random.Generator,
        objective: Objective,
        mean: torch.Tensor,
        elites: torch.Tensor,
    ) -> torch.Tensor:
        """Samples of one iteration. Shape (samples, H, nu), in the unit box."""
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
            mean + stretch * covariance.like(rng, elites, shaped),
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
    best, index = torch.topk(costs, max(2, int(config.elites * len(costs))), largest=False)
    finite = torch.isfinite(best)
    best, index = best[finite], index[finite]
    scale = config.temperature * (best[-1] - best[0]) + 1e-9
    weights = torch.softmax(-(costs - best[0]) / scale, dim=0)
    return (weights[:, None, None] * z).sum(0), z[index]
