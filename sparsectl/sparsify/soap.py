"""Adam in the eigenbasis of Shampoo's preconditioner.

For a matrix with gradient G, exponential averages L of G G' and R of G' G have eigenvectors Q_L,
Q_R; Adam runs on Q_L' G Q_R and its step is turned back. The bases follow by one orthogonal
iteration every few steps. Vyas et al. 2024, "SOAP: improving and stabilizing Shampoo using Adam".

Layers in a row that are mostly identities are badly scaled for Adam, which knows only single
weights; here the directions of a whole layer are scaled.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor


class Soap(torch.optim.Optimizer):
    """SOAP for small matrices and vectors; a vector has one basis, and the first step is none.

    Args:
        params: tensors of one or two dimensions, or groups of them.
        lr: step size.
        beta: of both of Adam's averages and of the preconditioner's.
        every: steps between updates of the bases.
        eps: added to Adam's denominator.
        weight_decay: decoupled.
    """

    def __init__(
        self, params: Iterable[Any], lr: float = 1e-2, beta: float = 0.95, every: int = 10,
        eps: float = 1e-8, weight_decay: float = 0.0,
    ) -> None:  # fmt: skip
        defaults = {"lr": lr, "beta": beta, "every": every, "eps": eps}
        super().__init__(params, {**defaults, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """One step; `closure` is not used."""
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None and p.numel():
                    self._update(p, group)

    def _update(self, p: Tensor, group: dict[str, Any]) -> None:
        G = p.grad if p.dim() == 2 else p.grad[:, None]  # type: ignore[index]
        assert G is not None
        state, beta = self.state[p], group["beta"]
        if not state:
            state.update(t=0, m=torch.zeros_like(G), v=torch.zeros_like(G))
            state["sides"] = [
                [C, torch.linalg.eigh(C)[1]] if len(C) > 1 else None for C in (G @ G.T, G.T @ G)
            ]
            return
        state["t"] += 1
        left, right = (None if side is None else side[1] for side in state["sides"])
        turned = _turn(G, left, right)
        state["m"].lerp_(G, 1 - beta)
        state["v"].mul_(beta).addcmul_(turned, turned, value=1 - beta)
        bias = 1 - beta ** state["t"]
        move = _turn(state["m"], left, right) / bias
        move = move / ((state["v"] / bias).sqrt() + group["eps"])
        back = _turn(move, None if left is None else left.T, None if right is None else right.T)
        p.mul_(1 - group["lr"] * group["weight_decay"])
        p.add_(back.reshape(p.shape), alpha=-group["lr"])
        for axis, (side, C) in enumerate(zip(state["sides"], (G @ G.T, G.T @ G), strict=True)):
            if side is None:
                continue
            side[0].lerp_(C, 1 - beta)
            if state["t"] % group["every"] == 0:
                product = side[0] @ side[1]
                order = (side[1] * product).sum(0).argsort(descending=True)
                state["v"] = state["v"].index_select(axis, order)
                side[1] = torch.linalg.qr(product[:, order])[0]


def _turn(X: Tensor, left: Tensor | None, right: Tensor | None) -> Tensor:
    """left' X right."""
    X = X if left is None else left.T @ X
    return X if right is None else X @ right
