"""The same decision in units of order one, as solvers with absolute tolerances need it.

States, actions, neurons, cost terms and constraints are measured on a few random rollouts and
divided by powers of two, so that nothing is rounded; what lies far from zero compared to how much
it varies is shifted as well. Units near one stay as they are.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp

from sparsectl.mip.ocp import OCP
from sparsectl.program.bounds import HorizonBounds
from sparsectl.program.relu_program import ReluProgram
from sparsectl.task import Problem
from sparsectl.task.constraints import Constraints
from sparsectl.task.cost import Cost, Term

NEAR_ONE = 2.0**6
"""A unit between this and its inverse is left alone."""
_FAR, _FAR_LIMITED = 2.0**12, 2.0**5
"""Values that are this many times further from zero than they vary are shifted; states that
constraints are about sooner, because a violation is small compared to what varies."""
_SAMPLES = 64
_LEAST = 2.0**-6
"""The unit of cost is the cost of the best random plan, but at least this part of the largest
weight: what a solver gets wrong is multiplied by it."""


@dataclass(frozen=True)
class Scaling:
    """Shifts and units: `x = x_shift + x_unit * scaled`, and likewise for actions.

    Attributes:
        x_shift, x_unit: Shape (nx,).
        u_shift, u_unit: Shape (nu,).
        neuron_unit: of pre-activations. Shape (m,).
        cost_unit: cost of one scaled unit of cost.
        typical: scaled cost of the best random plan, at most 1; less where weights set the unit.
    """

    x_shift: np.ndarray
    x_unit: np.ndarray
    u_shift: np.ndarray
    u_unit: np.ndarray
    neuron_unit: np.ndarray
    cost_unit: float
    typical: float = 1.0

    @property
    def identity(self) -> bool:
        """Everything is of order one as it is."""
        shifts = (self.x_shift, self.u_shift)
        units = (self.x_unit, self.u_unit, self.neuron_unit, np.array([self.cost_unit]))
        return not any(s.any() for s in shifts) and all((u == 1.0).all() for u in units)

    def actions(self, actions: np.ndarray) -> np.ndarray:
        """Scaled actions of actions, shapes (..., nu)."""
        return (np.asarray(actions, dtype=np.float64) - self.u_shift) / self.u_unit

    def original_actions(self, actions: np.ndarray) -> np.ndarray:
        """The inverse of `actions`."""
        return self.u_shift + self.u_unit * actions

    def bounds(self, bounds: HorizonBounds) -> HorizonBounds:
        """Bounds of the scaled program."""
        return replace(
            bounds,
            pre_low=bounds.pre_low / self.neuron_unit, pre_high=bounds.pre_high / self.neuron_unit,
            x_low=(bounds.x_low - self.x_shift) / self.x_unit,
            x_high=(bounds.x_high - self.x_shift) / self.x_unit,
            u_low=self.actions(bounds.u_low), u_high=self.actions(bounds.u_high),
        )  # fmt: skip

    def program(self, program: ReluProgram) -> ReluProgram:
        """The program between scaled inputs, neurons and outputs."""
        n = program.n_in
        shift = np.concatenate([self.x_shift, self.u_shift])
        # What a step neuron hands on is 0 or 1 in any unit.
        after = np.where(program.step, 1.0, self.neuron_unit)
        columns = sp.diags_array(np.concatenate([self.x_unit, self.u_unit, after]))
        A = sp.diags_array(1 / self.neuron_unit) @ program.A @ columns
        C = sp.diags_array(1 / self.x_unit) @ program.C @ columns
        b = (program.b + program.A[:, :n] @ shift) / self.neuron_unit
        d = (program.d + program.C[:, :n] @ shift - self.x_shift) / self.x_unit
        return ReluProgram(n, sp.csr_array(A), b, sp.csr_array(C), d, program.step)


def scaled(ocp: OCP) -> tuple[OCP, Scaling]:
    """A decision in units of order one, and what they are.

    Returns:
        The very same decision where all units are near one.
    """
    program, problem = ocp.program, ocp.problem
    plans = random_plans(problem)
    with np.errstate(over="ignore", invalid="ignore"):
        states = program.rollout(problem.x0, plans)
        inputs = np.concatenate([states[:, :-1], plans], axis=-1)
        pre = program.evaluate(np.concatenate(inputs))[1]
    low, high = _range(states.reshape(-1, problem.nx))
    limited = _limited(problem)
    least, most = problem.constraints.state_box(problem.nx, problem.horizon)
    allowed = least.min(axis=0), most.max(axis=0)
    far = np.where(limited, _FAR_LIMITED, _FAR)
    x_shift, x_unit = _units(*_within(low, high, *allowed), far)
    u_shift, u_unit = _units(problem.u_low, problem.u_high, np.full(problem.nu, _FAR))
    neuron_unit = np.where(program.step, 1.0, _unit(np.maximum(*map(abs, _range(pre)))))
    scaling = Scaling(x_shift, x_unit, u_shift, u_unit, neuron_unit, 1.0)
    x, u = (states - x_shift) / x_unit, scaling.actions(plans)
    cost = _cost(problem.cost, scaling, x, problem.horizon)
    constraints = _constraints(problem.constraints, scaling)
    with np.errstate(over="ignore", invalid="ignore"):
        totals = cost(x, u) + (ocp.penalty or 0.0) * constraints.violation(x)
    unit, typical = _cost_unit(totals, cost)
    scaling = replace(scaling, cost_unit=unit, typical=typical)
    same = _same(cost, problem.cost) and _same_limits(constraints, problem.constraints)
    if scaling.identity and same:
        return ocp, scaling
    terms = tuple(
        replace(t, weight=t.weight / unit, terminal_weight=t.terminal_weight / unit)
        for t in cost.terms
    )
    priced = cost.priced and _priced(cost.priced, 1 / unit)
    worth = cost.value and replace(cost.value, weight=cost.value.weight / unit)
    cost = replace(
        cost, terms=terms, action_weight=cost.action_weight / unit, priced=priced, value=worth
    )
    rules = None if problem.inputs is None else problem.inputs.rescaled(u_shift, u_unit)
    again = replace(
        problem, inputs=rules, cost=cost, constraints=constraints,
        x0=(problem.x0 - x_shift) / x_unit,
        u_low=scaling.actions(problem.u_low), u_high=scaling.actions(problem.u_high),
    )  # fmt: skip
    penalty = None if ocp.penalty is None else ocp.penalty / unit
    return OCP(scaling.program(program), again, penalty), scaling


def random_plans(problem: Problem) -> np.ndarray:
    """Random plans and the middle of the action box. Shape (n, H, nu)."""
    rng = np.random.default_rng(0)
    share = rng.random((_SAMPLES, problem.horizon, problem.nu))
    share[: _SAMPLES // 2] = share[: _SAMPLES // 2, :1]  # held over the horizon
    share[0] = 0.5
    return problem.admit(problem.u_low + share * (problem.u_high - problem.u_low))


def _range(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Least and largest finite value of every column; 0 where there is none."""
    known = np.isfinite(values)
    low = np.where(known, values, np.inf).min(axis=0, initial=np.inf)
    high = np.where(known, values, -np.inf).max(axis=0, initial=-np.inf)
    some = known.any(axis=0)
    return np.where(some, low, 0.0), np.where(some, high, 0.0)


def _within(
    low: np.ndarray, high: np.ndarray, least: np.ndarray, most: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The part of ranges inside limits; the limits where there is none and they are finite."""
    inner_low, inner_high = np.maximum(low, least), np.minimum(high, most)
    apart = inner_low > inner_high
    bounded = np.isfinite(least) & np.isfinite(most)
    inner_low = np.where(apart, np.where(bounded, least, low), inner_low)
    return inner_low, np.where(apart, np.where(bounded, most, high), inner_high)


def _limited(problem: Problem) -> np.ndarray:
    """Entries of the state that some constraint is about. Shape (nx,), bool."""
    rows = [np.zeros((1, problem.nx))]
    for constraints in (problem.constraints, problem.cost.priced):
        if constraints is not None:
            rows += [constraints.G, *(region.P for region in constraints.keep_out)]
    return (np.concatenate(rows) != 0).any(axis=0)


def _units(low: np.ndarray, high: np.ndarray, far: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(shift, unit) of values in ranges; `far`: see `_FAR`."""
    middle, radius = (low + high) / 2, (high - low) / 2
    shifted = (radius > 0) & (abs(middle) > far * radius)
    size = np.where(shifted, radius, np.maximum(abs(low), abs(high)))
    return np.where(shifted, middle, 0.0), _unit(size)


def _unit(size: np.ndarray) -> np.ndarray:
    """Powers of two near sizes; 1 near one, and for zeros."""
    size = np.asarray(size, dtype=np.float64)
    usable = np.isfinite(size) & (size > 0)
    exponent = np.round(np.log2(np.where(usable, size, 1.0)))
    near = abs(exponent) <= np.log2(NEAR_ONE)
    return np.where(near, 1.0, 2.0 ** np.clip(exponent, -500, 500))


def _cost(cost: Cost, scaling: Scaling, x: np.ndarray, horizon: int) -> Cost:
    """The cost of scaled states and actions, in the old unit; terms of order one."""
    terms = []
    for term in cost.terms:
        E, target = term.E * scaling.x_unit, term.target - term.E @ scaling.x_shift
        size = abs(x[:, 1:] @ E.T - target)
        unit = float(_unit(size[np.isfinite(size)].max(initial=0.0)))
        factor = unit**2 if term.norm == "l2sq" else unit
        terms.append(
            Term(
                E / unit, target / unit, term.norm, term.weight * factor,
                term.terminal_weight * factor, term.dead_zone / unit,
            )
        )  # fmt: skip
    E, target = cost.action_form(len(scaling.u_unit))
    target = target - E @ scaling.u_shift
    E = E * scaling.u_unit
    unit = float(_unit(abs(E).sum(axis=1).max(initial=0.0)))
    weight = cost.action_weight * (unit**2 if cost.action_norm == "l2sq" else unit)
    plain = (unit * np.eye(len(E)) == E).all() and not target.any()
    action_map = None if plain else (E / unit, target / unit)
    priced = cost.priced and _constraints(cost.priced, scaling)
    value = cost.value and cost.value.rescaled(scaling.x_shift, scaling.x_unit)
    if value is not None:
        worth = value(x[:, -1]) / value.weight
        value = value.in_units(float(_unit(worth[np.isfinite(worth)].max(initial=0.0))))
    return Cost(tuple(terms), cost.action_norm, weight, action_map, priced, value)


def _priced(priced: Constraints, factor: float) -> Constraints:
    """Priced constraints in another unit of cost."""
    regions = tuple(replace(k, weight=k.weight * factor) for k in priced.keep_out)
    return replace(priced, weights=priced.prices * factor, keep_out=regions)


def _constraints(constraints: Constraints, scaling: Scaling) -> Constraints:
    """Constraints of scaled states, every row of order one."""
    G, h = constraints.G * scaling.x_unit, constraints.h - constraints.G @ scaling.x_shift
    row = _unit(abs(G).sum(axis=1))
    regions = []
    for region in constraints.keep_out:
        P, b = region.P * scaling.x_unit, region.b - region.A @ (region.P @ scaling.x_shift)
        unit = float(_unit(abs(P).sum(axis=1).max(initial=0.0)))
        regions.append(replace(region, P=P / unit, b=b / unit, weight=region.weight * unit))
    unscaled = (row == 1.0).all()
    return replace(
        constraints, G=G / row[:, None], h=h / row, keep_out=tuple(regions),
        weights=constraints.weights if unscaled else constraints.prices * row,
    )  # fmt: skip


def _cost_unit(totals: np.ndarray, cost: Cost) -> tuple[float, float]:
    """Unit of cost, from the costs of some plans and the weights of terms of order one.

    Returns:
        The unit, and the least of these costs in it, at most 1.
    """
    weights = [max(t.weight, t.terminal_weight) for t in cost.terms]
    if cost.value is not None:
        weights.append(cost.value.weight)
    if cost.priced is not None and not any(weights):
        weights = [*cost.priced.prices, *(region.weight for region in cost.priced.keep_out)]
    known = totals[np.isfinite(totals) & (totals > 0)]
    least = _LEAST * max([cost.action_weight, *weights])
    if not len(known):
        return 1.0, 1.0
    unit = float(_unit(np.maximum(known.min(), least)))
    return unit, min(float(known.min()) / unit, 1.0)


def _same(one: Cost, other: Cost) -> bool:
    """Whether no term was scaled."""
    pairs = zip(one.terms, other.terms, strict=True)
    if not all(a.weight == b.weight and (a.E == b.E).all() for a, b in pairs):
        return False
    if one.value is not None and other.value is not None and one.value.weight != other.value.weight:
        return False
    if one.priced is not None and other.priced is not None:
        return one.action_weight == other.action_weight and _same_limits(one.priced, other.priced)
    return one.action_weight == other.action_weight


def _same_limits(one: Constraints, other: Constraints) -> bool:
    """Whether no constraint was scaled."""
    pairs = zip(one.keep_out, other.keep_out, strict=True)
    return one.weights is other.weights and all(a.weight == b.weight for a, b in pairs)
