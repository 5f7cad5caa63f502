"""Replica-symmetric theory of one task (Li, Huang et al., PRE 108, 014309)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sparsectl.theory.energy import Gibbs, check, energy
from sparsectl.theory.order import UNINFORMED, Conjugate, Order
from sparsectl.theory.site import Site, fields
from sparsectl.theory.solver import solve


@dataclass(frozen=True)
class OneTask:
    """A saddle point of one task.

    Attributes:
        order, hats: overlaps and their conjugates.
        error: generalisation error, arccos(overlap) / pi.
        potential: -beta f per weight, with f the free energy; the larger, the more likely.
        loss: mean loss per weight.
        residual: largest change of an overlap by the saddle-point equations.
    """

    alpha: float
    gibbs: Gibbs
    order: Order
    hats: Conjugate
    overlap: float
    error: float
    potential: float
    loss: float
    residual: float
    converged: bool

    @property
    def entropy(self) -> float:
        """Log volume of the means per weight at this temperature."""
        return self.potential + self.gibbs.beta * self.loss

    @property
    def site(self) -> Site:
        """One weight's law given its field."""
        return site_of(self.hats)

    def row(self) -> dict[str, float | bool | None]:
        """Plain numbers."""
        o, h = self.order, self.hats
        return {
            "alpha": self.alpha, "beta": self.gibbs.beta, "cutoff": self.gibbs.cutoff,
            "q0": o.q0, "r1": o.r, "qd": o.qd, "p1": self.overlap, "error": self.error,
            "q0_hat": h.q0, "r1_hat": h.r, "qd_hat": h.qd,
            "potential": self.potential, "loss": self.loss, "entropy": self.entropy,
            "residual": self.residual, "converged": self.converged,
        }  # fmt: skip


def generalisation_error(overlap: float) -> float:
    """Share of inputs on which two sign perceptrons of that overlap differ."""
    return float(np.arccos(np.clip(overlap, -1.0, 1.0)) / np.pi)


def site_of(hats: Conjugate, entropy: float = 0.0) -> Site:
    """Law of one weight: A = qd_hat - q0_hat / 2."""
    return Site(hats.qd - 0.5 * hats.q0, entropy)


def conjugate(alpha: float, gibbs: Gibbs, order: Order) -> Conjugate:
    """Conjugate parameters that the examples ask for."""
    e = energy(order, gibbs)
    return Conjugate(alpha * e.q0, alpha * e.r, alpha * e.qd)


def averages(hats: Conjugate) -> tuple[Order, float, float]:
    """Overlaps that conjugate parameters give, overlap of the signs, and G_S."""
    site = site_of(hats)
    y, w = fields(np.array([hats.r]), np.ones(1), np.sqrt(hats.q0), site)
    got = site.moments(y)
    order = Order(float(w @ got.m**2), float(w @ got.m), float(w @ got.square))
    return order, float(w @ got.sign), float(w @ got.log_z)


def potential(alpha: float, gibbs: Gibbs, order: Order, hats: Conjugate) -> float:
    """-beta f of any overlaps and conjugates; stationary at a saddle point."""
    return hats.bilinear(order) + averages(hats)[2] + alpha * energy(order, gibbs).value


def evaluate(
    alpha: float, gibbs: Gibbs, order: Order, residual: float = 0.0, converged: bool = True
) -> OneTask:
    """All numbers of a saddle point whose overlaps are known."""
    e = energy(order, gibbs)
    hats = Conjugate(alpha * e.q0, alpha * e.r, alpha * e.qd)
    _, overlap, entropic = averages(hats)
    value = hats.bilinear(order) + entropic + alpha * e.value
    return OneTask(
        alpha, gibbs, order, hats, overlap, generalisation_error(overlap), value,
        alpha * e.loss, residual, converged,
    )  # fmt: skip


def solve_one(
    alpha: float,
    gibbs: Gibbs | None = None,
    start: Order = UNINFORMED,
    tolerance: float = 1e-9,
) -> OneTask:
    """The stable saddle point in whose basin a start lies.

    Args:
        tolerance: largest change of an overlap that counts as converged.

    Raises:
        ConfigError: alpha is not positive.
    """
    check(alpha=alpha)
    measure = gibbs or Gibbs()

    def update(order: Order) -> Order:
        return averages(conjugate(alpha, measure, order))[0]

    found = solve(update, start, tolerance)
    return evaluate(alpha, measure, found.order, found.residual, found.converged)
