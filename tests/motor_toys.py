"""Policies that go wrong on purpose, importable by spawned workers."""

from __future__ import annotations

import multiprocessing
import os

import torch

from sparsectl.circuits.policy.base import MotorPolicy
from sparsectl.circuits.policy.body import Body


class Root(MotorPolicy):
    """Every joint gets the square root of its parameter: not a number below 0."""

    def __init__(self, body: Body, start: float = 0.25) -> None:
        super().__init__(body)
        self.roots = torch.nn.Parameter(torch.full((body.joints,), start, dtype=torch.float64))

    def act(self, vector, observation, state):
        return torch.sqrt(vector) + 0 * observation[..., : self.body.joints], state


class Deadly(Root):
    """Takes a worker process down."""

    def act(self, vector, observation, state):
        if multiprocessing.parent_process() is not None:
            os._exit(3)
        return super().act(vector, observation, state)
