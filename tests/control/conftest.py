"""A double integrator: known model, convex problem, exact program."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from sparsectl.control import ControllerState, Setup
from sparsectl.dynamics.base import Dynamics
from sparsectl.program import ReluProgram
from sparsectl.task import (
    ActionConfig,
    CostConfig,
    ObservationConfig,
    Task,
    TaskConfig,
    TermConfig,
)
from sparsectl.task.constraints import ConstraintsConfig
from sparsectl.task.cost import ActionCostConfig

A = np.array([[1.0, 0.5], [0.0, 1.0]])
B = np.array([[0.125], [0.5]])
LOW, HIGH = np.array([-1.0]), np.array([0.5])
HORIZON = 6


class DoubleIntegrator(Dynamics):
    """x' = A x + B u with x = (position, velocity); `bad(x)` marks where it returns NaN."""

    def __init__(self, bad=None) -> None:
        super().__init__()
        self.nx, self.nu, self.bad = 2, 1, bad
        self.register_buffer("A", torch.tensor(A))
        self.register_buffer("B", torch.tensor(B))

    def forward(self, x, u):
        y = x @ self.A.T + u @ self.B.T
        if self.bad is not None:
            y = torch.where(self.bad(y), torch.nan, y)
        return y


@dataclass
class Toy:
    task: Task
    dynamics: Dynamics
    program: ReluProgram
    horizon: int = HORIZON

    def setup(self, name="it", horizon=None):
        return Setup(name, self.task, self.dynamics, self.program, horizon or self.horizon, "cpu")

    def problem(self, x0=(1.0, 0.0)):
        return self.task.problem(np.array(x0), self.horizon)


def make_toy(scale=1.0, norm="l2sq", bad=None, action=None, **constraints) -> Toy:
    terms = [
        TermConfig("position", 0.0, norm, scale, 3 * scale),
        TermConfig("velocity", 0.0, norm, 0.1 * scale),
    ]
    config = TaskConfig(
        ObservationConfig({"position": "0:1", "velocity": "1:2"}),
        CostConfig(terms, ActionCostConfig("l2sq", 0.01 * scale)),
        ConstraintsConfig(**constraints),
        action or ActionConfig(),
    )
    program = ReluProgram(
        3, sp.csr_array((0, 3)), np.zeros(0), sp.csr_array(np.hstack([A, B])), np.zeros(2)
    )
    return Toy(Task(config, 2, LOW, HIGH), DoubleIntegrator(bad), program)


@pytest.fixture
def toy() -> Toy:
    return make_toy()


@pytest.fixture
def toy_factory():
    return make_toy


@pytest.fixture
def start() -> ControllerState:
    return ControllerState(seed=3)
