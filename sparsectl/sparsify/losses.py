"""The multi-step loss of sparsification: data, teacher, switching and relaxation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from sparsectl.dynamics.kinds import RELU, Activation, Gated, hard
from sparsectl.dynamics.loss import rollout_loss, window_loss
from sparsectl.dynamics.windows import Windows
from sparsectl.sparsify.relaxation import relaxation_gap


@dataclass(frozen=True)
class Objective:
    """Loss of a batch of windows.

    Attributes:
        penalty: of errors, as in `TrainConfig.loss`.
        teacher: model whose predictions are matched; None: data only.
        share: weight of the teacher's terms.
        noise: standard deviation of the noise on states that the teacher is asked at, in units
            of the one-step change's.
        modes: weight of the rate of switching.
        relaxation: weight of what relaxed ReLUs add to the predicted states.
        first: standard deviation of noise on the first states, as in `TrainConfig.noise`.
    """

    penalty: str
    teacher: Any = None
    share: float = 0.0
    noise: float = 0.0
    modes: float = 0.0
    relaxation: float = 0.0
    first: float = 0.0

    def __call__(
        self, model: Any, data: Windows, chosen: Tensor, generator: torch.Generator
    ) -> Tensor:
        """Loss of a batch; `generator` is of the noise and of the boxes that are bounded."""
        watched = Switching(model) if self.modes else None
        loss = window_loss(
            model, data, chosen, penalty=self.penalty, noise=self.first, generator=generator
        )
        if watched is not None:
            loss = loss + self.modes * watched.rate()
        if self.relaxation:
            loss = loss + self.relaxation * relaxation_gap(model, data, chosen, generator)
        if self.teacher is None or not self.share:
            return loss
        x, u, _ = data.batch(chosen)
        scale = model.place(model.output_std)
        noise = torch.randn(x[:, 0].shape, generator=generator, dtype=x.dtype) * scale * self.noise
        for start in (x[:, 0], x[:, 0] + noise):
            with torch.no_grad():
                states = self.teacher.fold().rollout(start, u)
            found = model.fold().rollout(start, u)
            loss = loss + self.share * rollout_loss(model, found, states, None, self.penalty)
        return loss


class Switching:
    """Rate at which the ReLUs of a model change between on and off along rollouts.

    The first forward pass after it was made is watched. States of the ReLUs are smooth functions
    tanh(z / s) of their inputs, s being each neuron's mean |z|, so the rate has a gradient.
    """

    def __init__(self, model: Gated) -> None:
        self._model, self._before = model, model.gates
        self._relus = [kind == RELU for kind in model.kinds]
        self._seen: list[list[Tensor]] = [[] for _ in self._relus]
        inner: Sequence[Activation] = (
            [hard(kind) for kind in model.kinds] if model.gates is None else model.gates
        )
        model.gates = [self._watch(i, act) for i, act in enumerate(inner)]

    def _watch(self, i: int, act: Activation) -> Activation:
        def watch(z: Tensor) -> Tensor:
            self._seen[i].append(z)
            return act(z)

        return watch

    def rate(self) -> Tensor:
        """Mean over ReLUs, rows and successive steps of |change of tanh| / 2; ends watching."""
        self._model.gates = self._before
        total, count = torch.zeros(()), 0
        for seen, relu in zip(self._seen, self._relus, strict=True):
            equal = len({z.shape for z in seen}) == 1
            if len(seen) < 2 or not equal or not relu.any():
                continue
            z = torch.stack(seen)[..., relu]
            on = torch.tanh(4 * z / z.detach().abs().mean(0).mean(0).clamp_min(1e-6))
            total = total + (on[1:] - on[:-1]).abs().mean((0, 1)).sum() / 2
            count += int(relu.sum())
        return total / max(count, 1)
