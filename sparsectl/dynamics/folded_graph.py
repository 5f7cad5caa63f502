"""A step of a graph network with normalisation folded into its weights.

For a pair of neighbours i -> j, objects o and action u, in physical units:

    h_1   = max(0, S_1 o_i + R_1 o_j + U_1 u + b_1),  h_{l+1} = max(0, W_l h_l + b_l)
    m_j   = sum over i of  V h_L + S o_i + R o_j + U u + c
    g_1   = max(0, R_2 o_j + U_2 u + M_2 m_j + b_2),  g_{l+1} = max(0, W_l g_l + b_l)
    o_j'  = o_j + W_o g_L + R_3 o_j + U_3 u + M_3 m_j + b_3

with other activations in place of max(0, .) where neurons are of other kinds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sparsectl.dynamics.kinds import Activation

Layer = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Terms:
    """An affine map of what a pair or an object sees; None where it does not see a thing.

    Attributes:
        own: of the object itself, or the receiver of a pair. Shape (width, size).
        action: Shape (width, nu).
        bias: Shape (width,).
        sender: of a pair's other object. Shape (width, size).
        message: of the summed messages. Shape (width, message).
        hidden: of the last hidden layer. Shape (width, last width).
    """

    own: Tensor
    action: Tensor
    bias: Tensor
    sender: Tensor | None = None
    message: Tensor | None = None
    hidden: Tensor | None = None


@dataclass(frozen=True)
class FoldedGraph:
    """Folded weights.

    Attributes:
        edge, node: first layers of a pair and of an object.
        edge_layers, node_layers: (W, b) of the hidden layers after the first.
        messages: what a pair sends.
        output: change of an object.
        activations: of every hidden layer, pairs first.
        pairs: all pairs (i, j). Shape (2, n (n - 1)).
        radius: a pair nearer than this is neighbours.
    """

    edge: Terms
    edge_layers: tuple[Layer, ...]
    messages: Terms
    node: Terms
    node_layers: tuple[Layer, ...]
    output: Terms
    activations: tuple[Activation, ...]
    pairs: Tensor
    radius: float

    def rollout(self, x0: Tensor, actions: Tensor) -> Tensor:
        """States. Shapes (batch, nx), (batch, H, nu) -> (batch, H + 1, nx)."""
        states = [x0]
        for u in actions.unbind(1):
            states.append(self.step(states[-1], u))
        return torch.stack(states, dim=1)

    def step(self, x: Tensor, u: Tensor) -> Tensor:
        """Next states. Shapes (batch, nx), (batch, nu) -> (batch, nx)."""
        size = self.edge.own.shape[1]
        o = x.reshape(len(x), -1, size)
        depth = 1 + len(self.edge_layers)
        message = self._messages(o, u)
        node = self.node
        assert node.message is not None
        of_action = u @ node.action.T + node.bias
        g = o @ node.own.T + of_action[:, None] + message @ node.message.T
        g = layers(g, self.node_layers, self.activations[depth:])
        out = self.output
        assert out.message is not None
        assert out.hidden is not None
        change = o @ out.own.T + (u @ out.action.T + out.bias)[:, None] + message @ out.message.T
        return (o + change + g @ out.hidden.T).reshape(x.shape)

    def _messages(self, o: Tensor, u: Tensor) -> Tensor:
        """Summed messages to every object. Shape (batch, n, message)."""
        batch, n, size = o.shape
        flat = o.reshape(-1, size)
        # Only pairs that are neighbours are evaluated: most are not.
        row, pair = near(o.detach(), self.pairs, self.radius).nonzero(as_tuple=True)
        sender, receiver = row * n + self.pairs[0][pair], row * n + self.pairs[1][pair]
        edge, out = self.edge, self.messages
        assert edge.sender is not None
        assert out.sender is not None
        assert out.hidden is not None
        of_action = u @ edge.action.T + edge.bias
        from_sender, from_receiver = flat @ edge.sender.T, flat @ edge.own.T
        h = from_sender[sender] + from_receiver[receiver] + of_action[row]
        h = layers(h, self.edge_layers, self.activations[: 1 + len(self.edge_layers)])
        # Sum first, then one matrix per object: the message is affine in these.
        values = torch.cat([h, flat[sender], h.new_ones(len(h), 1)], dim=1)
        total = values.new_zeros(len(flat), values.shape[1]).index_add(0, receiver, values)
        total = total.reshape(batch, n, -1)
        hidden, senders, degree = total.split([h.shape[1], size, 1], dim=-1)
        each = o @ out.own.T + (u @ out.action.T + out.bias)[:, None]
        return hidden @ out.hidden.T + senders @ out.sender.T + degree * each


def near(o: Tensor, pairs: Tensor, radius: float) -> Tensor:
    """Which pairs are neighbours. Shape (batch, pairs), of objects (batch, n, size)."""
    gap = o[:, pairs[0]] - o[:, pairs[1]]
    return gap.square().sum(-1) <= radius**2


def layers(pre: Tensor, rest: Sequence[Layer], activations: Sequence[Activation]) -> Tensor:
    """Last hidden layer, of the first one's pre-activations. Shape (..., width)."""
    h = activations[0](pre)
    for (W, b), act in zip(rest, activations[1:], strict=True):
        h = act(h @ W.T + b)
    return h
