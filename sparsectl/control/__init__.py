"""Controllers behind one interface: MIP and its relaxation, samplers, gradients, policies."""

from sparsectl.control.base import Controller, ControllerState, finish, idle_action, no_plan
from sparsectl.control.build import FROM_PROPOSALS, KINDS, build, check, checkpoints, config_class
from sparsectl.control.policy import Policy, PolicyController
from sparsectl.control.samplers.cem import CEM, CEMConfig
from sparsectl.control.samplers.gradient import Gradient, GradientConfig
from sparsectl.control.samplers.mppi import MPPI, MPPIConfig
from sparsectl.control.simple import Random, Zero
from sparsectl.control.wrappers.proposal import Proposal, Proposed, Unplanned
from sparsectl.control.wrappers.stall import Unstuck
from sparsectl.control.wrappers.supervised import Supervised, SupervisedConfig

__all__ = [
    "CEM",
    "FROM_PROPOSALS",
    "KINDS",
    "MPPI",
    "CEMConfig",
    "Controller",
    "ControllerState",
    "Gradient",
    "GradientConfig",
    "MPPIConfig",
    "Policy",
    "PolicyController",
    "Proposal",
    "Proposed",
    "Random",
    "Supervised",
    "SupervisedConfig",
    "Unplanned",
    "Unstuck",
    "Zero",
    "build",
    "check",
    "checkpoints",
    "config_class",
    "finish",
    "idle_action",
    "no_plan",
]
