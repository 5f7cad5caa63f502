"""The optimisation problem of one decision."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sparsectl.task.arrays import like
from sparsectl.task.constraints import Constraints
from sparsectl.task.cost import Cost
from sparsectl.task.inputs import Inputs


@dataclass(frozen=True)
class Problem:
    """One decision: minimise `cost` over actions in a box, subject to `constraints`.

    Attributes:
        x0: present state. Shape (nx,), physical units.
        u_low, u_high: action box. Shape (nu,), the environment's action units.
        observation: that the problem was made at, as it came; None where it was made otherwise.
        inputs: rules for actions beyond their box; None: there are none.
        own: the task's own constraints where `constraints` are drawn in; None: they are the same.
    """

    x0: np.ndarray
    cost: Cost
    constraints: Constraints
    u_low: np.ndarray
    u_high: np.ndarray
    horizon: int
    observation: np.ndarray | None = None
    inputs: Inputs | None = None
    own: Constraints | None = None

    @property
    def nx(self) -> int:
        """Size of the state."""
        return len(self.x0)

    @property
    def nu(self) -> int:
        """Size of the action."""
        return len(self.u_low)

    @property
    def hybrid(self) -> str | None:
        """What there is beyond a cost, hard constraints and an action box; None: nothing."""
        if self.inputs is not None:
            return "its inputs have levels, rates or blocks"
        if self.cost.priced is not None:
            return "some constraints have a price"
        if self.cost.value is not None:
            return "a value network stands at the end of the plan"
        return None

    def admit(self, actions: Any) -> Any:
        """Plans that keep the rules for actions, near given ones.

        Args:
            actions: Shape (..., H, nu), numpy or torch.
        """
        if self.inputs is not None:
            return self.inputs.admit(actions)
        return actions.clip(like(self.u_low, actions), like(self.u_high, actions))
