"""Controllers behind one interface: MIP and its relaxation, samplers, gradients, policies."""

from sparsectl.control.base import (
    Controller,
    ControllerState,
    Wrapper,
    finish,
    idle_action,
    no_plan,
)
from sparsectl.control.build import build, check, checkpoints
from sparsectl.control.config import ControllerConfig, Setup, config_class, kinds, register
from sparsectl.control.fixed import Follow, Random, Zero
from sparsectl.control.mip_config import MIPConfig
from sparsectl.control.policy import Policy, PolicyController
from sparsectl.control.relaxation_config import RelaxationConfig
from sparsectl.control.samplers.cem import CEM, CEMConfig
from sparsectl.control.samplers.gradient import Gradient, GradientConfig
from sparsectl.control.samplers.mppi import MPPI, MPPIConfig
from sparsectl.control.two_models_config import TwoModelsConfig
from sparsectl.control.wrappers.proposal import Proposal, Proposed
from sparsectl.control.wrappers.stall import StallNoise
from sparsectl.control.wrappers.supervised import Supervised, SupervisedConfig

__all__ = [
    "CEM",
    "MPPI",
    "CEMConfig",
    "Controller",
    "ControllerConfig",
    "ControllerState",
    "Follow",
    "Gradient",
    "GradientConfig",
    "MIPConfig",
    "MPPIConfig",
    "Policy",
    "PolicyController",
    "Proposal",
    "Proposed",
    "Random",
    "RelaxationConfig",
    "Setup",
    "StallNoise",
    "Supervised",
    "SupervisedConfig",
    "TwoModelsConfig",
    "Wrapper",
    "Zero",
    "build",
    "check",
    "checkpoints",
    "config_class",
    "finish",
    "idle_action",
    "kinds",
    "no_plan",
    "register",
]
