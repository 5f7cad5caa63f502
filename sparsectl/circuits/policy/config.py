"""Settings of the policies."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from sparsectl.checks import choices, whole, within
from sparsectl.errors import ConfigError, one_of

SHORTEST_PERIOD = 2.0
"""Control steps: an oscillation needs one step for each half cycle."""


SYNAPSES = (
    "proprioception",
    "reflex",
    "oscillator",
    "ipsilateral",
    "contralateral",
    "speed",
    "turn",
)
"""Kinds of synapses."""


@dataclass(frozen=True)
class CircuitConfig:
    """Motor circuit; the defaults are the 4-parameter circuit of Bhattasali et al. (2022)."""

    kind: Literal["circuit"] = field(default="circuit", kw_only=True)
    """Name of this kind of policy."""
    sharing: Literal["shared", "module"] = "shared"
    """`shared`: one value per kind of synapse; `module`: one per joint and side."""
    signed: bool = True
    """Excitatory synapses stay at or above 0 and inhibitory ones at or below."""
    init: Literal["constant", "uniform"] = "constant"
    """Initial weights: `constant`: 1 and -1 (random signs without `signed`; 0 for receptive
    fields beyond the next joint); `uniform`: random in [0, 1] and [-1, 0] (in [-1, 1] without
    `signed`)."""
    start: dict[str, float] = field(default_factory=dict)
    """Initial weights by kind of synapse, for example `proprioception: 2`, instead of those of
    `init`; of receptive fields, those of the nearest joint."""
    seed: int = 0
    """Of random initial weights."""
    period: float = 60.0
    """Initial period of the oscillator, in control steps; at least 2."""
    learn_period: bool = False
    """The period is a parameter (the logarithm of the factor on `period`)."""
    onset: Literal["dorsal", "posture"] = "dorsal"
    """Side on which an episode's first cycle begins: `dorsal`, as in the paper, or the side that
    the body is not bent to (`posture`: the sum of all joints' stretch decides once)."""
    reach: int = 1
    """Joints towards the head that a joint's proprioception extends over."""
    reflex: int = 0
    """Joints whose stretch inhibits a joint's motor neurons, its own first, then towards the
    tail: bending stops itself. 0: none, as in the paper."""
    crossed: bool = False
    """Stretch acts on the motor neurons of the other side too, with the opposite sign."""
    speed: bool = False
    """A speed input that inhibits all motor neurons as it falls below 1."""
    turn: bool = False
    """Inputs for turning right and left."""
    turn_joints: int = 1
    """Joints from the head on that receive the turn inputs."""
    steering: Literal["none", "hardcoded", "learned"] = "none"
    """What drives the speed and turn inputs from the vector to a target: nothing, thresholds, or
    a linear layer."""
    dead_zone: float = 0.1
    """Sideways distance to a target from which steering turns [m], and the unit of the learned
    layer's inputs: one link of the paper's body. Choose it with the size of yours."""
    brake_within: float = 0.12
    """Distance ahead or behind below which hardcoded steering slows [m]."""

    def __post_init__(self) -> None:
        choices(self, "circuit")
        whole(self, "circuit", "[0, 32]", "reflex")
        whole(self, "circuit", "[1, 32]", "reach")
        whole(self, "circuit", "[1, 256]", "turn_joints")
        check_period(self.period)
        within(self, "circuit", "(0, inf)", "dead_zone", "brake_within")
        for name, value in self.start.items():
            one_of(name, SYNAPSES, "circuit: start: no synapses")
            if not math.isfinite(value):
                raise ConfigError(f"circuit: start of {name} is {value}, expected a finite number")
        if self.steering != "none" and not self.turn:
            raise ConfigError(
                f"circuit: steering '{self.steering}' needs the turn inputs: set turn to true "
                "(and speed to true for braking in turns)"
            )


@dataclass(frozen=True)
class MLPPolicyConfig:
    """Multi-layer perceptron with tanh units and a tanh on its actions."""

    kind: Literal["mlp"] = field(default="mlp", kw_only=True)
    """Name of this kind of policy."""
    hidden: tuple[int, ...] = (64, 64)
    """Widths of the hidden layers."""
    clock: bool = False
    """Sine and cosine of a clock are inputs too: the circuit has one."""
    period: float = 60.0
    """Period of the clock, in control steps."""
    gain: float = 1.0
    """Factor on the initial weights of the last layer."""
    seed: int = 0
    """Of the initial weights."""

    def __post_init__(self) -> None:
        whole(self, "mlp", "[1, inf)", "hidden")
        within(self, "mlp", "[0, inf)", "gain")
        check_period(self.period)


def check_period(period: float) -> None:
    """Refuse periods too short to oscillate.

    Raises:
        ConfigError: below 2 steps, or not finite.
    """
    if not (math.isfinite(period) and period >= SHORTEST_PERIOD):
        raise ConfigError(
            f"the oscillator's period is {period} control steps, expected at least "
            f"{SHORTEST_PERIOD:g}: one for each half cycle"
        )
