"""A small network trained from random weights, at equal number of ReLUs."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Literal, get_args

from sparsectl import seeding
from sparsectl.data import Episodes
from sparsectl.dynamics import MLPConfig, MLPDynamics, build
from sparsectl.dynamics.fit import Batches, fit, trajectories
from sparsectl.dynamics.normalise import fit_normalizer
from sparsectl.errors import ConfigError, one_of
from sparsectl.sparsify.baselines.base import Budget, Member
from sparsectl.sparsify.channels import with_channels
from sparsectl.task import StateMap

Shape = Literal["one", "two", "three"]


def widths(shape: Shape, count: int) -> tuple[int, ...]:
    """Hidden layers with `count` ReLUs together; no layer for 0.

    Args:
        shape: `one` layer; `two` or `three` equal layers.

    Raises:
        ConfigError: unknown shape, or too few ReLUs for the layers.
    """
    one_of(shape, get_args(Shape), "unknown shape")
    layers = 1 + get_args(Shape).index(shape)
    if count < 0 or 0 < count < layers:
        raise ConfigError(f"{count} ReLUs do not make the shape '{shape}': give at least {layers}")
    if count == 0:
        return ()
    return tuple((count + layers - 1 - i) // layers for i in range(layers))


def scratch(
    model: MLPConfig | MLPDynamics,
    episodes: Episodes,
    state_map: StateMap,
    count: int,
    budget: Budget,
    seed: int,
    *,
    shape: Shape = "two",
    skip: bool = True,
    lanes: bool = False,
) -> Member:
    """Train a network of `count` ReLUs with the whole budget.

    Args:
        model: structure of the model (a model stands for its config; its weights are not used).
        budget: all `budget.steps` are spent here.
        seed: of weights, split and batches.
        shape: see `widths`.
        skip: with a trained affine path past the hidden layers, as sparsified networks have.
        lanes: with identity channels past every hidden layer, see `sparsify.channels`.

    Raises:
        ConfigError: see `widths`.
        TrainingDiverged: see `fit`.
    """
    started = time.process_time()
    config = model.config if isinstance(model, MLPDynamics) else model
    config = replace(config, hidden=widths(shape, count), skip=skip, members=1)
    train = budget.training(budget.steps, seed)
    data = trajectories(episodes, state_map, train)
    weights = seeding.integer(seed, "scratch", shape, count)
    built = build(config, state_map.names, state_map.nx, episodes.action_size, seed=weights)
    assert isinstance(built, MLPDynamics)
    fit_normalizer(built, data[0])
    if lanes:
        built = with_channels(built)
    fit(built, Batches.of(data, train, built), train, "scratch")
    return Member(built, count, budget.steps, time.process_time() - started)
