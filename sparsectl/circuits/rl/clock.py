"""The policy's memory as part of the observation, for algorithms whose actors have none."""

from __future__ import annotations

import numpy as np
import torch
from gymnasium import spaces

from sparsectl.circuits.policy.base import MotorPolicy


class Clock:
    """States that a policy passes through from the start of an episode.

    They come from the policy itself, so an actor that reads them from its observation acts
    exactly as the policy does.

    Args:
        module: policy whose next state does not depend on the observation.
        size: numbers in an observation of the environment.
        shown: whether observations get the state; without, `size` of this clock is 0.
    """

    def __init__(self, module: MotorPolicy, size: int, shown: bool = True) -> None:
        self.module, self._blank = module, torch.zeros(size, dtype=torch.float64)
        self._state = module.initial_state().detach()
        self.size = self._state.shape[-1] if shown else 0
        self._table = [self._state.numpy()[: self.size].copy()]

    def __call__(self, step: int) -> np.ndarray:
        """State before the action of a step, counted from 0. Shape (ns,)."""
        while len(self._table) <= step:
            with torch.no_grad():
                self._state = self.module(self._blank, self._state)[1]
            self._table.append(self._state.numpy()[: self.size].copy())
        return self._table[step]

    def observed(self, observations: np.ndarray, step: int) -> np.ndarray:
        """Observations (..., no) with the state of a step at their end. Shape (..., no + ns)."""
        seen = np.asarray(observations, np.float64)
        state = np.broadcast_to(self(step), (*seen.shape[:-1], self.size))
        return np.concatenate([seen, state], axis=-1)

    def space(self, box: spaces.Box) -> spaces.Box:
        """Observation space with the state appended (float64)."""
        end = np.full(self.size, np.inf)
        return spaces.Box(
            np.concatenate([box.low.astype(np.float64), -end]),
            np.concatenate([box.high.astype(np.float64), end]),
            dtype=np.float64,
        )
