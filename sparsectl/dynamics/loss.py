"""Open-loop loss of a window."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from sparsectl.dynamics.models import Network
from sparsectl.dynamics.windows import Windows

_PENALTIES = {
    "l2": lambda e: e.square(),
    "l1": lambda e: e.abs(),
    "huber": lambda e: F.huber_loss(e, torch.zeros_like(e), reduction="none"),
}


def window_loss(
    model: Network,
    data: Windows,
    chosen: Tensor,
    *,
    penalty: str = "l2",
    noise: float = 0.0,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Mean penalty of the k-step open-loop prediction error of some windows.

    Errors are in units of the standard deviation of the one-step change. Only predicted entries
    count.

    Args:
        chosen: indices of windows. Shape (B,).
        penalty: `l2`, `l1` or `huber`.
        noise: standard deviation of noise on the first state, in the same units.
    """
    x, u, counts = data.batch(chosen)
    start = x[:, 0]
    if noise:
        sample = torch.randn(
            len(x), len(model.output_std), generator=generator, device=x.device, dtype=x.dtype
        )
        start = start + model.place(noise * sample * model.output_std)
    return rollout_loss(model, model.fold().rollout(start, u), x, counts, penalty)


def rollout_loss(
    model: Network, states: Tensor, truth: Tensor, counts: Tensor | None, penalty: str
) -> Tensor:
    """Mean penalty of a rollout's error.

    Args:
        model: gives units and predicted entries.
        states, truth: Shape (batch, H + 1, nx).
        counts: which steps count, None: all. Shape (batch, H).
        penalty: `l2`, `l1` or `huber`.
    """
    # A factor of 0 for the exact entries is cheaper than picking the others.
    error = (states - truth)[:, 1:] * model.place(1 / model.output_std)
    loss = _PENALTIES[penalty](error).sum(-1) / len(model.output_std)
    return loss.mean() if counts is None else (loss * counts).sum() / counts.sum()


@torch.no_grad()
def validation_error(model: Network, data: Windows, *, limit: int = 4096) -> float:
    """Root mean squared k-step error over (at most `limit`, evenly spread) windows."""
    count = min(len(data), limit)
    chosen = torch.linspace(0, len(data) - 1, count, device=data.starts.device).long()
    return float(window_loss(model, data, chosen).sqrt())
