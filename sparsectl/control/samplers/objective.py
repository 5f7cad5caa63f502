"""What samplers and gradient planners minimise, in torch, and the best plan seen so far.

Plans are searched in the unit box: `u = centre + half * z` with every entry of z in [-1, 1]. With
move blocking z holds one action for each block.
"""

from __future__ import annotations

import copy
import itertools
import time
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sparsectl.control.candidates import PENALTY
from sparsectl.control.plans import finish, no_plan
from sparsectl.control.samplers.geodesic import CostToGo
from sparsectl.dynamics.base import Dynamics
from sparsectl.errors import ConfigError
from sparsectl.program import Programs
from sparsectl.task import Problem
from sparsectl.types import Plan, Status


def frozen(dynamics: Dynamics, device: str = "auto") -> Dynamics:
    """A copy for planning, without gradients of its weights; float32 unless its weights are
    float64 (`dynamics.normalise.refine`).

    Args:
        dynamics: the model; never modified.
        device: "auto" (a GPU when there is one), or a torch device.

    Raises:
        ConfigError: a device that torch does not know or does not have.
    """
    name = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
    try:
        model = copy.deepcopy(dynamics).to(device=torch.device(name), dtype=_precision(dynamics))
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"device '{device}' cannot be used ({reason}): try auto or cpu") from None
    return model.eval().requires_grad_(False)


def _precision(dynamics: Dynamics) -> torch.dtype:
    tensors = itertools.chain(dynamics.parameters(), dynamics.buffers())
    exact = any(t.dtype == torch.float64 for t in tensors)
    return torch.float64 if exact else torch.float32


class Objective:
    """Cost plus `PENALTY` times the violation of one problem, for batches of plans."""

    def __init__(self, dynamics: Dynamics, problem: Problem, to_go: CostToGo | None = None) -> None:
        """Of one problem; `to_go`: what the end of a plan costs instead of its distance."""
        tensors = itertools.chain(dynamics.parameters(), dynamics.buffers())
        like = next(tensors, torch.zeros(()))
        self._like = like.new_zeros((), dtype=_precision(dynamics))
        self._dynamics, self._problem = dynamics, problem
        self._x0 = self.tensor(problem.x0)
        self._centre = self.tensor((problem.u_high + problem.u_low) / 2)
        self._half = self.tensor((problem.u_high - problem.u_low) / 2)
        self._firsts = np.arange(problem.horizon)
        self._block = None
        if problem.inputs is not None:
            firsts = problem.inputs.firsts(problem.horizon)
            self._firsts, block = np.unique(firsts, return_inverse=True)
            self._block = torch.as_tensor(block, device=self._like.device)
            several = [len(pieces) > 1 for pieces in problem.inputs.pieces]
            self._stepped = self.tensor(np.array(several))
        self._to_go = to_go
        self._cost = problem.cost if to_go is None else to_go.rest(problem.cost)

    def tensor(self, array: np.ndarray) -> Tensor:
        """Tensor of the model's precision, on its device."""
        return torch.as_tensor(array, dtype=self._like.dtype, device=self._like.device)

    def __call__(self, z: Tensor) -> Tensor:
        """Costs. Shape (N,), of plans of shape (N, H, nu); a non-finite rollout costs inf."""
        cost, violation = self.parts(z)
        total = cost if violation is None else cost + PENALTY * violation
        return torch.where(torch.isfinite(total), total, torch.inf)

    def parts(self, z: Tensor) -> tuple[Tensor, Tensor | None]:
        """Cost and constraint violation (None without constraints). Shapes (N,)."""
        actions = self.actions(z)
        states = self._dynamics.rollout(self._x0.expand(len(z), -1), actions)
        constraints = self._problem.constraints
        violation = None if constraints.empty else constraints.violation(states)
        cost = self._cost(states, actions)
        if self._to_go is not None:
            cost = cost + self._to_go(states[..., -1, :])
        return cost, violation

    def scored(self, z: np.ndarray, best: Incumbent) -> np.ndarray:
        """Cost and violation of plans, which are offered to `best`. Shape (N, 2)."""
        tensor = self.tensor(z)
        cost, violation = self.parts(tensor)
        violation = torch.zeros_like(cost) if violation is None else violation
        total = cost + PENALTY * violation
        best.offer(tensor, torch.where(torch.isfinite(total), total, torch.inf))
        parts = torch.stack([cost, violation], -1).cpu().numpy()
        return np.where(np.isfinite(parts).all(-1, keepdims=True), parts, np.inf)

    def actions(self, z: Tensor) -> Tensor:
        """Admissible plans in action units, of plans in the unit box."""
        actions = self._centre + self._half * z
        if self._problem.inputs is None:
            return actions
        if self._block is not None:
            actions = actions[..., self._block, :]
        admitted = self._problem.admit(actions)
        if actions.requires_grad:  # a level does not move with z: straight through
            admitted = admitted + self._stepped * (actions - actions.detach())
        return admitted

    def unit(self, actions: np.ndarray) -> Tensor:
        """Plans in the unit box, of plans in action units. Shape (..., decisions, nu)."""
        low, high = self._problem.u_low, self._problem.u_high
        half = np.maximum((high - low) / 2, 1e-12)
        actions = actions[..., self._firsts, :]
        return self.tensor(np.clip((actions - (high + low) / 2) / half, -1, 1))

    def settled(self, z: np.ndarray) -> np.ndarray:
        """Plans as rate limits leave them. Shapes (N, decisions, nu)."""
        inputs = self._problem.inputs
        if inputs is None or not inputs.limited:
            return z
        actions = self.actions(self.tensor(z)).cpu().numpy()
        return self.unit(actions).cpu().numpy()


class Incumbent:
    """The best plan evaluated so far, in the unit box."""

    def __init__(self, objective: Objective) -> None:
        self._objective = objective
        self._started = time.perf_counter()
        self._trace: list[tuple[float, float, float]] = []
        self.cost = float("inf")
        self.z: Tensor | None = None

    def offer(self, z: Tensor, costs: Tensor) -> None:
        """Keep the best of the plans (N, H, nu) with costs (N,) if it improves."""
        z, costs = z.detach(), costs.detach()
        index = int(torch.argmin(costs))
        cost = float(costs[index])
        if cost < self.cost:
            self.z, self.cost = z[index].clone(), cost
            self._trace.append((time.perf_counter() - self._started, cost, -float("inf")))

    def plan(
        self, program: Programs, problem: Problem, *, source: str, info: dict[str, Any]
    ) -> Plan:
        """The plan in the exact program; `FAILED` when no rollout was finite."""
        if self.z is None:
            message = "every sampled rollout of the model is NaN or infinite: the state may lie "
            return no_plan(
                problem, Status.FAILED, message + "far outside the training data", source=source
            )
        actions = self._objective.actions(self.z).cpu().numpy()
        trace = tuple(self._trace)
        return finish(program, problem, actions, source=source, trace=trace, info=info)
