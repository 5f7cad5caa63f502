"""Order parameters, and coordinates in which every value is allowed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit

from sparsectl.errors import ConfigError


@dataclass(frozen=True)
class Order:
    """Overlaps of the replica-symmetric theory.

    Attributes:
        q0: of two replicas' means, <m>^2 averaged over examples.
        r: of the means with the teacher's weights.
        qd: of a replica's means with themselves, <m^2>.
    """

    q0: float
    r: float
    qd: float

    def __post_init__(self) -> None:
        if not (0 <= self.r**2 <= self.q0 <= self.qd < 1):
            raise ConfigError(
                f"overlaps q0 {self.q0:.6g}, r {self.r:.6g}, qd {self.qd:.6g}: expected "
                "r^2 <= q0 <= qd < 1"
            )

    def array(self) -> np.ndarray:
        """(q0, r, qd)."""
        return np.array([self.q0, self.r, self.qd])

    def free(self) -> np.ndarray:
        """Unbounded coordinates: qd, the share of q0 in qd, and r over the root of q0."""
        share = np.clip([self.qd, self.q0 / self.qd], 1e-12, 1 - 1e-15)
        cosine = np.clip(self.r / np.sqrt(max(self.q0, 1e-300)), -1 + 1e-15, 1 - 1e-15)
        return np.array([*logit(share), np.arctanh(cosine)])

    @classmethod
    def of_free(cls, free: np.ndarray) -> Order:
        """Inverse of `free`."""
        qd = float(np.clip(expit(free[0]), 1e-12, 1 - 1e-12))
        q0 = qd * float(expit(free[1]))
        return cls(q0, float(np.sqrt(q0) * np.tanh(free[2])), qd)


@dataclass(frozen=True)
class Conjugate:
    """Conjugate parameters (hats) of q0, r and qd."""

    q0: float
    r: float
    qd: float

    def bilinear(self, order: Order) -> float:
        """Their term in the potential: -qd_hat qd + q0_hat q0 / 2 - r_hat r."""
        return -self.qd * order.qd + 0.5 * self.q0 * order.q0 - self.r * order.r


UNINFORMED = Order(q0=0.1, r=0.05, qd=0.4)
"""A start far from the teacher."""
INFORMED = Order(q0=0.979, r=0.9892, qd=0.98)
"""A start next to the teacher."""
