"""Gradient shooting: Adam on many plans at once through the model's rollout.

Starts are the last plan moved on, given plans, plans across the box and smooth noise around the
known ones. Every step is projected
onto the box, the rate falls as a half cosine within a round, and the best iterate of all is kept.
With time left, a further round starts from the best plan and new random ones.
"""

from __future__ import annotations

import itertools
import math
import time
from typing import Any

import numpy as np
import torch

from sparsectl.control.samplers import noise
from sparsectl.control.samplers.base import Decision, ModelPlanner
from sparsectl.control.samplers.config import GradientConfig
from sparsectl.control.samplers.objective import PENALTY, Incumbent, Objective

_WORTHWHILE = 10
"""A further round starts only if this many steps fit."""


class Gradient(ModelPlanner[GradientConfig]):
    """Multi-start projected Adam on the actions."""

    settings, source = GradientConfig, "gradient"

    def search(self, decision: Decision) -> dict[str, Any]:
        """See `ModelPlanner.search`; the given plans are perturbed by turns."""
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
        return {"steps": steps}

    def _draw(
        self, rng: np.random.Generator, objective: Objective, bases: torch.Tensor, count: int
    ) -> torch.Tensor:
        """New plans, shape (count, H, nu): across the box, and around the bases, the last first."""
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
    cost, violation = objective.parts(z)
    loss = total = cost
    if violation is not None:
        loss = cost + PENALTY ** min(1.0, progress / 0.75) * violation
        total = cost + PENALTY * violation
    costs = torch.where(torch.isfinite(total), total, torch.inf)
    return loss[torch.isfinite(costs)].sum(), costs
