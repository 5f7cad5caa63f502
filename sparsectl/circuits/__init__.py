"""Motor circuits: policies that swim before they learn, and the baselines they are held against."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sparsectl._lazy import names_on_demand

if TYPE_CHECKING:
    from sparsectl.circuits.policy.base import MotorPolicy
    from sparsectl.circuits.policy.body import Body, BodyConfig, body_of
    from sparsectl.circuits.policy.circuit import Circuit
    from sparsectl.circuits.policy.config import CircuitConfig, MLPPolicyConfig
    from sparsectl.circuits.policy.lesions import lesion
    from sparsectl.circuits.policy.mlp import MLPPolicy, RandomPolicy, ZeroPolicy
    from sparsectl.circuits.proposal import MotorProposal

names_on_demand(__name__)
