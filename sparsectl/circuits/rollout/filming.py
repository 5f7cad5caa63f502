"""Clips of a policy."""

from __future__ import annotations

import numpy as np

from sparsectl.circuits.policy.base import MotorPolicy
from sparsectl.circuits.policy.predict import ModulePolicy
from sparsectl.circuits.rollout.env_spec import EnvSpec
from sparsectl.circuits.rollout.trials import Trial, fitted
from sparsectl.errors import MissingExtra
from sparsectl.evaluate.episode import run_episode
from sparsectl.policies.rl.curve import evaluation_seeds
from sparsectl.report.clip import encode_clip


def film(
    policy: MotorPolicy, spec: EnvSpec, trial: Trial, *, steps: int = 300, every: int = 4
) -> bytes:
    """Animated WebP of an episode's beginning, from the first evaluation start.

    Args:
        every: control steps between two pictures.

    Raises:
        MissingExtra: no pictures can be made on this machine.
    """
    where = EnvSpec(spec.id, {**spec.kwargs, **trial.kwargs})
    actor = ModulePolicy(fitted(policy, where, trial.lesions))
    frames: list[np.ndarray] = []
    start = evaluation_seeds(1)[0]
    row = run_episode(where.id, where.kwargs, actor, start, steps=steps, record=frames)
    if row["clip_note"] is not None:
        raise MissingExtra(row["clip_note"])
    return encode_clip(frames[::every], fps=1 / (every * (row["dt"] or 0.04)))
