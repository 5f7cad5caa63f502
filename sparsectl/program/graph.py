"""ReLU programs of a graph network: one for every graph.

Which objects act on each other depends on the state, so the model as a whole is no ReLU program,
but with its graph given it is. For one step from a known state the graph is known, and much of
the network with it: what depends on the state alone becomes numbers.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.sparse as sp

from sparsectl.errors import ConfigError
from sparsectl.program.algebra import fold_inputs, prune, reduce
from sparsectl.program.bounds import Box, propagate
from sparsectl.program.relu_program import Decision, ReluProgram

Edge = tuple[int, int]
_KEPT = 16


@dataclass(frozen=True)
class Map:
    """An affine map of what a pair or an object sees; see `dynamics.folded_graph.Terms`."""

    own: np.ndarray
    action: np.ndarray
    bias: np.ndarray
    sender: np.ndarray
    message: np.ndarray
    hidden: np.ndarray


@dataclass(frozen=True, eq=False)
class GraphPrograms:
    """A graph network in numpy, float64, ready to be written out for any graph.

    Attributes:
        edge, messages, node, output: maps of `dynamics.folded_graph.FoldedGraph`.
        edge_layers, node_layers: (W, b) of the hidden layers after the first.
        kinds: of the neurons of every hidden layer: 0 zero, 1 ReLU, 2 identity.
        radius: pairs nearer than this are neighbours.
        reach: furthest that an object moves in one step, as far as data tell.
    """

    count: int
    nu: int
    edge: Map
    edge_layers: tuple[tuple[np.ndarray, np.ndarray], ...]
    messages: Map
    node: Map
    node_layers: tuple[tuple[np.ndarray, np.ndarray], ...]
    output: Map
    kinds: tuple[np.ndarray, ...]
    radius: float
    reach: float
    _known: OrderedDict[Any, Any] = field(default_factory=OrderedDict, repr=False)

    def at(self, problem: Decision) -> ReluProgram:
        """The program of the present graph.

        For one step it is exact, and specialised to the present state and the action box. For
        more steps it is that of all pairs that could become neighbours on the way, which takes
        those pairs for neighbours at every step, as the model does not.
        """
        if problem.horizon > 1:
            edges = self.neighbours(problem.x0, 2 * self.reach * (problem.horizon - 1))
            return self._cached(edges, lambda: self.program(edges))
        low, high = problem.u_low, problem.u_high
        key = (problem.x0.tobytes(), low.tobytes(), high.tobytes())
        return self._cached(key, lambda: self._one_step(problem))

    def exact_at(self, problem: Decision) -> bool:
        """Whether no pair of objects can begin or cease to be neighbours on the way."""
        if problem.horizon == 1:
            return True
        margin = 2 * self.reach * (problem.horizon - 1)
        edges = self.neighbours(problem.x0, margin)
        if edges != self.neighbours(problem.x0, -margin):
            return False
        place = (problem.x0.tobytes(), problem.u_low.tobytes(), problem.u_high.tobytes())
        key = (problem.horizon, *place)
        return bool(self._cached(key, lambda: self._lasts(edges, problem)))

    def _lasts(self, edges: tuple[Edge, ...], problem: Decision) -> bool:
        """Whether a graph is that of all states that its own program can come to.

        Then it is that of the model's states, one step after the other.
        """
        bounds = propagate(self.program(edges), _box(problem), problem.horizon - 1, "crown")
        low, high = (v.reshape(len(v), self.count, -1) for v in (bounds.x_low, bounds.x_high))
        least, most = low[:, :, None] - high[:, None], high[:, :, None] - low[:, None]
        nearest = np.square(np.maximum(np.maximum(least, -most), 0.0)).sum(-1)
        furthest = np.square(np.maximum(-least, most)).sum(-1)
        near = set(edges)
        return all(
            bool((furthest[:, i, j] <= self.radius**2).all())
            if (i, j) in near
            else bool((nearest[:, i, j] > self.radius**2).all())
            for i, j in self.every_pair()
        )

    def _cached(self, key: Any, make: Callable[[], Any]) -> Any:
        known = self._known
        if key not in known:
            known[key] = make()
            if len(known) > _KEPT:
                known.popitem(last=False)
        known.move_to_end(key)
        return known[key]

    def _one_step(self, problem: Decision) -> ReluProgram:
        nx = len(problem.x0)
        whole = self.program(self.neighbours(problem.x0))
        program = fold_inputs(whole, np.arange(nx), problem.x0)
        bounds = propagate(program, _box(problem), 1, "interval")
        return prune(reduce(program, bounds.active[0], bounds.pre_high[0] <= 0))

    def neighbours(self, x: np.ndarray, margin: float = 0.0) -> tuple[Edge, ...]:
        """Pairs (i, j) of objects nearer than radius + margin, i acting on j. x: Shape (nx,)."""
        o = np.asarray(x, dtype=np.float64).reshape(self.count, -1)
        square = np.square(o[:, None] - o[None]).sum(-1)
        close = (square <= max(self.radius + margin, 0.0) ** 2) & ~np.eye(self.count, dtype=bool)
        return tuple((int(i), int(j)) for i, j in np.argwhere(close))

    def every_pair(self) -> tuple[Edge, ...]:
        """The complete graph."""
        n = range(self.count)
        return tuple((i, j) for i in n for j in n if i != j)

    def program(self, edges: Sequence[Edge]) -> ReluProgram:
        """One step with a given graph: the model, wherever its neighbours are these pairs.

        Args:
            edges: pairs (i, j): object i acts on object j.

        Returns:
            Inputs [x; u], outputs x'. Neurons in the order of layers, pairs before objects; every
            ReLU of the network is one neuron of each pair or object; identities are substituted
            away, zeros dropped.

        Raises:
            ConfigError: a pair of an object with itself, twice the same, or of no such object.
        """
        self._check(edges)
        return _Writer(self, edges).program()

    def _check(self, edges: Sequence[Edge]) -> None:
        for i, j in edges:
            if i == j or not (0 <= i < self.count and 0 <= j < self.count):
                raise ConfigError(
                    f"graph: pair ({i}, {j}), expected two of the objects 0 to {self.count - 1}"
                )
        if len(set(edges)) != len(edges):
            raise ConfigError("graph: a pair is given twice")


class _Writer:
    """Writes a network out for one graph, with rows over [x; u; z; 1]."""

    def __init__(self, source: GraphPrograms, edges: Sequence[Edge]) -> None:
        self.source, self.n_pairs = source, len(edges)
        n, pairs = source.count, np.array(edges, dtype=int).reshape(-1, 2)
        ones, rows = np.ones(len(edges)), np.arange(len(edges))
        shape = (len(edges), n)
        self.send = sp.csr_array((ones, (rows, pairs[:, 0])), shape=shape)
        self.receive = sp.csr_array((ones, (rows, pairs[:, 1])), shape=shape)
        size = source.edge.own.shape[1]
        self.n_in = n * size + source.nu
        self.m = len(edges) * _relus(source.kinds[: 1 + len(source.edge_layers)])
        self.m += n * _relus(source.kinds[1 + len(source.edge_layers) :])
        width = self.n_in + self.m + 1
        self.x = sp.eye_array(n * size, width, format="csr")
        self.u = sp.eye_array(source.nu, width, k=n * size, format="csr")
        self.one = sp.csr_array(([1.0], ([0], [width - 1])), shape=(1, width))
        self.rows: list[sp.csr_array] = []
        self.done = 0

    def program(self) -> ReluProgram:
        source, n = self.source, self.source.count
        depth = 1 + len(source.edge_layers)
        h = self._hidden(self._pairs(source.edge), source.edge_layers, source.kinds[:depth], True)
        each = self._pairs(source.messages) + _blocks(self.n_pairs, source.messages.hidden) @ h
        message = sp.kron(self.receive.T, np.eye(len(source.messages.bias))) @ each
        pre = self._objects(source.node, message)
        g = self._hidden(pre, source.node_layers, source.kinds[depth:], False)
        y = self._objects(source.output, message) + _blocks(n, source.output.hidden) @ g
        A = sp.vstack([*self.rows, sp.csr_array((0, self.x.shape[1]))], format="csr")
        C = sp.csr_array(y + self.x)
        return ReluProgram(
            self.n_in, A[:, :-1], A[:, [-1]].toarray()[:, 0], C[:, :-1], C[:, [-1]].toarray()[:, 0]
        )

    def _pairs(self, map_: Map) -> sp.csr_array:
        ones = np.ones((self.n_pairs, 1))
        own = sp.kron(self.receive, map_.own) + sp.kron(self.send, map_.sender)
        return own @ self.x + sp.kron(ones, map_.action) @ self.u + self._bias(ones, map_.bias)

    def _objects(self, map_: Map, message: sp.csr_array) -> sp.csr_array:
        ones = np.ones((self.source.count, 1))
        seen = _blocks(len(ones), map_.own) @ self.x + _blocks(len(ones), map_.message) @ message
        return seen + sp.kron(ones, map_.action) @ self.u + self._bias(ones, map_.bias)

    def _bias(self, ones: np.ndarray, bias: np.ndarray) -> sp.csr_array:
        return sp.csr_array(sp.kron(ones, bias[:, None])) @ self.one

    def _hidden(
        self,
        pre: sp.csr_array,
        rest: Sequence[tuple[np.ndarray, np.ndarray]],
        kinds: Sequence[np.ndarray],
        of_pairs: bool,
    ) -> sp.csr_array:
        count = self.n_pairs if of_pairs else self.source.count
        h = self._neurons(pre, np.tile(kinds[0], count))
        for (W, b), kind in zip(rest, kinds[1:], strict=True):
            pre = _blocks(count, W) @ h + self._bias(np.ones((count, 1)), b)
            h = self._neurons(pre, np.tile(kind, count))
        return h

    def _neurons(self, pre: sp.csr_array, kinds: np.ndarray) -> sp.csr_array:
        """Values of neurons; every ReLU gets a column of its own."""
        relu = np.flatnonzero(kinds == 1)
        pre = sp.csr_array(pre)
        self.rows.append(pre[relu])
        columns = self.n_in + self.done + np.arange(len(relu))
        self.done += len(relu)
        new = sp.csr_array((np.ones(len(relu)), (relu, columns)), shape=pre.shape)
        identity = sp.diags_array((kinds == 2).astype(float))
        return sp.csr_array(identity @ pre + new)


def _box(problem: Decision) -> Box:
    """All actions from the present state."""
    free = np.full(len(problem.x0), np.inf)
    return Box(problem.x0, problem.x0, problem.u_low, problem.u_high, -free, free)


def _blocks(count: int, W: np.ndarray) -> sp.csr_array:
    return sp.csr_array(sp.kron(sp.eye_array(count), W))


def _relus(kinds: Sequence[np.ndarray]) -> int:
    return sum(int((kind == 1).sum()) for kind in kinds)
