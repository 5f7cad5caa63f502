"""A stream of tasks: what a continual learner meets, in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from sparsectl.continual.head import Kind
from sparsectl.errors import NonFiniteError, ShapeError


@dataclass(frozen=True)
class Layout:
    """Where an environment's numbers stand in a stream's padded state and action.

    x[place] = observation[state], u[action_place] = action; the others are 0. The network reads x
    with some entries as differences.

    Attributes:
        state: entries of the observation.
        place: of the padded state, as many.
        action_place: of the padded action, one for each number of the action.
        minus: pairs (i, j) of entries of the padded state: the network reads x_i - x_j for x_i.
    """

    state: tuple[int, ...]
    place: tuple[int, ...]
    action_place: tuple[int, ...]
    minus: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class StreamTask:
    """One task's data, ready for the network.

    Attributes:
        name: e.g. `foot` or `permutation 3`.
        inputs, test_inputs: Shape (n, n_in), float32.
        targets, test_targets: labels (n,) int64, or values (n, n_out) float32.
        env_id, env_kwargs: environment of a dynamics task, for the closed loop.
        layout: how its observation and action stand in the network's input.
    """

    name: str
    inputs: Tensor
    targets: Tensor
    test_inputs: Tensor
    test_targets: Tensor
    env_id: str | None = None
    env_kwargs: Mapping[str, Any] = field(default_factory=dict)
    layout: Layout | None = None

    def __post_init__(self) -> None:
        for name in ("inputs", "test_inputs", "targets", "test_targets"):
            value = getattr(self, name)
            if value.is_floating_point() and not torch.isfinite(value).all():
                raise NonFiniteError(f"task '{self.name}': {name} holds a NaN or infinity")
        for a, b in (("inputs", "targets"), ("test_inputs", "test_targets")):
            if len(getattr(self, a)) != len(getattr(self, b)):
                raise ShapeError(
                    f"task '{self.name}': {len(getattr(self, a))} {a} but "
                    f"{len(getattr(self, b))} {b}"
                )


@dataclass(frozen=True)
class Scaling:
    """Affine maps between physical and network units of a dynamics stream, from its first task.

    input = (v - input_mean) / input_std, target = (x' - x - output_mean) / output_std, with v the
    state and action [x; u] where `Layout.minus` has made some entries differences. Past
    transitions that are inputs too have the units of targets and actions.

    Attributes:
        input_mean, input_std: Shape (nx + nu,).
        output_mean, output_std: Shape (nx,).
    """

    input_mean: Tensor
    input_std: Tensor
    output_mean: Tensor
    output_std: Tensor

    @property
    def nx(self) -> int:
        """Entries of the padded state."""
        return len(self.output_mean)

    @property
    def nu(self) -> int:
        """Entries of the padded action."""
        return len(self.input_mean) - self.nx

    def of_inputs(self, history: int) -> tuple[Tensor, Tensor]:
        """Means and units of [x; u] and, `history` times, [change of x; u]."""
        pairs = ((self.input_mean, self.output_mean), (self.input_std, self.output_std))
        mean, std = (torch.cat([v, *[d, v[self.nx :]] * history]) for v, d in pairs)
        return mean, std


@dataclass(frozen=True)
class Stream:
    """Tasks in the order they come.

    Attributes:
        name: e.g. `half_cheetah_bodies`.
        kind: `classification` or `regression`.
        tasks: at least one; perhaps made when they are asked for.
        n_out: classes, or numbers to predict.
    """

    name: str
    kind: Kind
    tasks: Sequence[StreamTask]
    n_out: int
    scaling: Scaling | None = None

    @property
    def n_in(self) -> int:
        """Inputs of the network."""
        return int(self.tasks[0].inputs.shape[1])
