"""Clips of a policy."""

from __future__ import annotations

import numpy as np

from sparsectl import environment
from sparsectl.circuits.curve import evaluation_seeds
from sparsectl.circuits.policy.base import MotorPolicy
from sparsectl.circuits.policy.predict import ModulePolicy
from sparsectl.circuits.rollout.env_spec import EnvSpec
from sparsectl.circuits.rollout.trials import Trial, fitted
from sparsectl.errors import MissingExtra
from sparsectl.report.clip import encode_clip, refusal


def film(
    policy: MotorPolicy, spec: EnvSpec, trial: Trial, *, steps: int = 300, every: int = 4
) -> bytes:
    """Animated WebP of an episode's beginning, from the first evaluation start.

    Args:
        policy: trained or not.
        spec: environment it was made for.
        trial: condition.
        steps: control steps.
        every: control steps between two pictures.

    Raises:
        MissingExtra: no pictures can be made on this machine.
    """
    where = EnvSpec(spec.id, {**spec.kwargs, **trial.kwargs})
    reason = refusal(where.id, where.kwargs)
    if reason is not None:
        raise MissingExtra(f"no clip: {reason}")
    actor = ModulePolicy(fitted(policy, where, trial.lesions))
    env = environment.make(where.id, where.kwargs, render_mode="rgb_array")
    try:
        observation, _ = env.reset(seed=evaluation_seeds(1)[0])
        frames, state = [np.asarray(env.render())], None
        for step in range(1, steps + 1):
            action, state = actor.predict(observation, state)
            observation, _, terminated, truncated, _ = env.step(action)
            if step % every == 0:
                frames.append(np.asarray(env.render()))
            if terminated or truncated:
                break
    finally:
        env.close()
    seconds = float(getattr(env.unwrapped, "control_seconds", 0.04)) * every
    return encode_clip(frames, fps=1 / seconds)
