"""Motor circuits: policies that swim before they learn, and the baselines they are held against."""

from sparsectl.circuits.base import MotorPolicy
from sparsectl.circuits.body import Body, BodyConfig, body_of
from sparsectl.circuits.circuit import Circuit
from sparsectl.circuits.config import CircuitConfig, MLPPolicyConfig
from sparsectl.circuits.lesions import lesion
from sparsectl.circuits.mlp import MLPPolicy, RandomPolicy, ZeroPolicy

__all__ = [
    "Body",
    "BodyConfig",
    "Circuit",
    "CircuitConfig",
    "MLPPolicy",
    "MLPPolicyConfig",
    "MotorPolicy",
    "RandomPolicy",
    "ZeroPolicy",
    "body_of",
    "lesion",
]
