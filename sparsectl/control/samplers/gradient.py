"""Gradient shooting: Adam on many plans at once through the model's rollout.

Starts are the last plan moved on, given plans, plans across the box and smooth noise around the
known ones. Every step is projected onto the box, the rate falls as a half cosine within a round,
and the best iterate of all is kept. With time left, a further round starts from the best plan and
new random ones.
"""

from __future__ import annotations

import itertools
import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sparsectl.checks import whole
from sparsectl.control.candidates import PENALTY
from sparsectl.control.config import ControllerConfig, Setup, register
from sparsectl.control.samplers import noise
from sparsectl.control.samplers.base import Decision, Sampler
from sparsectl.errors import ConfigError

if TYPE_CHECKING:
    import torch

    from sparsectl.control.samplers.objective import Incumbent, Objective

_WORTHWHILE = 10
"""A further round starts only if this many steps fit."""


@register("gradient")
@dataclass(frozen=True)
class GradientConfig(ControllerConfig):
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

    takes_starts = True

    def __post_init__(self) -> None:
        whole(self, "gradient", "[4, inf)", "starts")
        whole(self, "gradient", "[1, inf)", "steps", "rounds")
        if not 0 < self.rate_min <= self.rate:
            raise ConfigError("gradient needs 0 < rate_min <= rate")
        if not (0 <= self.far <= 1 and 0 <= self.near[0] <= self.near[1]):
            raise ConfigError("gradient needs far in [0, 1] and near from 0 or more upwards")

    def build(self, setup: Setup) -> Gradient:
        """See `ControllerConfig.build`."""
        return Gradient(setup, self)


class Gradient(Sampler[GradientConfig]):
    """Multi-start projected Adam on the actions."""

    gradients = True

    def search(self, decision: Decision) -> tuple[dict[str, Any], None]:
        """See `Sampler.search`; the given plans are perturbed by turns."""
        import torch

        config, rng, deadline = self.config, decision.state.rng("gradient"), decision.deadline
        objective, best = decision.objective, decision.best
        kept, steps = decision.first, 0
        bases = kept[-max(1, decision.given) :]
        for done in itertools.count(1):
            new = max(1, config.starts - len(kept))
            z = torch.cat([kept, self._draw(rng, objective, bases, new)])
            started = time.perf_counter()
            taken = self._descend(objective, z.clamp(-1, 1), best, deadline)
            steps += taken
            if best.z is not None:
                kept = bases = best.z[None]
            now = time.perf_counter()
            short = _WORTHWHILE * (now - started) / taken
            if done == (config.rounds or (1 if deadline is None else None)):
                break
            if deadline is not None and now + short > deadline:
                break
        return {"steps": steps}, None

    def _draw(
        self, rng: np.random.Generator, objective: Objective, bases: torch.Tensor, count: int
    ) -> torch.Tensor:
        """New plans, shape (count, H, nu): across the box, and around the bases, the last first."""
        import torch

        (horizon, nu), (low, high) = bases.shape[1:], self.config.near
        around = int((1 - self.config.far) * count)
        far = noise.spread(rng, count - around, horizon, nu)
        near = noise.correlated(rng, around, horizon, nu, 0.6)
        near *= np.linspace(low, high, around, dtype=np.float32)[:, None, None]
        chosen = -1 - torch.arange(around, device=bases.device) % len(bases)
        return torch.cat([objective.tensor(far), bases[chosen] + objective.tensor(near)])

    def _descend(
        self, objective: Objective, z: torch.Tensor, best: Incumbent, deadline: float | None
    ) -> int:
        """One round from the plans z, shape (N, H, nu). Returns the steps taken.

        The rate's schedule is shortened to the steps that still fit before the deadline.
        """
        import torch

        config, started = self.config, time.perf_counter()
        z.requires_grad_(True)
        adam = torch.optim.Adam([z], lr=config.rate, betas=(0.8, 0.95))
        total = config.steps
        for k in range(config.steps):
            with torch.enable_grad():
                loss, costs = _loss(objective, z, k / total)
                (z.grad,) = torch.autograd.grad(loss, z)
            best.offer(z, costs)
            z.grad.nan_to_num_(0.0, 0.0, 0.0)
            wave = (1 + math.cos(math.pi * min(1.0, (k + 1) / total))) / 2
            adam.param_groups[0]["lr"] = config.rate_min + (config.rate - config.rate_min) * wave
            adam.step()
            with torch.no_grad():
                z.clamp_(-1, 1)
            if deadline is not None:
                step = (time.perf_counter() - started) / (k + 1)
                fits = k + 1 + int((deadline - time.perf_counter()) / step)
                if fits <= k + 1:
                    break
                total = min(config.steps, fits)
        with torch.no_grad():
            best.offer(z, objective(z))
        return k + 1


def _loss(
    objective: Objective, z: torch.Tensor, progress: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """What is descended on, and the costs. Shapes () and (N,).

    The weight of violations grows geometrically to `PENALTY` over three quarters of a round: from
    the start it would hide the cost's gradient along the constraint.
    """
    import torch

    cost, violation = objective.parts(z)
    loss = total = cost
    if violation is not None:
        loss = cost + PENALTY ** min(1.0, progress / 0.75) * violation
        total = cost + PENALTY * violation
    costs = torch.where(torch.isfinite(total), total, torch.inf)
    return loss[torch.isfinite(costs)].sum(), costs
