"""What is left to go at the end of a plan, along the shortest way round keep-out regions.

A grid over the plane, whose free nodes are joined to their 16 nearest directions wherever the
straight line between them misses every region; Dijkstra's algorithm from the target gives every
node's distance, in the norm of the cost term. What is kept of it is the detour, how much longer it
is than the straight line: zero where nothing is in between, interpolated between nodes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from sparsectl.errors import ConfigError
from sparsectl.task import Cost, Problem, Task
from sparsectl.task.arrays import like, most
from sparsectl.task.cost import Norm, Term
from sparsectl.task.expression import matrix
from sparsectl.task.keep_out import KeepOut

NODES = 96
"""Of the grid along its longer side."""
_STEPS = [(1, 0), (0, 1), (1, 1), (1, -1), (1, 2), (2, 1), (1, -2), (2, -1)]


@dataclass(frozen=True)
class Way:
    """Detours on a grid.

    Attributes:
        origin: first node [m]. Shape (2,).
        step: between neighbours [m].
        values: Shape (nodes, nodes).
    """

    origin: np.ndarray
    step: float
    values: np.ndarray

    def __call__(self, points: Any) -> Any:
        """Interpolated detours, numpy or torch; outside of the grid the nearest ones.

        Shapes (..., 2) -> (...).
        """
        place = (points - like(self.origin, points)) / self.step
        last = [n - 1 - 1e-4 for n in self.values.shape]
        x, y = (place[..., k].clip(0, last[k]) for k in (0, 1))
        i, j = (np.floor(v).astype(int) if isinstance(v, np.ndarray) else v.long() for v in (x, y))
        values = like(self.values, points)
        a, b = x - i, y - j
        near = (1 - b) * values[i, j] + b * values[i, j + 1]
        far = (1 - b) * values[i + 1, j] + b * values[i + 1, j + 1]
        return (1 - a) * near + a * far


@dataclass(frozen=True)
class CostToGo:
    """Terminal cost of the point, by the shortest way.

    Attributes:
        term: that it stands for.
        target: of the term at the end of the plan. Shape (2,).
        way: detours on the way to it.
    """

    term: Term
    target: np.ndarray
    way: Way

    def distance(self, points: Any) -> Any:
        """Length of the shortest way from points [m]. Shapes (..., 2) -> (...)."""
        straight = _length(points - like(self.target, points), self.term.norm)
        return straight + self.way(points)

    def rest(self, cost: Cost) -> Cost:
        """A cost without what this stands for."""
        terms = (replace(t, terminal_weight=0.0) if t is self.term else t for t in cost.terms)
        return replace(cost, terms=tuple(terms))

    def __call__(self, states: Any) -> Any:
        """Cost of last states. Shapes (..., nx) -> (...)."""
        left = self.distance(states @ like(self.term.E.T, states))
        if self.term.norm == "l2sq":
            left = left * left
        return self.term.terminal_weight * (left - self.term.dead_zone).clip(min=0)


def check(task: Task, name: str) -> None:
    """Refuse tasks in which there is no way to go.

    Raises:
        ConfigError: no keep-out is about a planar point that the cost pulls to a target.
    """
    where, config = f"controllers.{name}.cost_to_go is geodesic", task.config
    names, nx = task.map.names, task.nx
    regions = config.constraints.keep_out
    if not regions:
        raise ConfigError(f"{where}: expected keep-outs of a planar point, the task has none")
    rows = [matrix(k.of, names, nx) for k in regions]
    for term in config.cost.terms:
        last = term.weight if term.terminal_weight is None else term.terminal_weight
        pulled = matrix(term.of, names, nx)
        if last > 0 and len(pulled) == 2 and any(np.array_equal(pulled, r) for r in rows):
            return
    points = ", ".join(f"'{of}'" for of in dict.fromkeys(k.of for k in regions))
    raise ConfigError(
        f"{where}: no cost term pulls {points} to a target at the end of the plan; use straight"
    )


def cost_to_go(problem: Problem) -> CostToGo | None:
    """Of one decision; None where no region is there at the end of the plan."""
    priced = problem.cost.priced
    regions = [*problem.constraints.keep_out, *(() if priced is None else priced.keep_out)]
    there = [(k, k.sides(problem.horizon)[-1]) for k in regions]
    there = [(k, b) for k, b in there if np.isfinite(b).all()]
    if not there:
        return None
    for term in problem.cost.terms:
        about = [(k, b) for k, b in there if np.array_equal(term.E, k.P)]
        if term.terminal_weight > 0 and about:
            break
    else:
        return None
    P, there = term.E, about  # regions of other points do not stand in the way on this plane
    low, high = problem.constraints.state_box(problem.nx, problem.horizon)
    limits = np.stack(_limits(P, low[-1], high[-1]))
    target = term.targets(problem.horizon)[-1]
    corners = np.concatenate([[target, P @ problem.x0], *(_corners(k, b) for k, b in there)])
    near = np.stack([corners.min(axis=0), corners.max(axis=0)])
    pad = 0.1 * (near[1] - near[0]).max() + 1e-9
    box = np.where(np.isfinite(limits), limits, near + np.array([[-pad], [pad]]))
    faces = tuple((k.A.tobytes(), b.tobytes()) for k, b in there)
    way = _way(tuple(target), term.norm, tuple(box.ravel()), faces)
    return CostToGo(term, target, way)


def _limits(P: np.ndarray, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Limits of a point from limits of states, maybe infinite."""
    with np.errstate(invalid="ignore"):
        ends = np.stack([np.where(P != 0, P * low, 0.0), np.where(P != 0, P * high, 0.0)])
    return ends.min(axis=0).sum(axis=1), ends.max(axis=0).sum(axis=1)


def _corners(region: KeepOut, b: np.ndarray) -> np.ndarray:
    """Corners of a region. Shape (faces, 2)."""
    after = np.roll(np.arange(len(b)), -1)
    pairs = np.stack([region.A, region.A[after]], axis=1)
    return np.linalg.solve(pairs, np.stack([b, b[after]], axis=1)[..., None])[..., 0]


@lru_cache(maxsize=16)
def _way(
    target: tuple[float, ...],
    norm: Norm,
    box: tuple[float, ...],
    faces: tuple[tuple[bytes, bytes], ...],
) -> Way:
    """Detours to a target among regions; kept while the scene is the same."""
    import scipy.sparse as sp
    from scipy import ndimage
    from scipy.sparse.csgraph import dijkstra

    low, high = np.array(box).reshape(2, 2)
    step = float((high - low).max() / (NODES - 1))
    shape = tuple(np.ceil((high - low) / step - 1e-9).astype(int) + 1)
    grid = np.stack(np.meshgrid(*(np.arange(n) for n in shape), indexing="ij"), -1)
    nodes = low + step * grid
    regions = [(np.frombuffer(A).reshape(-1, 2), np.frombuffer(b)) for A, b in faces]
    free = np.ones(shape, dtype=bool)
    for A, b in regions:
        free &= (nodes @ A.T - b).max(axis=-1) >= -1e-9
    if not free.any():
        free[:] = True
    number = np.arange(free.size).reshape(shape)
    rows, columns, lengths = [], [], []
    for move in _STEPS:
        ahead, behind = _shifted(shape, move)
        both = free[ahead] & free[behind]
        start, end = nodes[behind][both], nodes[ahead][both]
        open_ = ~_crosses(start, end, regions)
        rows.append(number[behind][both][open_])
        columns.append(number[ahead][both][open_])
        lengths.append(np.full(int(open_.sum()), step * _length(np.array(move, float), norm)))
    data, i, j = map(np.concatenate, (lengths, rows, columns))
    graph = sp.coo_array((data, (i, j)), shape=(free.size, free.size)).tocsr()
    known = np.flatnonzero(free)
    straight = _length(nodes - np.array(target), norm)
    around = straight.ravel()[known]
    source = known[np.argmin(around)]
    left = dijkstra(graph, directed=False, indices=source).reshape(shape) + around.min()
    reached = np.isfinite(left)
    # Out of reach and inside regions: to the nearest node from which there is a way.
    away, nearest = ndimage.distance_transform_edt(~reached, return_indices=True)
    values = np.maximum(left[tuple(nearest)] + 2 * step * away - straight, 0.0)
    flat = nodes.reshape(-1, 2)
    seen = ~_crosses(flat, np.broadcast_to(target, flat.shape), regions).reshape(shape)
    values[seen & free] = 0.0
    return Way(low, step, values)


def _shifted(shape: Sequence[int], move: tuple[int, int]) -> tuple[Any, Any]:
    """Slices of the nodes that a move leads to, and of those it starts from."""
    pairs = [
        (slice(max(m, 0), n + min(m, 0)), slice(max(-m, 0), n - max(m, 0)))
        for m, n in zip(move, shape, strict=True)
    ]
    return tuple(a for a, _ in pairs), tuple(b for _, b in pairs)


def _crosses(start: np.ndarray, end: np.ndarray, regions: Sequence[Any]) -> np.ndarray:
    """Which straight lines meet the inside of a region. Shape (N,)."""
    crossed = np.zeros(len(start), dtype=bool)
    reach = np.linalg.norm(end - start, axis=-1).max(initial=0.0)
    for A, b in regions:
        close = np.flatnonzero((start @ A.T - b).max(axis=-1) < reach)
        first, last = start[close] @ A.T - b, end[close] @ A.T - b
        # The part of the line that is on the inner side of every face (Cyrus and Beck 1978).
        with np.errstate(divide="ignore", invalid="ignore"):
            at = first / (first - last)
        enters = np.where((first >= 0) & (last < 0), at, 0.0).max(axis=-1)
        leaves = np.where((first < 0) & (last >= 0), at, 1.0).min(axis=-1)
        beyond = ((first >= 0) & (last >= 0)).any(axis=-1)
        crossed[close] |= ~beyond & (enters < leaves - 1e-9)
    return crossed


def _length(move: np.ndarray, norm: Norm) -> Any:
    """Length of displacements, in a term's norm. Shapes (..., 2) -> (...)."""
    if norm == "l1":
        return abs(move).sum(-1)
    return most(abs(move)) if norm == "linf" else (move * move).sum(-1) ** 0.5
