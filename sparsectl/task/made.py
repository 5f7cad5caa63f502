"""What a step that was made cost."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sparsectl.task.task import Task


def step_cost(
    task: Task, before: np.ndarray, action: np.ndarray, after: np.ndarray, step: int
) -> float:
    """The task's cost of a step that was made, as a plan of one step.

    Terminal weights and the prices of constraints count; a value network at a plan's end does not.

    Args:
        before, after: observations. Shape (observation_size,).
        action: Shape (nu,).
        step: of the episode, of `before`.

    Returns:
        NaN where the observations cannot be read.
    """
    used = task.map.used
    if not (np.isfinite(before[used]).all() and np.isfinite(after[used]).all()):
        return float("nan")
    problem = task.problem(before, 1, step=step, loose=True)
    states = np.stack([problem.x0, task.map.state(after)])
    return float(replace(problem.cost, value=None)(states, action[None]))
