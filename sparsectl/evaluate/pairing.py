"""Whether an environment repeats itself: only then are episodes of equal seeds paired."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from sparsectl import environment, seeding
from sparsectl.evaluate.player import Setting, make_task
from sparsectl.task import Task


def unpaired(setting: Setting, steps: int = 5) -> str | None:
    """Why episodes of an environment are not paired, or None where they are.

    Two environments are reset with the same seed and given the same actions; what they show of
    the entries that the task reads must be the same.

    Args:
        steps: that are compared after the reset.
    """
    env_id, seed, task = setting.env_id, seeding.EVALUATION_SEED, make_task(setting)
    first, second = (_seen(env_id, setting.env_kwargs, task, seed, steps) for _ in range(2))
    for step, (a, b) in enumerate(zip(first, second, strict=False)):
        if np.allclose(a, b, rtol=1e-6, atol=0.0, equal_nan=True):
            continue
        what = f"ignores the seed: reset(seed={seed}) gave different starts"
        if step:
            what = (
                f"is not deterministic: after reset(seed={seed}) and the same actions, step {step} "
                "differs"
            )
        entry = int(np.argmax(np.abs(a - b)))
        return (
            f"Episodes are not paired: environment '{env_id}' {what} (entry {task.map.used[entry]} "
            f"of the observation: {a[entry]:.6g} and {b[entry]:.6g}). Its random numbers must come "
            "from self.np_random after super().reset(seed=seed)."
        )
    return None


def _seen(
    env_id: str, env_kwargs: Mapping[str, Any], task: Task, seed: int, steps: int
) -> list[np.ndarray]:
    rng = seeding.generator(seed, "pairing")
    with environment.make(env_id, env_kwargs) as env:
        observation, _ = env.reset(seed=seed)
        env.action_space.seed(seed)
        seen = [np.array(observation, np.float64)[task.map.used]]
        for _ in range(steps):
            action = task.admit(rng.uniform(task.u_low, task.u_high))
            action = action.astype(env.action_space.dtype)
            observation, _, terminated, truncated, _ = env.step(action)
            seen.append(np.array(observation, np.float64)[task.map.used])
            if terminated or truncated:
                break
    return seen
