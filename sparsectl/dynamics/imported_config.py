"""How a network of another library is to be read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

import numpy as np

from sparsectl.errors import ConfigError, ShapeError
from sparsectl.program.algebra import postcompose, precompose
from sparsectl.program.relu_program import ReluProgram

Predicts = Literal["next", "change"]


@dataclass(frozen=True)
class Scales:
    """What a network was trained with: it takes (v - mean) / std and gives (y - mean) / std."""

    input_mean: tuple[float, ...] | None = None
    """Of [state; action], in the network's own order; null: 0."""
    input_std: tuple[float, ...] | None = None
    """Likewise; null: 1."""
    output_mean: tuple[float, ...] | None = None
    """Of what it predicts; null: 0."""
    output_std: tuple[float, ...] | None = None
    """Likewise; null: 1."""

    def applied(self, program: ReluProgram) -> ReluProgram:
        """The network in physical units.

        Raises:
            ShapeError: other numbers of entries than the network has.
            ConfigError: a standard deviation that is not above 0.
        """
        mean, std = self._pair("input", self.input_mean, self.input_std, program.n_in)
        program = precompose(program, np.diag(1 / std), -mean / std)
        mean, std = self._pair("output", self.output_mean, self.output_std, program.n_out)
        return postcompose(program, np.diag(std), mean)

    def _pair(
        self, name: str, mean: tuple[float, ...] | None, std: tuple[float, ...] | None, size: int
    ) -> tuple[np.ndarray, np.ndarray]:
        m = np.zeros(size) if mean is None else np.asarray(mean, dtype=np.float64)
        s = np.ones(size) if std is None else np.asarray(std, dtype=np.float64)
        for what, given in (("mean", m), ("std", s)):
            if given.shape != (size,):
                raise ShapeError(
                    f"{name}_{what} has shape {given.shape}, the network has {size} {name}s"
                )
        if not (np.isfinite(m).all() and (s > 0).all() and np.isfinite(s).all()):
            raise ConfigError(f"{name}_mean must be finite and {name}_std above 0")
        return m, s


@dataclass(frozen=True)
class ImportedModel:
    """A network of another library in an ONNX file: [state; action] to what it `predicts`."""

    kind: ClassVar[str] = "imported"
    from_: str
    """The file. Its inputs are one array (batch, states + actions) or two, state and action."""
    predicts: Predicts
    """`next`: the next state; `change`: next less present state."""
    action_first: bool = False
    """The action comes before the state."""
    scales: Scales = field(default_factory=Scales)
    """Means and deviations that the file leaves to whoever uses it."""
