"""What the package registers when it is imported; nothing else is imported until it is used.

Bundled tasks are Gymnasium ids, and what rooms below use without knowing it are offers.
"""

from __future__ import annotations

from typing import Any

import gymnasium

from sparsectl.offers import OFFERS

TASKS = {
    "sparsectl/Rope-v0": ("sparsectl.envs.rope.env:RopeEnv", 40),
    "sparsectl/PushT-v0": ("sparsectl.envs.push.env:PushTEnv", 60),
    "sparsectl/PushBox-v0": ("sparsectl.envs.push.env:PushBoxEnv", 60),
    "sparsectl/Sort-v0": ("sparsectl.envs.sort.env:SortEnv", 20),
    "sparsectl/CartPole-v0": ("sparsectl.envs.cartpole.env:CartPoleEnv", 60),
    "sparsectl/Flyer-v0": ("sparsectl.envs.flyer.env:FlyerEnv", 60),
    "sparsectl/Slalom-v0": ("sparsectl.envs.slalom.env:SlalomEnv", 40),
    "sparsectl/WallPole-v0": ("sparsectl.envs.wallpole.env:WallPoleEnv", 60),
    "sparsectl/PushGate-v0": ("sparsectl.envs.gate.env:PushGateEnv", 45),
    "sparsectl/Swim-v0": ("sparsectl.envs.swim.env:SwimEnv", 1000),
    "sparsectl/SwimTarget-v0": ("sparsectl.envs.swim.target:SwimTargetEnv", 1000),
    "sparsectl/HalfCheetah-v0": ("sparsectl.envs.cheetah.env:HalfCheetahEnv", 1000),
    "sparsectl/PiecewiseAffine-v0": ("sparsectl.envs.piecewise_affine.env:PiecewiseAffineEnv", 50),
}


def register() -> None:
    """Register every bundled task once, and what rooms offer."""
    OFFERS.setdefault("proposals", _proposals)
    OFFERS.setdefault("motor policies", _motor_policies)
    for name, (entry_point, steps) in TASKS.items():
        if name not in gymnasium.registry:
            gymnasium.register(id=name, entry_point=entry_point, max_episode_steps=steps)


def _proposals() -> Any:
    from sparsectl.circuits.proposal import MAKER

    return MAKER


def _motor_policies() -> Any:
    from sparsectl.circuits.policy.predict import opened

    return opened
