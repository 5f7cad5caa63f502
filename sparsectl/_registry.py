"""Gymnasium ids of the bundled tasks, by string: nothing is imported until `gymnasium.make`."""

from __future__ import annotations

import gymnasium

TASKS = {
    "sparsectl/Rope-v0": ("sparsectl.envs.rope.env:RopeEnv", 40),
    "sparsectl/PushT-v0": ("sparsectl.envs.push.env:PushTEnv", 60),
    "sparsectl/PushBox-v0": ("sparsectl.envs.push.env:PushBoxEnv", 60),
    "sparsectl/Sort-v0": ("sparsectl.envs.sort.env:SortEnv", 20),
    "sparsectl/CartPole-v0": ("sparsectl.envs.cartpole.env:CartPoleEnv", 60),
    "sparsectl/Swim-v0": ("sparsectl.envs.swim.env:SwimEnv", 1000),
    "sparsectl/SwimTarget-v0": ("sparsectl.envs.swim.target:SwimTargetEnv", 1000),
    "sparsectl/HalfCheetah-v0": ("sparsectl.envs.cheetah.env:HalfCheetahEnv", 1000),
    "sparsectl/PiecewiseAffine-v0": ("sparsectl.envs.piecewise_affine.env:PiecewiseAffineEnv", 50),
}


def register() -> None:
    """Register every bundled task once."""
    for name, (entry_point, steps) in TASKS.items():
        if name not in gymnasium.registry:
            gymnasium.register(id=name, entry_point=entry_point, max_episode_steps=steps)
