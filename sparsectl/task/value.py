"""What the end of a plan is worth: a network of ReLUs on the last state, part of the cost.

A planner with a short horizon does not see what comes after it. `sparsectl policy value` fits such
a network to what a planner with a longer horizon pays from many states.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from sparsectl import checkpoint
from sparsectl.errors import CheckpointError, ConfigError
from sparsectl.task.arrays import like

KIND = "value network"
Layers = tuple[tuple[np.ndarray, np.ndarray], ...]
Sizes = Mapping[str, int]
"""Entries of every part, in order."""


@dataclass(frozen=True)
class Value:
    """weight * max(0, net(x)); the last layer of the net has one output.

    Attributes:
        layers: (W, b) of shapes (n_l, n_{l-1}) and (n_l,), ReLUs between them.
        weight: at least 0.
    """

    layers: Layers
    weight: float = 1.0

    def __call__(self, x: Any) -> Any:
        """Worth of states, numpy or torch. Shapes (..., nx) -> (...)."""
        for W, b in self.layers:
            x = (x @ like(W.T, x) + like(b, x)).clip(0.0)
            # The last one is clipped too: a cost below zero would be there to be exploited.
        return self.weight * x[..., 0]

    def above(self, low: np.ndarray, high: np.ndarray) -> float:
        """No state of a box is worth more."""
        for W, b in self.layers:
            up, down = np.maximum(W, 0), np.minimum(W, 0)
            low, high = (
                np.maximum(up @ low + down @ high + b, 0),
                np.maximum(up @ high + down @ low + b, 0),
            )
        return self.weight * float(high[0])

    def rescaled(self, shift: np.ndarray, unit: np.ndarray) -> Value:
        """Of states (x - shift) / unit."""
        W, b = self.layers[0]
        return replace(self, layers=((W * unit, b + W @ shift), *self.layers[1:]))

    def in_units(self, size: float) -> Value:
        """The same, with outputs of the net in another unit."""
        W, b = self.layers[-1]
        layers = (*self.layers[:-1], (W / size, b / size))
        return Value(layers, self.weight * size)


@dataclass(frozen=True)
class ValueNetwork:
    """A value of states and goals, as it is kept.

    Attributes:
        layers: from the state's entries and then the goals'; see `Value`.
    """

    layers: Layers
    state: Sizes
    goal: Sizes

    def at(self, goal: Mapping[str, np.ndarray]) -> Value:
        """The value of states, for one goal."""
        nx = sum(self.state.values())
        W, b = self.layers[0]
        known = np.concatenate([np.zeros(0), *(np.ravel(goal[name]) for name in self.goal)])
        return Value(((W[:, :nx], b + W[:, nx:] @ known), *self.layers[1:]))

    def check(self, state: Sizes, goal: Sizes, where: str) -> None:
        """Refuse another task's.

        Raises:
            ConfigError: its parts are others.
        """
        for name, own, there in (("state", self.state, state), ("goal", self.goal, goal)):
            if list(own.items()) != list(there.items()):
                raise ConfigError(
                    f"{where} is of a {name} of {_told(own)}, the task has {_told(there)}: fit it "
                    "on this task by `sparsectl policy value`"
                )


def save(network: ValueNetwork, path: str | Path, meta: Mapping[str, Any]) -> Path:
    """Write a value network as a checkpoint directory; one that was there is replaced.

    Raises:
        CheckpointError: non-finite parameters or an unwritable place.
    """
    pairs = enumerate(network.layers)
    tensors = {f"{n}{i}": a for i, pair in pairs for n, a in zip("Wb", pair, strict=True)}
    config = {"state": dict(network.state), "goal": dict(network.goal)}
    return checkpoint.save_tensors(path, tensors, config, {**meta, "kind": KIND})


def load(path: str | Path) -> ValueNetwork:
    """Read a value network.

    Raises:
        CheckpointError: missing, damaged, or something else.
    """
    stored = checkpoint.load_kind(path, KIND, f"a {KIND}: make one by `sparsectl policy value`")
    tensors = stored.tensors
    try:
        sizes = stored.config["state"], stored.config["goal"]
        layers = tuple((tensors[f"W{i}"], tensors[f"b{i}"]) for i in range(len(tensors) // 2))
        fit = _widths_fit(layers, sum(map(sum, (s.values() for s in sizes))))
    except (KeyError, AttributeError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path}: tensors and config do not fit: {error}") from error
    if not fit:
        raise CheckpointError(f"{path}: layers do not fit each other, the state or one output")
    return ValueNetwork(layers, *sizes)


def _widths_fit(layers: Sequence[tuple[np.ndarray, np.ndarray]], inputs: int) -> bool:
    widths = [inputs, *(len(b) for _, b in layers)]
    shapes = [W.shape for W, _ in layers]
    return bool(layers) and widths[-1] == 1 and shapes == [(b, a) for a, b in pairwise(widths)]


def _told(sizes: Sizes) -> str:
    return ", ".join(f"{name} ({size})" for name, size in sizes.items()) or "nothing"
