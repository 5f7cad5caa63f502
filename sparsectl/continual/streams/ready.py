"""Settings of streams in MuJoCo that learners are compared on."""

from __future__ import annotations

from sparsectl.continual.streams.dynamics import DynamicsStream
from sparsectl.data import CollectConfig

_UPRIGHT = {"1": (-1.6, 1.6)}
"""The half cheetah has not turned over."""

HALF_CHEETAH_BODIES = DynamicsStream(
    name="half_cheetah_bodies",
    env="sparsectl/HalfCheetah-v0",
    bodies={
        "normal": {},
        "torso": {"torso": 1.25},
        "thigh": {"thigh": 1.25},
        "shin": {"shin": 1.25},
        "foot": {"foot": 1.25},
    },
    within=_UPRIGHT,
)
"""One part after another is a quarter larger, as in HyperCRL (Huang et al. 2021)."""

HALF_CHEETAH_GROWTH = DynamicsStream(
    name="half_cheetah_growth",
    env="sparsectl/HalfCheetah-v0",
    bodies={
        "normal": {},
        "torso": {"torso": 1.5},
        "thigh": {"thigh": 1.5},
        "shin": {"shin": 1.5},
        "foot": {"foot": 1.5},
    },
    within=_UPRIGHT,
)
"""The same with parts that are half as large again: bodies that differ more."""

CHEETAH_FORGETTING = DynamicsStream(
    name="cheetah_forgetting",
    env="sparsectl/HalfCheetah-v0",
    bodies={
        "hugefoot": {"foot": 1.5},
        "moon": {"gravity": 0.15},
        "carry_stuff": {"load": 4.0},
        "rainfall": {"friction": 0.4},
    },
    within=_UPRIGHT,
)
"""The scenario `forgetting` of CSP (Gaya et al. 2022)."""

SWIM_FLUIDS = DynamicsStream(
    name="swim_fluids",
    env="sparsectl/Swim-v0",
    bodies={
        "normal": {},
        "light": {"density": 500.0},
        "syrup": {"viscosity": 0.3},
        "heavy": {"density": 9000.0},
        "honey": {"viscosity": 1.0},
    },
    state="0:8, 10, 13, 16, 19, 22",
)
"""Fluids that cannot be told apart by a single observation. The state is the joints' angles, the
head's velocity and all links' spins, from which the other links' velocities follow."""

SWIM_LINKS = DynamicsStream(
    name="swim_links",
    env="sparsectl/Swim-v0",
    bodies={f"{n} links": {"links": n} for n in (6, 5, 4, 3)},
    places={f"{n} links": f"0:{n - 1}, 5:{5 + 3 * n}" for n in (6, 5, 4, 3)},
)
"""From the longest body to the shortest, as the first one scales all entries: joint angles at 0:5
and velocities at 5:23 of the padded state, the head first."""

PUSHT_BODIES = DynamicsStream(
    name="pusht_bodies",
    env="sparsectl/PushT-v0",
    bodies={
        "normal": {},
        "spinning": {"turning": 0.1},
        "heavy": {"mass": 2.0, "friction": 50.0, "turning": 10.0},
        "small": {"scale": 0.5},
        "large": {"scale": 1.5, "grip": 1.5},
    },
    state="0:10",
    relative={"0:8": "8:10"},
    data=CollectConfig(transitions=20_000, episode_steps=20),
)
"""A T whose weight rests in its middle or on its rim, and of other sizes."""

STREAMS = {
    s.name: s
    for s in (
        HALF_CHEETAH_BODIES,
        HALF_CHEETAH_GROWTH,
        CHEETAH_FORGETTING,
        SWIM_FLUIDS,
        SWIM_LINKS,
        PUSHT_BODIES,
    )
}
"""By name."""
