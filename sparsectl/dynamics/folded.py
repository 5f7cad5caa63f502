"""An MLP step with normalisation and structure folded into its weights.

    h_1 = max(0, W_x x + W_u u + b),  h_{l+1} = max(0, W_l h_l + b_l),
    x'  = x + G u + L [x; u] + W_o h_L + b_o

with other activations in place of max(0, .) where neurons are of other kinds. Everything is in
physical units. Rolling out in this form needs few operations a step, and the
terms of the actions are computed for all steps at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from sparsectl.dynamics.kinds import Activation


@dataclass(frozen=True)
class Folded:
    """Folded weights; without hidden layers only the output layer is left.

    Attributes:
        layers: (W, b) of every layer; the first reads [x; u], the last gives the change of x.
        G: exact influence of the action. Shape (nx, nu).
        skip: L, the affine path past the hidden layers. Shape (nx, nx + nu).
        activations: of every hidden layer; empty: ReLUs only.
    """

    layers: tuple[tuple[Tensor, Tensor], ...]
    G: Tensor
    skip: Tensor
    activations: tuple[Activation, ...] = ()

    def rollout(self, x0: Tensor, actions: Tensor) -> Tensor:
        """States. Shapes (batch, nx), (batch, H, nu) -> (batch, H + 1, nx)."""
        advance = stepper(self, actions)
        states = [x0]
        for t in range(actions.shape[1]):
            states.append(advance(states[-1], t))
        return torch.stack(states, dim=1)


def stepper(folded: Folded, actions: Tensor) -> Callable[[Tensor, int], Tensor]:
    """Function (x, t) -> x' of shape (batch, nx), for actions of shape (batch, H, nu)."""
    nx = folded.G.shape[0]
    W, b = folded.layers[0]
    Wx, Wu = W[:, :nx].T, W[:, nx:].T
    Lx, Lu = folded.skip[:, :nx].T, folded.skip[:, nx:].T + folded.G.T
    by_time = actions.transpose(0, 1)
    if len(folded.layers) == 1:
        change = (by_time @ (Wu + Lu) + b).unbind(0)
        stay = Wx + Lx
        return lambda x, t: x + torch.addmm(change[t], x, stay)
    # unbind, not indexing: the gradient of an index fills a whole tensor with zeros every step.
    first = (by_time @ Wu + b).unbind(0)
    drift = (by_time @ Lu + folded.layers[-1][1]).unbind(0)
    act, *acts = folded.activations or (torch.relu,) * (len(folded.layers) - 1)
    middle = [(W.T, b, a) for (W, b), a in zip(folded.layers[1:-1], acts, strict=True)]
    Wo = folded.layers[-1][0].T

    def advance(x: Tensor, t: int) -> Tensor:
        h = act(torch.addmm(first[t], x, Wx))
        for W, b, a in middle:
            h = a(torch.addmm(b, h, W))
        return x + torch.addmm(torch.addmm(drift[t], x, Lx), h, Wo)

    return advance
