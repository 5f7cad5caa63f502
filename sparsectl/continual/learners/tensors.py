"""Learners whose state is lists of torch tensors: steps that are taken whole or not at all."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sparsectl.continual.head import Head
from sparsectl.continual.layers import NetworkConfig
from sparsectl.continual.learner import ContinualLearner, Observed
from sparsectl.continual.learners.optimiser import OptimiserConfig, moments, steps
from sparsectl.errors import CheckpointError


class TensorLearner(ContinualLearner):
    """Base of learners that keep their tensors in groups.

    A step computes new tensors beside the old ones and hands them to `commit`, which swaps all
    of them in, or none where one number is not finite. Nothing is changed in place, so the old
    values need no copy. Random numbers that a refused step drew stay drawn.

    Attributes:
        groups: lists of tensors by name, e.g. `weights`, one tensor for each layer. All that
            `state` saves; names, lengths and shapes stay what they are after construction.
        numbers: single numbers that are saved too. `updates` counts the steps since the moments
            were last reset, `seen`, where there is one, the examples of the present task.
    """

    def __init__(
        self, config: Any, network: NetworkConfig, n_in: int, head: Head, seed: int = 0
    ) -> None:
        super().__init__(config, network, n_in, head, seed)
        self.groups: dict[str, list[Tensor]] = {}
        self.numbers: dict[str, float] = {"updates": 0.0}
        self.begin()

    @abstractmethod
    def begin(self) -> None:
        """Make the groups and numbers of a learner that has met no example yet."""

    def observe(self, inputs: Tensor, targets: Tensor, *, examples: int | None = None) -> Observed:
        observed = super().observe(inputs, targets, examples=examples)
        if observed.outcome == "updated" and "seen" in self.numbers:
            self.numbers["seen"] += len(inputs)
        return observed

    def normal(self, std: float = 1.0) -> list[Tensor]:
        """Independent N(0, std^2) entries for every weight matrix, from the learner's generator."""
        return [torch.randn(shape, generator=self.generator) * std for shape in self.layers.shapes]

    def constant(self, value: float) -> list[Tensor]:
        """Tensors of one value, of the weight matrices' shapes."""
        return [torch.full(shape, float(value)) for shape in self.layers.shapes]

    def looking(self) -> torch.Generator:
        """Random numbers of predictions: the same at every call; looking changes nothing."""
        return torch.Generator().manual_seed(self.seed)

    def weights(self, mode: str | None = None) -> list[Tensor]:
        """The group `weights`: for learners whose weights are deployed as they are."""
        self.checked_mode(mode)
        return self.groups["weights"]

    def add_optimiser(self, config: OptimiserConfig, parameters: Sequence[Tensor]) -> None:
        """Keep moments for these parameters, in the groups `first` and `second`."""
        self.optimiser = config
        self.groups.update(moments(config, parameters))

    def average_tasks(self, group: str, power: float) -> None:
        """Where the power is above 0, keep what `end_average` needs for this group: how many
        tasks ended, and `reference`."""
        if not power:
            return
        self.uses_boundaries = True
        self.numbers.update(tasks=0.0, ended=0.0)
        self.groups.setdefault("reference", [torch.zeros_like(t) for t in self.groups[group]])

    def end_average(self, group: str, power: float) -> None:
        """At the end of task k: tensor = reference + (tensor - reference) / k^power, which is the
        next reference. With power 1 that is the mean over tasks of where each of them ended. A
        task without a step is none."""
        if not power or self.numbers["updates"] == self.numbers["ended"]:
            return
        self.numbers["tasks"] += 1
        self.numbers["ended"] = self.numbers["updates"]
        weight = self.numbers["tasks"] ** -power
        if self.numbers["tasks"] > 1:
            self.groups[group] = list(
                torch._foreach_lerp(self.groups["reference"], self.groups[group], weight)
            )
        self.groups["reference"] = [t.clone() for t in self.groups[group]]

    def reset_moments(self) -> None:
        """Start the optimiser anew, e.g. at a task's end."""
        for name in ("first", "second"):
            if name in self.groups:
                self.groups[name] = [torch.zeros_like(t) for t in self.groups[name]]
        self.numbers["updates"] = 0.0

    def optimise(self, gradients: Sequence[Tensor]) -> tuple[list[Tensor], dict[str, list[Tensor]]]:
        """The optimiser's next step; nothing is changed yet.

        Returns:
            What to add to each parameter, and the groups of moments for `commit`.
        """
        return steps(self.optimiser, gradients, self.groups, int(self.numbers["updates"]) + 1)

    def gradients(
        self, loss: Callable[[list[Tensor]], Tensor], parameters: Sequence[Tensor]
    ) -> tuple[Tensor, list[Tensor]]:
        """Value and gradients of a scalar function of the parameters, by autograd."""
        leaves = [p.detach().requires_grad_() for p in parameters]
        with torch.enable_grad():
            value = loss(leaves)
            found = torch.autograd.grad(value, leaves)
        return value.detach(), list(found)

    def commit(self, loss: Tensor | float, new: Mapping[str, list[Tensor]]) -> Observed:
        """Take the new groups all at once, or none where a number is not finite.

        A gradient that is not finite makes the moments or parameters it enters not finite, so
        it need not be looked at itself.

        Args:
            loss: mean negative log likelihood before the step, a scalar.
            new: groups by name, of the shapes that they have.
        """
        value = float(loss)
        if not (math.isfinite(value) and all_finite([t for g in new.values() for t in g])):
            return Observed("not_finite_step")
        self.groups.update(new)
        self.numbers["updates"] += 1
        return Observed("updated", value)

    def state(self) -> dict[str, np.ndarray]:
        out = {"generator": self.generator.get_state().numpy().copy()}
        for group, tensors in self.groups.items():
            for i, tensor in enumerate(tensors):
                out[f"{group}.{i}"] = tensor.detach().numpy().copy()
        out.update({f"number.{k}": np.float64(v).reshape(1) for k, v in self.numbers.items()})
        out.update({f"count.{k}": np.array([v], np.int64) for k, v in self.counters.items()})
        return out

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Go on from `state()` of a learner built alike; on an error nothing is changed.

        Raises:
            CheckpointError: tensors are missing, or of other shapes.
        """
        mine = {k: v.shape for k, v in self.state().items() if not k.startswith("count.")}
        for name, shape in mine.items():
            if name not in state:
                raise CheckpointError(
                    f"{type(self).__name__}: the saved state has no '{name}': it belongs to "
                    "another kind of learner"
                )
            if state[name].shape != shape:
                raise CheckpointError(
                    f"{type(self).__name__}: '{name}' has shape {state[name].shape}, expected "
                    f"{shape}: it belongs to another network"
                )
        self.generator.set_state(torch.from_numpy(np.array(state["generator"], np.uint8)))
        for group, tensors in self.groups.items():
            self.groups[group] = [
                torch.from_numpy(np.array(state[f"{group}.{i}"])).to(t.dtype)
                for i, t in enumerate(tensors)
            ]
        self.numbers = {k: float(state[f"number.{k}"][0]) for k in self.numbers}
        self.counters.clear()
        for name, value in state.items():
            if name.startswith("count."):
                self.counters[name.removeprefix("count.")] = int(value[0])


def all_finite(tensors: Sequence[Tensor]) -> bool:
    """Whether no entry is a NaN or an infinity."""
    if not tensors:
        return True
    norms = torch._foreach_norm([t.detach() for t in tensors if t.numel()], float("inf"))
    return bool(torch.isfinite(torch.stack([n.double() for n in norms])).all())
