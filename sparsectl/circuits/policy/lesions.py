"""Cut single parts out of a circuit.

proprioception, reflex, oscillator, ipsilateral, contralateral, speed, turn
                        all synapses of a kind
onset                   what posture tells the oscillator at the start
proprioceptor:2         the sensor of joint 2
module:3                motor neurons and muscles of joint 3
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from sparsectl.circuits.policy.config import SYNAPSES
from sparsectl.errors import ConfigError, nearest

if TYPE_CHECKING:
    from sparsectl.circuits.policy.circuit import Circuit

KINDS = (*SYNAPSES, "onset")
PLACES = ("proprioceptor", "module")


def lesion(circuit: Circuit, names: str | Iterable[str]) -> Circuit:
    """A copy of a circuit without some of its parts; its parameters keep their values.

    Args:
        circuit: stays as it is.

    Raises:
        ConfigError: an unknown part, one this circuit does not have, or a joint that is not there.
    """
    more = (names,) if isinstance(names, str) else tuple(names)
    together = tuple(dict.fromkeys((*circuit.lesions, *more)))
    copy = type(circuit)(circuit.config, circuit.body, together)
    copy.load_state_dict(circuit.state_dict())
    return copy


def check(lesions: Sequence[str], kinds: Sequence[str], joints: int) -> None:
    """Refuse parts that are not there.

    Raises:
        ConfigError: naming the nearest part.
    """
    parts = [k for k in KINDS if k in kinds]
    for name in lesions:
        place, _, joint = name.partition(":")
        if name in parts:
            continue
        if name in KINDS:
            raise ConfigError(f"lesion '{name}': this circuit has no {name} input")
        if place not in PLACES:
            known = [*parts, *(f"{p}:0" for p in PLACES)]
            raise ConfigError(f"unknown lesion '{name}'" + nearest(name, known))
        if not (joint.isdecimal() and int(joint) < joints):
            raise ConfigError(
                f"lesion '{name}': the body has joints 0 to {joints - 1}, e.g. '{place}:0'"
            )


def intact(lesions: Sequence[str], place: str, joints: int) -> np.ndarray:
    """1 where a joint's sensor (`proprioceptor`) or `module` is there, else 0. Shape (joints,)."""
    return np.array([float(f"{place}:{i}" not in lesions) for i in range(joints)])
