"""Franz-Parisi theory of a second task, learnt with the first one's posterior as prior.

The divergence from Bernoulli means m_1 = tanh(theta_1) is -s(m) - theta_1 m + constant, so that
the prior does no more to a weight than a field beta gamma theta_1 and an entropy beta gamma s(m).
All averages are therefore functions of one field, y = sqrt(q0_hat) x + B r_hat + beta gamma
theta_1, and the double average over x and theta_1 is one over the law of y.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from sparsectl.errors import ConfigError
from sparsectl.theory.energy import Gibbs, check, energy
from sparsectl.theory.one_task import (
    OneTask,
    conjugate,
    generalisation_error,
    site_of,
    solve_one,
)
from sparsectl.theory.order import UNINFORMED, Conjugate, Order
from sparsectl.theory.site import fields
from sparsectl.theory.solver import solve

_NEGLIGIBLE = 1e-13


@dataclass(frozen=True)
class TwoTasks:
    """A saddle point of the second task.

    Attributes:
        alpha: examples of the second task per weight.
        gamma: weight of the divergence from the first task's posterior.
        similarity: r_0, mean product of the two teachers' weights.
        first: the first task's saddle point.
        order, hats: overlaps of the second task's means (r with its own teacher).
        overlaps: of the signs with the first and with the second teacher.
        errors: generalisation errors on the first and on the second task.
        potential: Franz-Parisi potential (times -beta), up to a constant of gamma.
        residual, converged: see `OneTask`.
    """

    alpha: float
    gamma: float
    similarity: float
    first: OneTask
    order: Order
    hats: Conjugate
    overlaps: tuple[float, float]
    errors: tuple[float, float]
    potential: float
    residual: float
    converged: bool

    @property
    def forgetting(self) -> float:
        """Increase of the first task's error."""
        return self.errors[0] - self.first.error

    def row(self) -> dict[str, float | bool | None]:
        """Plain numbers."""
        o, h = self.order, self.hats
        return {
            "alpha1": self.first.alpha, "alpha2": self.alpha, "gamma": self.gamma,
            "r0": self.similarity, "beta": self.first.gibbs.beta,
            "cutoff": self.first.gibbs.cutoff, "q2": o.q0, "r2": o.r, "q2d": o.qd,
            "p1": self.overlaps[0], "p2": self.overlaps[1],
            "error1": self.errors[0], "error2": self.errors[1], "forgetting": self.forgetting,
            "q2_hat": h.q0, "r2_hat": h.r, "q2d_hat": h.qd, "potential": self.potential,
            "residual": self.residual, "converged": self.converged,
        }  # fmt: skip


@dataclass(frozen=True)
class Prior:
    """What the first task leaves behind.

    Attributes:
        gamma: weight of the divergence from it.
        similarity: r_0.
        theta, shares: law of the first posterior's fields, artanh m_1. Shape (n,).
    """

    first: OneTask
    gamma: float
    similarity: float
    theta: np.ndarray = field(repr=False)
    shares: np.ndarray = field(repr=False)

    @property
    def strength(self) -> float:
        """beta gamma."""
        return self.first.gibbs.beta * self.gamma


def prior(first: OneTask, gamma: float, similarity: float) -> Prior:
    """Law of the first task's posterior over weights.

    Raises:
        ConfigError: gamma is negative, or similarity not in [-1, 1].
    """
    if not (np.isfinite(gamma) and gamma >= 0):
        raise ConfigError(f"gamma is {gamma}, expected at least 0")
    if not -1 <= similarity <= 1:
        raise ConfigError(f"similarity r0 of the teachers is {similarity}, expected -1 to 1")
    site = first.site
    y, w = fields(np.array([first.hats.r]), np.ones(1), np.sqrt(first.hats.q0), site)
    theta, log_w = site.nodes(float(np.abs(y).max()))
    m = np.tanh(theta)
    exponent = np.concatenate([log_w - y[:, None] * m, log_w + y[:, None] * m], axis=1)
    p = np.exp(exponent - exponent.max(1, keepdims=True))
    shares = w @ (p / p.sum(1, keepdims=True))
    both = np.concatenate([-theta, theta])
    kept = shares > _NEGLIGIBLE
    return Prior(first, gamma, similarity, both[kept], shares[kept] / shares[kept].sum())


def averages(hats: Conjugate, prior: Prior) -> tuple[Order, tuple[float, float], float]:
    """Overlaps that conjugate parameters give, overlaps of the signs, and G_S."""
    site = site_of(hats, prior.strength)
    moved = prior.strength * prior.theta if prior.gamma else np.zeros(1)
    shares = prior.shares if prior.gamma else np.ones(1)
    n = len(shares)
    law = np.zeros((2 * n, 2))
    law[:n, 0] = 0.5 * (1 + prior.similarity) * shares
    law[n:, 1] = 0.5 * (1 - prior.similarity) * shares
    means = np.concatenate([moved + hats.r, moved - hats.r])
    y, w = fields(means, law, np.sqrt(hats.q0), site)
    got, total, signed = site.moments(y), w.sum(1), w[:, 0] - w[:, 1]
    order = Order(float(total @ got.m**2), float(signed @ got.m), float(total @ got.square))
    overlaps = (float(total @ got.sign), float(signed @ got.sign))  # teacher 1 is +1 everywhere
    return order, overlaps, float(total @ got.log_z)


def potential(alpha: float, prior: Prior, order: Order, hats: Conjugate) -> float:
    """Stationary at a saddle point in all overlaps and conjugates."""
    value = energy(order, prior.first.gibbs).value
    return hats.bilinear(order) + averages(hats, prior)[2] + alpha * value


def solve_two(alpha: float, given: Prior, start: Order | None = None) -> TwoTasks:
    """The stable saddle point in whose basin a start lies.

    Args:
        alpha: examples of the second task per weight; 0 gives what the prior alone does.
        given: of `prior`.
        start: overlaps to start from; None: those that the prior alone gives, or with gamma 0
            a start far from the teacher.

    Raises:
        ConfigError: alpha is negative.
    """
    if alpha:
        check(alpha=alpha)
    gibbs, nothing = given.first.gibbs, Conjugate(0.0, 0.0, 0.0)
    alone, overlaps, _ = averages(nothing, given)
    if not alpha:
        return _saddle(0.0, given, alone, nothing, overlaps, 0.0, True)

    def update(order: Order) -> Order:
        return averages(conjugate(alpha, gibbs, order), given)[0]

    found = solve(update, start or (alone if given.gamma else UNINFORMED))
    hats = conjugate(alpha, gibbs, found.order)
    overlaps = averages(hats, given)[1]
    return _saddle(alpha, given, found.order, hats, overlaps, found.residual, found.converged)


def first_task(alpha: float, gibbs: Gibbs | None = None) -> OneTask:
    """The first task's saddle point, from the uninformed start.

    Raises:
        ConfigError: it did not converge.
    """
    first = solve_one(alpha, gibbs)
    if not first.converged:
        raise ConfigError(
            f"task 1 at alpha {alpha} did not converge (residual {first.residual:.1e}): choose an "
            "alpha further from the jump of the generalisation error"
        )
    return first


def _saddle(
    alpha: float,
    given: Prior,
    order: Order,
    hats: Conjugate,
    overlaps: tuple[float, float],
    residual: float,
    converged: bool,
) -> TwoTasks:
    return TwoTasks(
        alpha, given.gamma, given.similarity, given.first, order, hats, overlaps,
        (generalisation_error(overlaps[0]), generalisation_error(overlaps[1])),
        potential(alpha, given, order, hats), residual, converged,
    )  # fmt: skip
