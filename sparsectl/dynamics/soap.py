"""Adam in the eigenbasis of Shampoo's preconditioner.

For a matrix with gradient G, exponential averages L of G G' and R of G' G have eigenvectors Q_L,
Q_R; Adam runs on Q_L' G Q_R and its step is turned back. The bases follow by one orthogonal
iteration every few steps. Vyas et al. 2024, "SOAP: improving and stabilizing Shampoo using Adam".

Deep and narrow networks, and layers in a row that are mostly identities, are badly scaled for
Adam, which knows only single weights; here the directions of a whole layer are scaled.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from sparsectl.dynamics.config import TrainConfig

_Base: Any = torch.optim.Optimizer
_LARGEST = 1024
"""A side of more than this keeps Adam's own axes: the bases would cost more than the network."""


class Soap(torch.optim.Optimizer):
    """SOAP for small matrices and vectors; a vector has one basis, and the first step is none.

    Args:
        params: tensors of one or two dimensions, or groups of them.
        beta: of both of Adam's averages and of the preconditioner's.
        every: steps between updates of the bases.
        eps: added to Adam's denominator.
        weight_decay: decoupled.
    """

    # Without what loads torch's compiler, for more than a second, to leave these four alone.
    add_param_group, zero_grad = _Base.add_param_group.__wrapped__, _Base.zero_grad.__wrapped__
    state_dict, load_state_dict = _Base.state_dict.__wrapped__, _Base.load_state_dict.__wrapped__

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
        products = {
            name: C() for name, C, size in
            (("left", lambda: G @ G.T, G.shape[0]), ("right", lambda: G.T @ G, G.shape[1]))
            if 1 < size <= _LARGEST
        }  # fmt: skip
        if not state:
            state.update(step=torch.zeros(()), m=torch.zeros_like(G), v=torch.zeros_like(G))
            for name, C in products.items():
                state[name], state[f"{name}_basis"] = C, _eigenvectors(C)
            return
        state["step"] += 1
        count = int(state["step"])
        left, right = state.get("left_basis"), state.get("right_basis")
        turned = _turn(G, left, right)
        state["m"].lerp_(G, 1 - beta)
        state["v"].mul_(beta).addcmul_(turned, turned, value=1 - beta)
        bias = 1 - beta**count
        move = _turn(state["m"], left, right) / bias
        move = move / ((state["v"] / bias).sqrt() + group["eps"])
        back = _turn(move, None if left is None else left.T, None if right is None else right.T)
        p.mul_(1 - group["lr"] * group["weight_decay"])
        p.add_(back.reshape(p.shape), alpha=-group["lr"])
        for name, C in products.items():
            mean = state[name].lerp_(C, 1 - beta)
            if count % group["every"] == 0:
                basis = state[f"{name}_basis"]
                product = mean @ basis
                order = (basis * product).sum(0).argsort(descending=True)
                axis = 0 if name == "left" else 1
                state["v"] = state["v"].index_select(axis, order)
                state[f"{name}_basis"] = torch.linalg.qr(product[:, order])[0].contiguous()


def _eigenvectors(C: Tensor) -> Tensor:
    """Of a symmetric matrix. In single precision LAPACK gives up on some of low rank, with an
    error or with NaN; in double precision it has not yet.

    Any rotation is a valid start, as the bases follow the gradients anyway: the axes are the last
    resort.
    """
    for X in (C, C.double() / C.abs().max().clamp_min(torch.finfo(C.dtype).tiny)):
        try:
            basis = torch.linalg.eigh(X)[1].to(C.dtype)
        except torch.linalg.LinAlgError:
            continue
        if torch.isfinite(basis).all():
            return basis.contiguous()
    return torch.eye(len(C), dtype=C.dtype, device=C.device)


def _turn(X: Tensor, left: Tensor | None, right: Tensor | None) -> Tensor:
    """left' X right."""
    X = X if left is None else left.T @ X
    return X if right is None else X @ right


def optimizer(config: TrainConfig, parameters: Iterable[Tensor]) -> torch.optim.Optimizer:
    """The optimiser that training asks for: `soap`, or `adamw` (fused)."""
    settings: dict[str, Any] = {"lr": config.learning_rate, "weight_decay": config.weight_decay}
    if config.optimizer == "soap":
        return Soap(parameters, **settings)
    return torch.optim.AdamW(parameters, **settings, fused=True)
