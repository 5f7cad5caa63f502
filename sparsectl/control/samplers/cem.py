"""Cross-entropy method: iCEM (Pinneri et al. 2020) with a full covariance.

A Gaussian over plans is refitted to its best samples. From iCEM: coloured noise, elites carried
over to the next iteration and, shifted, to the next decision, momentum on mean and deviation, the
mean itself tried, and the best plan ever evaluated returned. Most samples are drawn with the
elites' full covariance, which follows the narrow valleys that a diagonal one cannot. When the
Gaussian has contracted and time is left, it starts over wide; the best plan stays among the
samples.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sparsectl.checks import within
from sparsectl.control.base import idle_action
from sparsectl.control.config import Setup, register
from sparsectl.control.samplers import mixture, noise
from sparsectl.control.samplers.base import Decision, IteratedConfig, Sampler
from sparsectl.control.samplers.clock import rounds
from sparsectl.errors import ConfigError
from sparsectl.task import Task
from sparsectl.task.levels import Levels

if TYPE_CHECKING:
    import torch

    from sparsectl.control.samplers.objective import Objective


@register("cem")
@dataclass(frozen=True)
class CEMConfig(IteratedConfig):
    """Settings of `CEM`."""

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
        super().__post_init__()
        if not 2 <= self.elites <= self.samples:
            raise ConfigError("cem needs 2 <= elites <= samples")
        within(self, "cem", "[0, 1]", "kept")
        within(self, "cem", "[0, 1)", "momentum", "shaped")
        within(self, "cem", "(0, inf)", "sigma", "sigma_min", "expansion")
        within(self, "cem", "[0, inf)", "exponent")

    def build(self, setup: Setup) -> CEM:
        """See `ControllerConfig.build`."""
        return CEM(setup, self)


class CEM(Sampler[CEMConfig]):
    """Sampling planner that refits a Gaussian to its elites."""

    def search(self, decision: Decision) -> tuple[dict[str, Any], np.ndarray]:
        """See `Sampler.search`; the Gaussian starts around the last of the plans.

        The memory is the elites, action units. Shape (k, H, nu).
        """
        import torch

        config, rng, first = self.config, decision.state.rng("cem"), decision.first
        objective, best = decision.objective, decision.best
        levels = Levels.of(decision.problem)
        if levels is not None:
            return self._mixed(decision, levels)
        carried = torch.cat([_moved_on(decision, self.task), first])
        mean, sigma = first[-1], torch.full_like(first[-1], config.sigma)
        elites, count = carried[:0], 0
        for _ in rounds(config.iterations, decision.deadline, default=20):
            new = self._draw(rng, objective, mean, sigma, elites)
            z = torch.cat([carried, mean[None], new]).clamp(-1, 1)
            costs = objective(z)
            best.offer(z, costs)
            count += len(z)
            order = torch.argsort(costs)[: config.elites]
            elites = z[order[torch.isfinite(costs[order])]]
            if len(elites) < 2:  # the model is not finite around here: look everywhere
                mean, sigma = torch.zeros_like(mean), torch.ones_like(sigma)
                continue
            mean = config.momentum * mean + (1 - config.momentum) * elites.mean(0)
            sigma = config.momentum * sigma + (1 - config.momentum) * elites.std(0)
            carried = elites[: max(1, int(config.kept * config.elites))]
            if float(sigma.mean()) < config.sigma_min and best.z is not None:
                mean, sigma = best.z, torch.full_like(sigma, config.sigma)
                carried, elites = best.z[None], elites[:0]
        best.offer(mean[None], objective(mean[None]))
        return {"samples": count}, objective.actions(carried).cpu().numpy()

    def _mixed(self, decision: Decision, levels: Levels) -> tuple[dict[str, Any], np.ndarray]:
        """As `search`, with probabilities of levels."""
        count, elites = mixture.search(
            decision,
            levels,
            self.config,
            lambda costs: np.full(len(costs), 1 / len(costs)),
            carried=_moved_on(decision, self.task),
        )
        return {"samples": count}, decision.objective.actions(elites).cpu().numpy()

    def _draw(
        self,
        rng: np.random.Generator,
        objective: Objective,
        mean: torch.Tensor,
        sigma: torch.Tensor,
        elites: torch.Tensor,
    ) -> torch.Tensor:
        """Plans around the mean, not yet clipped. Shape (samples, H, nu)."""
        import torch

        config = self.config
        count = int(config.shaped * config.samples) if len(elites) > 1 else 0
        e = noise.coloured(
            rng, config.samples - count, mean.shape[0], mean.shape[1], config.exponent
        )
        diagonal = mean + sigma * objective.tensor(e)
        if not count:
            return diagonal
        shaped = mean + config.expansion * noise.like(rng, elites, count)
        return torch.cat([diagonal, shaped])


def _moved_on(decision: Decision, task: Task) -> torch.Tensor:
    """Elites of the last decision, moved on by one step, idle tail. Shape (k, H, nu)."""
    problem, objective, old = decision.problem, decision.objective, decision.state.memory
    shape = (problem.horizon, problem.nu)
    if not (isinstance(old, np.ndarray) and old.shape[1:] == shape and np.isfinite(old).all()):
        return decision.first[:0]
    tail = np.broadcast_to(idle_action(task), (len(old), 1, problem.nu))
    return objective.unit(np.concatenate([old[:, 1:], tail], axis=1))
