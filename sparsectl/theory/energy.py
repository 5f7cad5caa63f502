"""Energetic part of the free energy: what the examples say about the overlaps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import log_ndtr, ndtr

from sparsectl.errors import ConfigError
from sparsectl.theory import grids
from sparsectl.theory.order import Order

_LOG_ROOT = 0.5 * np.log(2 * np.pi)
_NEWTON_STEPS = 100


@dataclass(frozen=True)
class Gibbs:
    """The measure exp(-beta E) over the means m of all weights, uniform on [-1, 1] at beta 0."""

    beta: float = 20.0
    """Inverse temperature. Not the scale of the fields theta, which is 1 in the theory."""
    cutoff: float | None = None
    """Integrate x of F (see `energy`) over [-cutoff, cutoff] only, which is wrong, but what a
    fixed grid does, and about what sampling does. The weight's peak is at x = -11 where alpha is
    1 and z is 3, so that a cutoff of 7 changes the curves from alpha 0.8 on. None: exact."""

    def __post_init__(self) -> None:
        check(beta=self.beta, cutoff=1.0 if self.cutoff is None else self.cutoff)


@dataclass(frozen=True)
class Energy:
    """G_E and what follows from it, per example (to be multiplied by alpha).

    Attributes:
        value: G_E.
        q0, r, qd: -2 dG_E/dq0, dG_E/dr and dG_E/dqd, which at the saddle point are the
            conjugate parameters.
        loss: mean of -ln H over the Gibbs measure, -dG_E/d(beta).
    """

    value: float
    q0: float
    r: float
    qd: float
    loss: float


def energy(order: Order, gibbs: Gibbs) -> Energy:
    """G_E = 2 int Dz H(r z / sqrt(q0 - r^2)) F(sqrt(q0) z) and its derivatives, with
    F(h) = ln int Dx H^beta((sqrt(qd - q0) x + h) / sqrt(1 - qd)).

    F solves a heat equation in h, so that integration by parts leaves averages of the ratio
    R = Gaussian density / H alone: with <.> over x weighted by H^beta and E over h and teacher,
    dG_E/dqd = beta (beta - 1) E<R^2> / (2 - 2 qd), dG_E/dq0 = -beta^2 E<R>^2 / (2 - 2 qd) and
    dG_E/dr = sqrt(2 / pi) beta int Dw <R> / sqrt(1 - qd) at h = sqrt(q0 - r^2) w; a cutoff adds
    what integration by parts leaves at its ends.
    """
    s, rest = np.sqrt(1 - order.qd), max(order.q0 - order.r**2, 1e-300)
    # The teacher decides on the scale of `rest`; the student on that of s.
    scale = min(np.sqrt(rest) / max(abs(order.r), 1e-12), s / max(np.sqrt(order.q0), 1e-12))
    z, w = grids.gaussian(min(scale, 1.0))
    v, v_weights = grids.gaussian(min(s / np.sqrt(rest), 1.0))
    h = np.concatenate([np.sqrt(order.q0) * z, np.sqrt(rest) * v])
    got = tilted(h, np.sqrt(max(order.qd - order.q0, 0.0)), s, gibbs)
    n, beta = len(z), gibbs.beta
    teacher = 2 * w * ndtr(-order.r * z / np.sqrt(rest))
    ends = float(teacher @ got.ends[:n])
    return Energy(
        value=float(teacher @ got.log[:n]),
        q0=float(beta**2 / s**2 * (teacher @ got.ratio[:n] ** 2)) + ends,
        r=float(np.sqrt(2 / np.pi) * beta / s * (v_weights @ got.ratio[n:])),
        qd=float(beta * (beta - 1) / (2 * s**2) * (teacher @ got.square[:n])) + 0.5 * ends,
        loss=float(teacher @ got.loss[:n]),
    )


@dataclass(frozen=True)
class Tilted:
    """Averages over x of weight Dx H^beta(u) at u = (a x + h) / s. All have the shape of h.

    Attributes:
        log: F.
        ratio, square: of R and R^2.
        loss: of -ln H.
        ends: what integration by parts leaves at the ends of a cutoff, else 0.
    """

    log: np.ndarray
    ratio: np.ndarray
    square: np.ndarray
    loss: np.ndarray
    ends: np.ndarray


def tilted(h: np.ndarray, a: float, s: float, gibbs: Gibbs) -> Tilted:
    """Averages at fields h, shape (n,), for standard deviations a >= 0 and s > 0."""
    x, log_dx = _rule(h, a, s, gibbs)
    u = (a * x + h[:, None]) / s
    log_h = log_ndtr(-u)
    exponent = gibbs.beta * log_h - 0.5 * x * x + log_dx
    top = exponent.max(axis=1, keepdims=True)
    weights = np.exp(exponent - top)
    total = weights.sum(axis=1)
    weights /= total[:, None]
    ratio, log = _ratio(u, log_h), top[:, 0] + np.log(total) - _LOG_ROOT
    return Tilted(
        log=log,
        ratio=(weights * ratio).sum(1),
        square=(weights * ratio * ratio).sum(1),
        loss=-(weights * log_h).sum(1),
        ends=_ends(h, a, s, gibbs, log),
    )


def _rule(h: np.ndarray, a: float, s: float, gibbs: Gibbs) -> tuple[np.ndarray, np.ndarray]:
    """Nodes x and the log of their weights.

    The weight is strongly log-concave: around its peak it is narrower than a standard Gaussian,
    so that a uniform rule there is exact to rounding.
    """
    narrowest = 1 / np.sqrt(1 + gibbs.beta * a * a / (s * s))
    if gibbs.cutoff is not None:
        # At the end the weight falls as fast as exp(-beta a u x / s), over about 1/200.
        ends = grids.closing_in(-gibbs.cutoff, gibbs.cutoff, [(-gibbs.cutoff, 2e-3)], 4 * narrowest)
        x, w = grids.panels(ends)
        return x[None], np.log(w)[None]
    step = narrowest / 1.5
    count = int(np.ceil(grids.REACH / step))
    offsets = step * np.arange(-count, count + 1)
    return _peaks(h, a, s, gibbs.beta)[:, None] + offsets, np.full((1, 1), np.log(step))


def _peaks(h: np.ndarray, a: float, s: float, beta: float) -> np.ndarray:
    """Root x of the increasing convex x + (beta a / s) R((a x + h) / s), from its right."""
    x, slope = np.zeros_like(h), beta * a / s
    for _ in range(_NEWTON_STEPS if a > 0 else 0):
        u = (a * x + h) / s
        r = _ratio(u, log_ndtr(-u))
        step = (x + slope * r) / (1 + slope * a / s * r * (r - u))
        x = x - step
        if np.abs(step).max() < 1e-3:  # only where the rule is centred
            break
    return x


def _ends(h: np.ndarray, a: float, s: float, gibbs: Gibbs, log: np.ndarray) -> np.ndarray:
    if gibbs.cutoff is None or a < 1e-9:
        return np.zeros_like(h)
    total = np.zeros_like(h)
    for x in (-gibbs.cutoff, gibbs.cutoff):
        u = (a * x + h) / s
        log_h = log_ndtr(-u)
        density = np.exp(gibbs.beta * log_h - 0.5 * x * x - _LOG_ROOT - log)
        total += np.sign(x) * gibbs.beta * _ratio(u, log_h) * density
    return total / (a * s)


def _ratio(u: np.ndarray, log_h: np.ndarray) -> np.ndarray:
    return np.exp(-0.5 * u * u - _LOG_ROOT - log_h)


def check(**values: float) -> None:
    """Refuse numbers that are not positive and finite.

    Raises:
        ConfigError: naming the first one.
    """
    for name, value in values.items():
        if not (np.isfinite(value) and value > 0):
            raise ConfigError(f"{name} is {value}, expected a positive number")
