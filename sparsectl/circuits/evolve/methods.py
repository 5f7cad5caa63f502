"""Methods of evolution by name."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from torch import nn

from sparsectl.circuits.evolve.cma import CMA
from sparsectl.circuits.evolve.config import TrainConfig
from sparsectl.circuits.evolve.es import ES
from sparsectl.circuits.evolve.strategy import Strategy
from sparsectl.errors import ShapeError, one_of


def make(start: np.ndarray, config: TrainConfig, scale: np.ndarray | None = None) -> Strategy:
    """The strategy that `config.method` names.

    Args:
        start: first mean (n,).
        scale: factors of the standard deviation (n,); None: 1.

    Raises:
        ConfigError: too many parameters for the method.
        MissingExtra: its library is not installed.
        ShapeError: `start` is empty or `scale` has another shape.
    """
    start = np.array(start, np.float64)
    scale = np.ones(len(start)) if scale is None else np.asarray(scale, np.float64)
    if start.ndim != 1 or not len(start) or scale.shape != start.shape:
        raise ShapeError(
            f"start of shape {start.shape} and scale of shape {scale.shape}: expected the same "
            "(n,) with at least one parameter"
        )
    return (ES if config.method == "es" else CMA)(start, config, scale)


def scales(module: nn.Module, factors: Mapping[str, float]) -> np.ndarray:
    """`factors` by parameter name as one vector (n,), in the order of `module.parameters()`.

    Raises:
        ConfigError: the module has no parameter of that name.
    """
    sizes = {name: p.numel() for name, p in module.named_parameters()}
    for name in factors:
        one_of(name, sizes, "scale: the policy has no parameter")
    return np.repeat([factors.get(name, 1.0) for name in sizes], list(sizes.values()))
