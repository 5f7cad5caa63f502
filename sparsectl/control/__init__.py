"""Controllers behind one interface: MIP and its relaxation, samplers, gradients, policies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sparsectl._lazy import names_on_demand

if TYPE_CHECKING:
    from sparsectl.control.base import Controller, ControllerState, finish, idle_action, no_plan
    from sparsectl.control.build import build
    from sparsectl.control.kinds import FROM_PROPOSALS, KINDS, check, checkpoints, config_class
    from sparsectl.control.policy import Policy, PolicyController
    from sparsectl.control.samplers.cem import CEM
    from sparsectl.control.samplers.config import CEMConfig, GradientConfig, MPPIConfig
    from sparsectl.control.samplers.gradient import Gradient
    from sparsectl.control.samplers.mppi import MPPI
    from sparsectl.control.simple import Random, Zero
    from sparsectl.control.wrappers.proposal import Proposal, Proposed, Unplanned
    from sparsectl.control.wrappers.stall import Unstuck
    from sparsectl.control.wrappers.supervised import Supervised, SupervisedConfig

names_on_demand(__name__)
