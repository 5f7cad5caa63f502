"""A disc under thrust with a box in its way: a small problem whose inputs may take levels."""

from __future__ import annotations

from itertools import product

import numpy as np
import scipy.sparse as sp

from sparsectl.program.relu_program import ReluProgram
from sparsectl.task import (
    ActionConfig,
    ConstraintsConfig,
    CostConfig,
    ObservationConfig,
    Problem,
    Task,
    TaskConfig,
    TermConfig,
)
from sparsectl.task.constraints import BoxConfig
from sparsectl.task.keep_out import KeepOutConfig


def program() -> ReluProgram:
    """A disc of two positions and two speeds under thrust. Inputs (x, u) of shape (6,)."""
    C = np.eye(4, 6)
    C[:2, 2:4], C[:2, 4:], C[2:, 4:] = np.eye(2), 0.5 * np.eye(2), np.eye(2)
    none = sp.csr_array((0, 6))
    return ReluProgram(6, none, np.zeros(0), sp.csr_array(C), np.zeros(4))


def problem(seed: int, horizon: int, action: ActionConfig) -> Problem:
    """A random start, a box in the way and a limit on speeds."""
    rng = np.random.default_rng(seed)
    config = TaskConfig(
        ObservationConfig({"point": "0:2", "speed": "2:4"}),
        CostConfig(
            [
                TermConfig("point", [3.0, 0.5], weight=0.1, terminal_weight=2.0),
                TermConfig("speed", 0.0, weight=0.0, terminal_weight=1.0),
            ]
        ),
        ConstraintsConfig(
            boxes=[BoxConfig("speed", -2.0, 2.0)],
            keep_out=[KeepOutConfig("point", box=(1.0, -0.5, 1.5, 1.0))],
        ),
        action,
    )
    task = Task(config, 4, -np.ones(2), np.ones(2))
    start = np.array([*rng.uniform(-0.5, 0.5, 2), 0.0, 0.0])
    return task.problem(start, horizon, last=np.zeros(2))


def every_plan(task_problem: Problem) -> np.ndarray:
    levels = [p[:, 0] for p in task_problem.inputs.pieces]
    steps = np.array(list(product(*levels)))
    return steps[np.array(list(product(range(len(steps)), repeat=task_problem.horizon)))]
