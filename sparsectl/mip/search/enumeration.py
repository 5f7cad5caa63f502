"""Every plan there is, where all inputs take few values: exact in one batch of rollouts."""

from __future__ import annotations

import time
from itertools import product

import numpy as np

from sparsectl.mip.ocp import OCP
from sparsectl.task import Problem

MOST_STEPS = 200_000
"""Plans times steps, at most."""
BY_ALL_PLANS = "all plans"
"""Certificate of what all plans show."""
_FIRST, _BATCH = 64, 2048


def plans(problem: Problem) -> np.ndarray | None:
    """All plans whose entries are levels, rates aside; None where there are too many, or others.

    Returns:
        Shape (n, H, nu).
    """
    inputs, horizon = problem.inputs, problem.horizon
    if inputs is None or not inputs.discrete.all():
        return None
    firsts = inputs.firsts(horizon)
    blocks = np.unique(firsts)
    levels = [piece[:, 0] for piece in inputs.pieces]
    choices = float(np.prod([len(v) for v in levels], dtype=float))
    if choices ** len(blocks) * horizon > MOST_STEPS:
        return None
    actions = np.array(list(product(*levels)))
    every = np.array(list(product(range(len(actions)), repeat=len(blocks))), dtype=int)
    return actions[every[:, np.searchsorted(blocks, firsts)]]


def best(
    ocp: OCP, every: np.ndarray, deadline: float | None = None
) -> tuple[np.ndarray | None, float] | None:
    """The plan of least cost, None where none is feasible, and its cost.

    Args:
        deadline: `time.perf_counter()` value. What all plans take is told from two small batches.

    Returns:
        None where the time does not suffice.
    """
    if deadline is not None:
        alone, some = (_seconds(ocp, every[:count]) for count in (1, _FIRST))
        each = max(0.0, some - alone) / (_FIRST - 1)
        need = each * len(every) + alone * -(-len(every) // _BATCH)
        if time.perf_counter() + need > deadline:
            return None
    parts = []
    for i in range(0, len(every), _BATCH):
        if deadline is not None and time.perf_counter() > deadline:
            return None
        parts.append(ocp.costs(every[i : i + _BATCH]))
    costs = np.concatenate(parts)
    index = int(np.argmin(costs))
    if not np.isfinite(costs[index]):
        return None, np.inf
    return every[index], float(costs[index])


def _seconds(ocp: OCP, plans: np.ndarray) -> float:
    started = time.perf_counter()
    ocp.costs(plans)
    return time.perf_counter() - started
