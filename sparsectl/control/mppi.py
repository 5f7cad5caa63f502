"""Model predictive path integral control (Williams et al. 2017), low-temperature and iterated.

    z_n = mean + sigma e_n          w_n ~ exp(-(J_n - min J) / lambda)         mean' = sum w_n z_n

Three changes make it hard to beat: part of the samples is drawn afresh across the whole box,
lambda follows the spread of the best costs (so the scale of the cost does not matter), and the
best plan ever evaluated is returned rather than the last mean.
"""

from __future__ import annotations

from dataclasses import dataclass

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
    sigma: float = 0.4
    """Standard deviation of the noise in the first iteration, 1 being half the action box."""
    decay: float = 0.9
    """Factor on sigma from one iteration to the next."""
    sigma_min: float = 0.05
    """Where the decay stops and sigma starts over."""
    correlation: float = 0.6
    """Of the noise at one step with the next, in [0, 1)."""
    fresh: float = 0.3
    """Fraction of the samples drawn across the whole box instead of around the mean."""

    def __post_init__(self) -> None:
        if self.samples < 4 or (self.iterations is not None and self.iterations < 1):
            raise ConfigError("mppi needs samples >= 4 and iterations >= 1")
        if not (self.temperature > 0 and self.sigma > 0 and self.sigma_min > 0):
            raise ConfigError("mppi needs temperature, sigma and sigma_min above 0")
        if not (0 <= self.correlation < 1 and 0 <= self.fresh < 1):
            raise ConfigError("mppi needs correlation and fresh in [0, 1)")
        if not (0 < self.elites <= 1 and 0 < self.decay <= 1):
            raise ConfigError("mppi needs elites and decay in (0, 1]")


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
        mean, sigma, count = kept[-1], config.sigma, 0
        fresh = int(config.fresh * config.samples)
        size = (problem.horizon, problem.nu)
        for _ in rounds(config.iterations, deadline, default=20):
            near = noise.correlated(rng, config.samples - fresh, *size, config.correlation)
            far = noise.spread(rng, fresh, *size)
            z = torch.cat([kept, mean + sigma * objective.tensor(near), objective.tensor(far)])
            z = z.clamp(-1, 1)
            costs = objective(z)
            best.offer(z, costs)
            count += len(z)
            if best.z is None:
                continue
            mean = _average(z, costs, config)
            kept = torch.stack([mean, best.z])
            sigma = sigma * config.decay if sigma > config.sigma_min else config.sigma
        best.offer(mean[None], objective(mean[None]))
        return best.plan(self.program, problem, source="mppi", info={"samples": count})


def _average(z: torch.Tensor, costs: torch.Tensor, config: MPPIConfig) -> torch.Tensor:
    """Softmax-weighted mean plan; an infinite cost has no weight. Shape (H, nu)."""
    elites = torch.topk(costs, max(2, int(config.elites * len(costs))), largest=False).values
    elites = elites[torch.isfinite(elites)]
    scale = config.temperature * (elites[-1] - elites[0]) + 1e-9
    weights = torch.softmax(-(costs - elites[0]) / scale, dim=0)
    return (weights[:, None, None] * z).sum(0)
