"""The choice of every neuron between ReLU, identity and zero, relaxed and trained.

    g = onehot(argmax(s)) + s - stop(s),   s = softmax((logits + Gumbel noise) / temperature)
    h = g_relu max(0, z) + g_identity z

Straight-through Gumbel-softmax (Jang, Gu and Poole 2017); the three-way choice is that of
Liu et al. 2023, "Model-based control with sparse neural dynamics".
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from sparsectl.dynamics.kinds import IDENTITY, RELU, ZERO, Activation, Gated, blend


class Gates:
    """Logits of all hidden neurons of a model; neurons that are zero stay zero.

    Attributes:
        logits: by hidden layer, columns by kind (zero, ReLU, identity). Shape (width, 3).
    """

    def __init__(self, model: Gated, start: float) -> None:
        """Logits under which every neuron's present kind has probability `start`."""
        self._fixed = [kind == ZERO for kind in model.kinds]
        self.logits = []
        for kind in model.kinds:
            present = torch.nn.functional.one_hot(kind.long(), 3).bool()
            values = torch.where(present, math.log(start), math.log((1 - start) / 2))
            self.logits.append(values.requires_grad_(True))

    def probabilities(self) -> list[Tensor]:
        """By hidden layer. Shape (width, 3)."""
        sure = torch.tensor([1.0, 0.0, 0.0])
        pairs = zip(self.logits, self._fixed, strict=True)
        return [torch.where(f[:, None], sure, v.softmax(-1)) for v, f in pairs]

    def expected(self, kind: int) -> Tensor:
        """Expected number of neurons of a kind."""
        return torch.stack([p[:, kind].sum() for p in self.probabilities()]).sum()

    def sample(self, temperature: float, generator: torch.Generator) -> list[Activation]:
        """Activations by hidden layer, differentiable in the logits."""
        activations = []
        for logits, fixed in zip(self.logits, self._fixed, strict=True):
            noise = -torch.log(-torch.log(torch.rand(logits.shape, generator=generator) + 1e-20))
            soft = ((logits + noise) / temperature).softmax(-1)
            hard = torch.nn.functional.one_hot(soft.argmax(-1), 3).to(soft)
            gate = (hard + soft - soft.detach()) * ~fixed[:, None]
            activations.append(blend(gate[:, RELU], gate[:, IDENTITY]))
        return activations

    @torch.no_grad()
    def choose(self, count: int) -> list[Tensor]:
        """Kinds with exactly `count` ReLUs: those of the highest probability of being one.

        Args:
            count: at most the number of neurons that are not zero.
        """
        found = self.probabilities()
        table = torch.cat(found)
        score = torch.where(torch.cat(self._fixed), -1.0, table[:, RELU])
        linear = torch.where(table[:, IDENTITY] >= table[:, ZERO], IDENTITY, ZERO)
        linear[score.sort(descending=True, stable=True).indices[:count]] = RELU
        return list(linear.to(torch.int8).split([len(p) for p in found]))
