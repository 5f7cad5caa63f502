"""Samples of the Gibbs measure itself, by Hamiltonian Monte Carlo: the theory's own experiment.

Below an inverse temperature of about 10 the chains reach equilibrium, and N of a thousand agrees
with the theory to its fluctuations. At 20 and alpha 1 they do not: chains stay where they began.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import log_ndtr

from sparsectl import seeding
from sparsectl.checks import whole, within
from sparsectl.theory.energy import check
from sparsectl.theory.one_task import generalisation_error

_LOG_ROOT = 0.5 * np.log(2 * np.pi)
_ACCEPTED = 0.8


@dataclass(frozen=True)
class SamplingConfig:
    """Hamiltonian Monte Carlo over theta = artanh m."""

    neurons: int = 600
    """Inputs N."""
    draws: int = 300
    """Trajectories; the first half is dropped."""
    leaps: int = 25
    """Leapfrog steps of a trajectory."""
    step: float = 0.04
    """First step, adapted to 80 % acceptance in the first half."""

    def __post_init__(self) -> None:
        within(self, "sampling", "(0, inf)", "step")
        whole(self, "sampling", "[2, inf)", "neurons", "draws")
        whole(self, "sampling", "[1, inf)", "leaps")


class Measure:
    """Potential beta E - sum ln(1 - m^2) of the fields, of a drawn task with teacher +1.

    Attributes:
        examples: inputs times labels. Shape (M, N).
    """

    def __init__(self, alpha: float, beta: float, neurons: int, rng: np.random.Generator) -> None:
        self.beta = beta
        x = rng.choice([-1.0, 1.0], size=(max(1, round(alpha * neurons)), neurons))
        self.examples = x * np.where(x.sum(1, keepdims=True) >= 0, 1.0, -1.0)

    def __call__(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Potential (k,), its gradient (N, k) and the loss (k,) of fields theta (N, k)."""
        m = np.tanh(theta)
        log_variance = -2 * (np.abs(theta) + np.log1p(np.exp(-2 * np.abs(theta))) - np.log(2))
        variance = np.exp(log_variance)
        total = variance.sum(0)
        field = self.examples @ m
        t = -field / np.sqrt(total)
        log_h = log_ndtr(-t)
        ratio = np.exp(-0.5 * t * t - _LOG_ROOT - log_h)
        slope = (self.examples.T @ ratio) / np.sqrt(total)
        slope += m * ((ratio * field).sum(0) * total**-1.5)
        loss = -log_h.sum(0)
        gradient = -self.beta * slope * variance + 2 * m
        return self.beta * loss - log_variance.sum(0), gradient, loss


def sample(
    alpha: float, beta: float, seed: int, config: SamplingConfig | None = None
) -> dict[str, float]:
    """Overlaps of two replicas of one drawn task, averaged over the second half of the chain.

    Returns:
        q0, r1, qd, p1, error and loss per weight, as `OneTask.row` has them.
    """
    check(alpha=alpha, beta=beta)
    config = config or SamplingConfig()
    rng = seeding.generator(seed, "gibbs", round(1000 * alpha))
    measure = Measure(alpha, beta, config.neurons, rng)
    theta = 0.3 * rng.normal(size=(config.neurons, 2))
    (potential, gradient, loss), step, seen = measure(theta), config.step, []
    for draw in range(config.draws):
        momentum = rng.normal(size=theta.shape)
        before = potential + 0.5 * (momentum**2).sum(0)
        moved, slope = theta, gradient
        size = step * rng.uniform(0.7, 1.3)
        for _ in range(config.leaps):
            momentum = momentum - 0.5 * size * slope
            moved = moved + size * momentum
            new, slope, moved_loss = measure(moved)
            momentum = momentum - 0.5 * size * slope
        after = new + 0.5 * (momentum**2).sum(0)
        taken = np.log(rng.uniform(size=2)) < before - after
        theta, gradient = np.where(taken, moved, theta), np.where(taken, slope, gradient)
        potential, loss = np.where(taken, new, potential), np.where(taken, moved_loss, loss)
        if 2 * draw < config.draws:
            step *= np.exp(0.1 * (taken.mean() - _ACCEPTED))
        else:
            seen.append(_overlaps(theta, loss))
    q0, r1, qd, p1, mean_loss = map(float, np.mean(seen, axis=0))
    error = generalisation_error(p1)
    return {"q0": q0, "r1": r1, "qd": qd, "p1": p1, "error": error, "loss": mean_loss}


def _overlaps(theta: np.ndarray, loss: np.ndarray) -> tuple[float, ...]:
    m, n = np.tanh(theta), len(theta)
    return (
        float(m[:, 0] @ m[:, 1]) / n, m.mean(), (m * m).mean(), np.sign(theta).mean(),
        loss.mean() / n,
    )  # fmt: skip
