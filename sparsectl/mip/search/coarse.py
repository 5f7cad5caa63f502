"""Coarse to fine: a way among regions under an affine stand-in for the program, then the program.

With hundreds of binaries a solver finds few plans, and sampling misses gaps. Without the neurons'
binaries HiGHS is soon near the best plan of the stand-in, an affine fit to rollouts; what it chose
(faces of regions, levels) is kept, and pattern programs look for a plan of the program with it.
What comes out is a candidate: nothing is proved by it.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np

from sparsectl.mip.backends import highs_model
from sparsectl.mip.model import MIPModel
from sparsectl.mip.ocp import OCP
from sparsectl.mip.prepare import prepare
from sparsectl.mip.scale import random_plans
from sparsectl.mip.search.polish import Polisher
from sparsectl.mip.solution import Limits
from sparsectl.program import ReluProgram, algebra
from sparsectl.task import Problem

_GAP, _NODES = 0.02, 200
"""How near the stand-in's best plan is to be, and nodes until then at most."""
_FITS = 0.3
"""Largest error of a state over the horizon, 1 being how far random plans spread, with which a
stand-in is worth a search: .1 to .23 with drag or dry friction, .7 where a disc may be pushed."""
_SETTINGS: dict[str, Any] = {
    "primal_feasibility_tolerance": 1e-7,
    "mip_feasibility_tolerance": 1e-6,
    "mip_heuristic_run_rens": False,
    "mip_heuristic_run_feasibility_jump": False,
    "mip_heuristic_run_root_reduced_cost": False,
    "mip_allow_restart": False,
}
"""Of HiGHS. With presolve, as nothing depends on its word; the rest halves the time in which it is
within 3 % (slaloms of three gaps over 14 and 20 steps, five scenes each: .49 -> .26 s)."""
_SAME = 1e-9
"""Error of an entry that stays as it is, by rounding."""
_NEAR = 0.2
"""How far plans lie from one that a stand-in finds, of how far random ones do, to which the next
stand-in is fitted where the program has no plan that goes there."""
_MET = 1e-5
"""Depth in a region from which on it is one that the way has to go around."""
_SHARE = 0.85
"""Of the time for the stand-in; the rest is for pattern programs."""


def plan(
    ocp: OCP, model: MIPModel, polisher: Polisher, deadline: float | None
) -> np.ndarray | None:
    """A plan, shape (H, nu); None where none is found.

    Args:
        model, polisher: of `ocp`.
        deadline: `time.perf_counter()` value to stop at, or None.
    """
    began = time.perf_counter()
    until = np.inf if deadline is None else began + _SHARE * (deadline - began)
    plans, met = random_plans(ocp.problem), set[int]()
    for most in (_FITS, np.inf, np.inf):
        program = fit(ocp, plans, most)
        own = None if program is None else _way(OCP(program, _linear(ocp.problem)), met, until)
        if own is None:
            return None
        states, actions = own
        way = model.assign(states, actions)
        found = polisher.along(way, actions, deadline=deadline)
        if found is not None:
            return found
        plans = ocp.problem.admit(actions + _NEAR * (plans - actions))
    return None


def _way(own: OCP, met: set[int], until: float) -> tuple[np.ndarray, np.ndarray] | None:
    """States and actions of nearly the best plan, regions being added to `met` as it meets them."""
    problem, limits = own.problem, own.problem.constraints
    while time.perf_counter() < until:
        regions = tuple(limits.keep_out[i] for i in sorted(met))
        some = replace(problem, constraints=replace(limits, keep_out=regions))
        model = prepare(OCP(own.program, some), until=until)
        if not isinstance(model, MIPModel):
            return None
        highs = highs_model.load(model)
        highs_model.configure(highs, _SETTINGS)
        now = time.perf_counter()
        answer = highs_model.run(highs, Limits(max(until - now, 0.0), _NODES, _GAP), None, now)
        if answer.values is None:
            return None
        actions = problem.admit(answer.values[model.u])
        states = own.rollout(actions)
        deep = limits.excess(states)[:, len(limits.G) :].max(axis=0) > _MET
        more = set(np.flatnonzero(deep).tolist()) - met
        if not more:
            return states, actions
        met |= more
    return None


def fit(ocp: OCP, plans: np.ndarray, most: float) -> ReluProgram | None:
    """The affine program that is nearest to rollouts of plans, of shape (n, H, nu).

    None where a state errs by more than `most` over the horizon, 1 being how far plans spread (root
    mean squares).
    """
    states = ocp.rollout(plans)
    nx, nu = states.shape[-1], plans.shape[-1]
    before = [states[:, :-1].reshape(-1, nx), plans.reshape(-1, nu)]
    inputs = np.concatenate([*before, np.ones((len(before[0]), 1))], axis=1)
    outputs = states[:, 1:].reshape(-1, nx)
    if not np.isfinite(inputs).all() or not np.isfinite(outputs).all():
        return None
    weights = np.linalg.lstsq(inputs, outputs, rcond=None)[0]
    program = algebra.affine(weights[:-1].T, weights[-1])
    error = program.rollout(ocp.problem.x0, plans) - states
    size, spread = (np.sqrt((e * e).mean(axis=(0, 1))) for e in (error, states - states.mean(0)))
    return program if (size <= most * spread + _SAME).all() else None


def _linear(problem: Problem) -> Problem:
    """The problem with a linear cost, and without a price of regions: HiGHS finds more so."""
    limits, cost = problem.constraints, problem.cost
    terms = tuple(replace(t, norm="l1") if t.norm == "l2sq" else t for t in cost.terms)
    cost = replace(cost, terms=terms)
    if cost.action_norm == "l2sq":
        cost = replace(cost, action_norm="l1")
    if cost.priced is not None and cost.priced.keep_out:
        limits = replace(limits, keep_out=(*limits.keep_out, *cost.priced.keep_out))
        cost = replace(cost, priced=replace(cost.priced, keep_out=()))
    return replace(problem, cost=cost, constraints=limits)
