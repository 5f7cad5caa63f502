"""Training windows: k successive transitions of one episode."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from sparsectl.data import Episodes
from sparsectl.errors import DataError, ShapeError
from sparsectl.task import StateMap


@dataclass(frozen=True)
class Trajectories:
    """States and actions of episodes, float64.

    Attributes:
        states: one array of shape (T + 1, nx) per episode.
        actions: one array of shape (T, nu) per episode.
    """

    states: Sequence[np.ndarray]
    actions: Sequence[np.ndarray]

    @classmethod
    def of(cls, episodes: Episodes, state_map: StateMap) -> Trajectories:
        """Read the states of recorded observations, each with the action that acts on it then.

        With a delay, that is an earlier one; the beginnings of episodes, where it is not known,
        are left out.

        Raises:
            ShapeError: the observations are of another size than the state map's.
            DataError: an entry that the state needs is not finite, or no episode is longer than
                the delay.
        """
        if episodes.observation_size != state_map.observation_size:
            raise ShapeError(
                f"the data of '{episodes.env_id or 'unknown environment'}' has observations of "
                f"{episodes.observation_size} entries, the task expects "
                f"{state_map.observation_size}"
            )
        if episodes.used is not None and not set(state_map.used) <= set(episodes.used):
            episodes = replace(episodes, used=state_map.used)  # which checks them
        late = state_map.delay
        pairs = [
            (state_map.state(o)[late:], a[: len(a) - late])
            for o, a in zip(episodes.observations, episodes.actions, strict=True)
            if len(a) > late
        ]
        if not pairs:
            raise DataError(f"no episode is longer than the delay of {late} steps")
        states, actions = zip(*pairs, strict=True)
        return cls(states, actions)

    def pairs(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """All transitions: x (n, nx), u (n, nu), x' (n, nx)."""
        x = np.concatenate([s[:-1] for s in self.states])
        y = np.concatenate([s[1:] for s in self.states])
        return x, np.concatenate(self.actions), y


@dataclass(frozen=True)
class Windows:
    """Windows as indices into flat tensors, so that a batch is one gather.

    Attributes:
        states: Shape (rows, nx); T + 1 rows per episode.
        actions: Shape (rows, nu); the last row of an episode is padding.
        starts: first row of every window. Shape (windows,).
        lengths: transitions in every window, at most k. Shape (windows,).
        ragged: whether some windows are shorter than k.
    """

    states: Tensor
    actions: Tensor
    starts: Tensor
    lengths: Tensor
    k: int
    ragged: bool

    def __len__(self) -> int:
        return len(self.starts)

    def batch(self, chosen: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """States (B, k + 1, nx), actions (B, k, nu) and, if ragged, which steps count (B, k)."""
        offsets = torch.arange(self.k + 1, device=self.starts.device)
        if not self.ragged:
            rows = self.starts[chosen, None] + offsets
            return self.states[rows], self.actions[rows[:, :-1]], None
        length = self.lengths[chosen, None]
        rows = self.starts[chosen, None] + torch.minimum(offsets, length)
        return self.states[rows], self.actions[rows[:, :-1]], offsets[:-1] < length


def windows(data: Trajectories, k: int, device: torch.device, dtype: torch.dtype) -> Windows:
    """All windows of k transitions; an episode shorter than k gives one short window."""
    starts, lengths, row = [], [], 0
    for actions in data.actions:
        count = max(1, len(actions) - k + 1)
        starts.append(row + np.arange(count))
        lengths.append(np.full(count, min(k, len(actions))))
        row += len(actions) + 1
    padded = [np.concatenate([a, np.zeros((1, a.shape[1]))]) for a in data.actions]
    longest = int(max(length[0] for length in lengths))
    all_lengths = np.concatenate(lengths)
    return Windows(
        torch.as_tensor(np.concatenate(data.states), dtype=dtype, device=device),
        torch.as_tensor(np.concatenate(padded), dtype=dtype, device=device),
        torch.as_tensor(np.concatenate(starts), device=device),
        torch.as_tensor(all_lengths, device=device),
        longest,
        bool((all_lengths < longest).any()),
    )
