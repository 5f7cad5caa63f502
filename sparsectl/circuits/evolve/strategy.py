"""What methods of evolution share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

import numpy as np

from sparsectl.errors import ShapeError

Arrays = dict[str, np.ndarray]


class Strategy(ABC):
    """Candidates to try, and what is learned from their returns.

    Random numbers are functions of the seed and the generation, so `arrays` is all there is to
    save.

    Attributes:
        generation: how many there were.
    """

    generation: int

    @property
    @abstractmethod
    def mean(self) -> np.ndarray:
        """The centre of the search (n,)."""

    @abstractmethod
    def ask(self) -> np.ndarray:
        """The present generation's candidates (P, n); the same until `tell`."""

    @abstractmethod
    def tell(self, returns: np.ndarray, progress: float = 0.0) -> None:
        """Move on.

        Args:
            returns: of the candidates (P,); NaN ranks below every number.
            progress: part of training that is done, from 0 to 1.

        Raises:
            ShapeError: not one return per candidate.
        """

    @abstractmethod
    def arrays(self) -> Arrays:
        """Everything that `restore` needs to continue exactly here."""

    @abstractmethod
    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Continue where `arrays` was taken, in a strategy made with the same arguments."""

    @abstractmethod
    def facts(self) -> dict[str, float]:
        """Columns for the learning curve."""


def centred_ranks(returns: np.ndarray) -> np.ndarray:
    """Ranks spread evenly over [-.5, .5], equal returns sharing theirs; NaN is lowest. Shape (P,).

    Shaping by rank makes the update invariant to monotone changes of the return (Wierstra et al.
    2014; Salimans et al. 2017).
    """
    from scipy.stats import rankdata

    values = np.where(np.isnan(returns), -np.inf, returns)
    return (rankdata(values) - 1) / (len(values) - 1) - 0.5


def checked(returns: np.ndarray, population: int) -> np.ndarray:
    """Returns as numbers.

    Raises:
        ShapeError: not one per candidate.
    """
    returns = np.asarray(returns, np.float64)
    if returns.shape != (population,):
        raise ShapeError(f"returns of shape {returns.shape}, expected ({population},)")
    return returns
