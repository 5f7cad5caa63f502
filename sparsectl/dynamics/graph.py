"""Graph network over objects that push each other: one round of messages in a radius graph."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from sparsectl.data import Normalizer
from sparsectl.dynamics.folded_graph import FoldedGraph, Terms
from sparsectl.dynamics.gated import GatedDynamics, cleared, initialise, linears, network
from sparsectl.dynamics.graph_config import GraphConfig, mirrors, objects
from sparsectl.dynamics.kinds import activation
from sparsectl.dynamics.unset import Unset
from sparsectl.dynamics.windows import Trajectories
from sparsectl.errors import DataError


class GraphDynamics(GatedDynamics):
    """Shared networks of pairs and of objects; every object moves by

        o_j' = o_j + mean_d + std_d * (node(w_j, m_j) + L [w_j; m_j])
        m_j  = sum over i with |o_i - o_j| <= radius of  edge(e_ij) + K e_ij

    with w_j = [o_j - place; u], the place being where the action says (`GraphConfig.origin`),
    and e_ij = [o_i - o_j; w_j], both normalised. Neighbours are found anew at every step of a
    rollout. Exchanging objects exchanges their predictions, and weights do not depend on how many
    there are. Kinds of neurons, too, are shared. Interaction networks: Battaglia et al. 2016.

    Attributes:
        reach: furthest that an object moved in one step of the training data. Shape (1,).
    """

    view_mean: Tensor
    view_std: Tensor
    gap_std: Tensor
    change_mean: Tensor
    change_std: Tensor
    reach: Tensor
    _own: Tensor
    _action: Tensor
    _pairs: Tensor

    def __init__(
        self, config: GraphConfig, names: Mapping[str, slice], nx: int, nu: int, *, seed: int = 0
    ) -> None:
        super().__init__()
        self.config, self.names, self.nx, self.nu = config, dict(names), nx, nu
        resolved = objects(config, names, nx, nu)
        self.structure, self.objects = resolved.structure, resolved.count
        size, view = config.size, len(resolved.own)
        self.edge = network([size + view, *config.edge, config.message])
        self.node = network([view + config.message, *config.node, size])
        skip = config.skip
        self.edge_skip = Unset(size + view, config.message, bias=False) if skip else None
        self.node_skip = Unset(view + config.message, size, bias=False) if skip else None
        initialise([self.edge, self.node], [self.edge_skip, self.node_skip], seed)
        constants = {"_own": resolved.own, "_action": resolved.action}
        self._register(config.hidden, {"view": view, "change": size}, constants)
        self.register_buffer("gap_std", torch.ones(size))
        self.register_buffer("reach", torch.zeros(1))
        pairs = np.array(list(itertools.permutations(range(self.objects), 2)), dtype=np.int64)
        self.register_buffer("_pairs", torch.tensor(pairs.reshape(-1, 2).T), persistent=False)

    def outgoing(self, layer: int) -> list[nn.Linear]:
        """The linear layer that reads a hidden layer."""
        depth = len(self.config.edge)
        if layer < depth:
            return [linears(self.edge)[layer + 1]]
        return [linears(self.node)[layer - depth + 1]]

    @property
    def output_std(self) -> Tensor:
        """Standard deviation of the one-step change of every state entry. Shape (nx,)."""
        return self.change_std.repeat(self.objects)

    def place(self, values: Tensor) -> Tensor:
        """Values of the predicted entries at their places in the state: all of them."""
        return values

    @torch.no_grad()
    def fit_normalizer(self, data: Trajectories) -> None:
        """Set the statistics of inputs and of changes, shared by all objects, and the reach.

        Raises:
            DataError: no transitions.
        """
        x, u, y = data.pairs()
        if not len(x):
            raise DataError("a graph model needs transitions for its normaliser, got none")
        size = self.config.size
        o, change = (a.reshape(len(x), -1, size) for a in (x, y - x))
        own, action = (m.double().cpu().numpy() for m in (self._own, self._action))
        view = o @ own.T + (u @ action.T)[:, None]
        v = Normalizer.fit(view.reshape(-1, len(own)), name="what objects see")
        objects = o.reshape(-1, size)
        d = Normalizer.fit(change.reshape(-1, size), name="the change of objects", of=objects)
        values = {
            "view_mean": v.mean, "view_std": v.std, "change_mean": d.mean, "change_std": d.std,
            # Neighbours come from all sides, at distances up to the radius.
            "gap_std": np.full(size, self.config.radius / 2),
            "reach": np.linalg.norm(change, axis=-1).max().reshape(1),
        }  # fmt: skip
        for name, value in values.items():
            cast(Tensor, getattr(self, name)).copy_(torch.as_tensor(value))

    def augmented(self, data: Trajectories) -> Trajectories:
        """The data and its mirror images (`GraphConfig.symmetry`)."""
        states, actions = list(data.states), list(data.actions)
        for R in mirrors(self.config)[1:]:
            states += [_turned(s, R) for s in data.states]
            actions += [_turned(a, R) for a in data.actions]
        return Trajectories(states, actions)

    def fold(self) -> FoldedGraph:
        """Weights with normalisation folded in; differentiable."""
        size = self.config.size
        own, action = self._own, self._action
        scale = torch.cat([self.gap_std, self.view_std])

        def of_pair(W: Tensor, b: Tensor, hidden: Tensor | None = None) -> Terms:
            W = W / scale
            gap, view = W[:, :size], W[:, size:]
            bias = b - view @ self.view_mean
            return Terms(view @ own - gap, view @ action, bias, sender=gap, hidden=hidden)

        def of_object(W: Tensor, b: Tensor, hidden: Tensor | None = None) -> Terms:
            view, message = W[:, : len(own)] / self.view_std, W[:, len(own) :]
            bias = b - view @ self.view_mean
            return Terms(view @ own, view @ action, bias, message=message, hidden=hidden)

        pairs = self.kinds_and_gates
        depth = len(self.config.edge)
        edge = cleared(linears(self.edge), pairs[:depth])
        node = cleared(linears(self.node), pairs[depth:])
        (send, send_bias), (out, out_bias) = edge[-1], node[-1]
        std, none = self.change_std[:, None], send.new_zeros
        K = none(len(send), size + len(own))
        L = none(size, len(own) + self.config.message)
        if self.edge_skip is not None and self.node_skip is not None:
            K, L = self.edge_skip.weight, self.node_skip.weight
        offset = self.change_std * out_bias + self.change_mean
        return FoldedGraph(
            of_pair(*edge[0]),
            tuple(edge[1:-1]),
            of_pair(K, send_bias, send),
            of_object(*node[0]),
            tuple(node[1:-1]),
            of_object(std * L, offset, std * out),
            tuple(activation(*pair) for pair in pairs),
            self._pairs,
            self.config.radius,
        )

    def _unroll(self, x: Tensor, u: Tensor) -> Tensor:
        return self.fold().rollout(x, u)


def _turned(values: np.ndarray, R: np.ndarray) -> np.ndarray:
    """Every vector of a row turned by R. Shape (T, k * size)."""
    return (values.reshape(len(values), -1, len(R)) @ R.T).reshape(values.shape)
