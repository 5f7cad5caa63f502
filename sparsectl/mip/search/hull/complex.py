"""A polyhedral complex: faces of every dimension, cut by functions that are affine on each cell.

Cells of a piecewise-affine function share their vertices, edges and higher faces, so a cut costs
one pass over the faces instead of one over every cell. A face is known by its facets: pairs
(face, facet) for every dimension from the edges up.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sparsectl.errors import SparsectlError

TOLERANCE = 1e-9
"""A vertex this close to a boundary counts as on it."""


class DegenerateCut(SparsectlError):
    """Rounding left no consistent way to cut: the faces are too thin."""


@dataclass(frozen=True)
class Complex:
    """Immutable; `cut` returns another one.

    Attributes:
        values: one row a vertex: its coordinates, then whatever is affine on every cell.
            Shape (vertices, columns).
        faces: faces of every dimension 0..d.
        owner, item: for every dimension 1..d, pairs of a face and one of its facets.
    """

    values: np.ndarray
    faces: tuple[int, ...]
    owner: tuple[np.ndarray, ...]
    item: tuple[np.ndarray, ...]

    @property
    def dimension(self) -> int:
        """Dimension d of the cells."""
        return len(self.faces) - 1

    @property
    def cells(self) -> int:
        """Number of cells."""
        return self.faces[-1]

    def with_values(self, values: np.ndarray) -> Complex:
        """The same faces with other values at the vertices."""
        return Complex(values, self.faces, self.owner, self.item)

    def memberships(self) -> tuple[np.ndarray, np.ndarray]:
        """Pairs (cell, vertex), each once."""
        cell, face = self.owner[-1], self.item[-1]
        for owner, item in zip(self.owner[-2::-1], self.item[-2::-1], strict=True):
            order = np.argsort(owner, kind="stable")
            starts = np.searchsorted(owner[order], np.arange(owner.max(initial=-1) + 2))
            counts = (starts[1:] - starts[:-1])[face]
            first = np.repeat(starts[face] - np.append(0, np.cumsum(counts)[:-1]), counts)
            cell, face = np.repeat(cell, counts), item[order][first + np.arange(counts.sum())]
            pairs = np.unique(np.stack([cell, face]), axis=1)
            cell, face = pairs[0], pairs[1]
        return cell, face

    def cut(self, level: np.ndarray, keep: int = 0) -> Complex:
        """Cut every cell where `level`, affine on each, is zero.

        Args:
            level: Shape (vertices,).
            keep: +1 keeps what is above zero only, -1 what is below, 0 both; cells on which it
                is zero stay.

        Raises:
            DegenerateCut: rounding makes a face inconsistent.
        """
        if keep < 0:
            level, keep = -level, 1
        above, below = level > TOLERANCE, level < -TOLERANCE
        if not below.any() or (not keep and not above.any()):
            return self
        return _Cut(self, level, above, below).result(bool(keep))


class _Cut:
    """One cut, dimension by dimension.

    A face with vertices on both sides is cut: it keeps its number for the part above, the part
    below gets a new one, and a new face of one dimension less lies in between.
    """

    def __init__(
        self, source: Complex, level: np.ndarray, above: np.ndarray, below: np.ndarray
    ) -> None:
        self.values, self.faces = source.values, list(source.faces)
        self.owner, self.item = list(source.owner), list(source.item)
        self.above, self.below = above, below
        touching = not bool((above | below).all())
        was_cut = np.zeros(len(level), dtype=bool)
        lower = between = np.zeros(0, dtype=np.int32)
        for k in range(source.dimension):
            F, G, n = self.owner[k], self.item[k], self.faces[k + 1]
            up, down = np.zeros(n, dtype=bool), np.zeros(n, dtype=bool)
            up[F[above[G]]] = True
            down[F[below[G]]] = True
            cut = up & down
            ids = np.flatnonzero(cut).astype(np.int32)
            fresh = self.faces[k] + np.arange(len(ids), dtype=np.int32)
            if k == 0:
                self._new_vertices(level, ids, cut)
            inside = np.flatnonzero(cut[F])
            Fc, Gc = F[inside], G[inside]
            number = np.zeros(n, dtype=np.int32)
            number[ids] = np.arange(len(ids))
            if k > 0:
                if touching and not (above | below)[Gc].all():
                    raise DegenerateCut("a cell is too thin to be cut: vertices almost coincide")
                found = between[Gc]
                at = np.flatnonzero(found >= 0)
                pairs = (fresh[number[Fc[at]]], found[at])
                if touching:
                    pairs = _unique(*pairs)
                sizes = np.bincount(pairs[0] - self.faces[k], minlength=len(ids))
                if (sizes < k + 1).any() or (k == 1 and (sizes != 2).any()):
                    raise DegenerateCut("a face is too thin to be cut: vertices almost coincide")
                self.owner[k - 1] = np.concatenate([self.owner[k - 1], pairs[0]])
                self.item[k - 1] = np.concatenate([self.item[k - 1], pairs[1]])
            self.faces[k] += len(ids)
            # Where the zero set meets a face in one of its facets, or in a new face.
            meets = np.full(n, -1, dtype=np.int32)
            if touching:
                flat = ~(above | below)
                on = np.flatnonzero(flat[G])
                meets[F[on]] = G[on]
                meets[~(up | down)] = -1
            meets[ids] = fresh
            minus = n + number
            owner = F.copy()
            owner[inside] = np.where(above[Gc], Fc, minus[Fc])
            both = np.flatnonzero(was_cut[Gc])
            self.owner[k] = np.concatenate([owner, minus[Fc[both]], ids, minus[ids]])
            self.item[k] = np.concatenate([G, lower[Gc[both]], fresh, fresh])
            self.faces[k + 1] += len(ids)
            above, below, was_cut, lower, between = up, down, cut, minus, meets
        self.up, self.down, self.cells_cut = above, below, was_cut

    def _new_vertices(self, level: np.ndarray, ids: np.ndarray, cut: np.ndarray) -> None:
        F, G = self.owner[0], self.item[0]
        upper = np.zeros(len(cut), dtype=np.int32)
        lower = np.zeros(len(cut), dtype=np.int32)
        on = self.above[G]
        upper[F[on]] = G[on]
        on = self.below[G]
        lower[F[on]] = G[on]
        upper, lower = upper[ids], lower[ids]
        t = (level[upper] / (level[upper] - level[lower]))[:, None]
        new = self.values[upper] + t * (self.values[lower] - self.values[upper])
        self.values = np.concatenate([self.values, new])

    def result(self, keep: bool) -> Complex:
        """The complex after the cut; with `keep` only its cells above."""
        if not keep:
            return Complex(self.values, tuple(self.faces), tuple(self.owner), tuple(self.item))
        alive = np.zeros(self.faces[-1], dtype=bool)
        # A cell on which the function is zero is on both sides.
        alive[: len(self.up)] = self.up | ~self.down
        owners, items, faces = [], [], [int(alive.sum())]
        for owner, item, below in zip(
            self.owner[::-1], self.item[::-1], self.faces[-2::-1], strict=True
        ):
            kept = alive[owner]
            number = np.cumsum(alive, dtype=np.int32) - 1
            owner, item = number[owner[kept]], item[kept]
            alive = np.zeros(below, dtype=bool)
            alive[item] = True
            owners.append(owner)
            items.append((np.cumsum(alive, dtype=np.int32) - 1)[item])
            faces.append(int(alive.sum()))
        return Complex(
            self.values[alive], tuple(faces[::-1]), tuple(owners[::-1]), tuple(items[::-1])
        )


def _unique(owner: np.ndarray, item: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    pairs = np.unique(np.stack([owner, item]), axis=1)
    return pairs[0], pairs[1]


def box(low: np.ndarray, high: np.ndarray) -> Complex:
    """A box with high > low in every entry: one cell, values are its corners. Shape (d,)."""
    d = len(low)
    # A face fixes every axis at its low end (0), its high end (1), or leaves it free (2).
    kinds = np.stack(np.unravel_index(np.arange(3**d), (3,) * d), axis=1)
    size = (kinds == 2).sum(axis=1)
    number = np.zeros(3**d, dtype=np.int32)
    for k in range(d + 1):
        number[size == k] = np.arange(int((size == k).sum()))
    weight = 3 ** np.arange(d - 1, -1, -1)
    owners, items = [], []
    for k in range(1, d + 1):
        faces = np.flatnonzero(size == k)
        at, axis = np.nonzero(kinds[faces] == 2)
        facets = [faces[at] - (2 - end) * weight[axis] for end in (0, 1)]
        owners.append(np.tile(number[faces[at]], 2))
        items.append(number[np.concatenate(facets)])
    corners = kinds[size == 0]
    counts = tuple(int((size == k).sum()) for k in range(d + 1))
    return Complex(np.where(corners == 1, high, low), counts, tuple(owners), tuple(items))
