"""Controllers behind one interface: MIP and its relaxation, samplers, gradients, policies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sparsectl._lazy import names_on_demand
from sparsectl.control import fixed, policy, settings
from sparsectl.control.samplers import cem, gradient, mppi

if TYPE_CHECKING:
    from sparsectl.control.base import Controller, ControllerState, Wrapper, idle_action
    from sparsectl.control.build import (
        attempt,
        build,
        check,
        check_plans,
        checkpoints,
        outside,
        policies,
    )
    from sparsectl.control.config import ControllerConfig, Setup, config_class, kinds, register
    from sparsectl.control.fixed import Follow, Random, Zero
    from sparsectl.control.plans import finish, no_plan
    from sparsectl.control.policy import Policy, PolicyConfig, PolicyController, as_policy
    from sparsectl.control.samplers.cem import CEM, CEMConfig
    from sparsectl.control.samplers.gradient import Gradient, GradientConfig
    from sparsectl.control.samplers.mppi import MPPI, MPPIConfig
    from sparsectl.control.settings import (
        MIPConfig,
        RelaxationConfig,
        ShieldConfig,
        TwoModelsConfig,
    )
    from sparsectl.control.wrappers.proposal import Proposal, Proposed, followed
    from sparsectl.control.wrappers.shield import Shield
    from sparsectl.control.wrappers.stall import StallNoise
    from sparsectl.control.wrappers.supervised import Supervised, SupervisedConfig

names_on_demand(__name__)
