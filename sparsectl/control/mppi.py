"""Model predictive path integral control (Williams et al. 2017), low-temperature and iterated.

    z_n = mean + sigma_n e_n        w_n ~ exp(-(J_n - min J) / lambda)         mean' = sum w_n z_n

Changes that make it hard to beat: sigma_n spans two decades instead of following a schedule, half
of the samples surround the best plan instead of the mean, many change only some entries, part is
drawn afresh across the whole box, lambda follows the spread of the best costs (so the scale of
the cost does not matter), and the best plan ever evaluated is returned rather than the last mean.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from sparsectl.control import noise
from sparsectl.control.base import Controller, ControllerState
from sparsectl.control.clock import rounds
from sparsectl.control.objective import Incumbent, Objective, candidates, frozen
from sparsectl.dynamics.base import Dynamics
from sparsectl.errors import ConfigError
from sparsectl.program import ReluProgram
from sparsectl.task import Problem, Task
from sparsectl.types import Plan


@dataclass(frozen=True)
class MPPIConfig:
    """Settings of `MPPI`."""

    samples: int = 256
    """Plans per iteration."""
    iterations: int | None = None
    """Iterations per decision; None: until the deadline (20 without one)."""
    temperature: float = 0.1
    """lambda, as a fraction of the cost range of the elites."""
    elites: float = 0.1
    """Fraction of the samples whose cost range sets lambda."""
    sigma: float = 0.6
    """Largest standard deviation of the noise, 1 being half the action box."""
    sigma_min: float = 0.01
    """Smallest one; every sample draws its own in between, uniformly in the logarithm."""
    correlation: float = 0.3
    """Of the noise at one step with the next, in [0, 1)."""
    perturbed: float = 0.25
    """Probability that an entry of a plan is perturbed at all."""
    fresh: float = 0.3
    """Fraction of the samples drawn across the whole box instead of around a plan."""

    def __post_init__(self) -> None:
        if self.samples < 4 or (self.iterations is not None and self.iterations < 1):
            raise ConfigError("mppi needs samples >= 4 and iterations >= 1")
        if not (self.temperature > 0 and 0 < self.elites <= 1):
            raise ConfigError("mppi needs temperature above 0 and elites in (0, 1]")
        if not 0 < self.sigma_min <= self.sigma:
            raise ConfigError("mppi needs 0 < sigma_min <= sigma")
        if not (0 <= self.correlation < 1 and 0 <= self.fresh < 1 and 0 < self.perturbed <= 1):
            raise ConfigError("mppi needs correlation and fresh in [0, 1), perturbed in (0, 1]")


class MPPI(Controller):
    """Sampling planner with softmax-weighted averaging."""

    def __init__(
        self,
        name: str,
        task: Task,
        program: ReluProgram,
        dynamics: Dynamics,
        horizon: int,
        config: MPPIConfig | None = None,
        device: str = "auto",
    ) -> None:
        self.name, self.task, self.horizon = name, task, horizon
        self.program = program
        self.config = config or MPPIConfig()
        self.dynamics = frozen(dynamics, device)

    @torch.inference_mode()
    def solve(self, problem: Problem, state: ControllerState, deadline: float | None) -> Plan:
        """Best plan evaluated; `HEURISTIC`, or `FAILED` when every rollout is non-finite."""
        config, rng = self.config, state.rng("mppi")
        objective = Objective(self.dynamics, problem)
        best = Incumbent(objective)
        kept = objective.unit(candidates(self.task, state, problem.horizon))
        mean, count = kept[-1], 0
        for _ in rounds(config.iterations, deadline, default=20):
            z = torch.cat([kept, self._draw(rng, objective, problem, mean, kept[-1])])
            costs = objective(z)
            best.offer(z, costs)
            count += len(z)
            if best.z is not None:
                mean = _average(z, costs, config)
                kept = torch.stack([mean, best.z])
        best.offer(mean[None], objective(mean[None]))
        return best.plan(self.program, problem, source="mppi", info={"samples": count})

    def _draw(
        self,
        rng: np.random.Generator,
        objective: Objective,
        problem: Problem,
        mean: torch.Tensor,
        best: torch.Tensor,
    ) -> torch.Tensor:
        """Samples of one iteration. Shape (samples, H, nu), in the unit box."""
        config, size = self.config, (problem.horizon, problem.nu)
        fresh = int(config.fresh * config.samples)
        near = config.samples - fresh
        e = noise.correlated(rng, near, *size, config.correlation)
        e *= rng.random(e.shape, dtype=np.float32) < config.perturbed
        exponent = rng.random((near, 1, 1), dtype=np.float32)
        e *= config.sigma_min * (config.sigma / config.sigma_min) ** exponent
        z = objective.tensor(e)
        z[::2] += mean
        z[1::2] += best
        far = objective.tensor(noise.spread(rng, fresh, *size))
        return torch.cat([z, far]).clamp(-1, 1)


def _average(z: torch.Tensor, costs: torch.Tensor, config: MPPIConfig) -> torch.Tensor:
    """Softmax-weighted mean plan; an infinite cost has no weight. Shape (H, nu)."""
    elites = torch.topk(costs, max(2, int(config.elites * len(costs))), largest=False).values
    elites = elites[torch.isfinite(elites)]
    scale = config.temperature * (elites[-1] - elites[0]) + 1e-9
    weights = torch.softmax(-(costs - elites[0]) / scale, dim=0)
    return (weights[:, None, None] * z).sum(0)
