"""Random decisions over units from 1e-6 to 1e6: no bound may be above a plan, no proof false.

    python tests/mip/fuzz.py --count 2000
    python tests/mip/fuzz.py --count 2000 --hybrid

Every instance goes through every engine of the anytime planner and through `mip.solve` with every
backend and no start. What they claim is held against a random search, which knows nothing of
solvers, and against one another's plans. Prints what is wrong and a summary.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))
import random_problems

from sparsectl.mip import Limits, Solution, anytime, solve
from sparsectl.mip.backends import BACKENDS
from sparsectl.mip.names import OWN
from sparsectl.mip.ocp import OCP
from sparsectl.mip.scale import random_plans
from sparsectl.mip.search.engines import engine
from sparsectl.program.algebra import from_layers
from sparsectl.program.relu_program import ReluProgram
from sparsectl.task import Problem
from sparsectl.task.constraints import Constraints, KeepOut
from sparsectl.task.cost import Cost, Term
from sparsectl.types import Status

GAP = 1e-3
SLACK = 1e-4
"""Of a bound against a plan and of a limit, relative to their own sizes."""


RESOLUTION = 2e-7
"""Differences below this, relative to the cost of a random plan, mean nothing."""


@dataclass(frozen=True)
class Instance:
    """A decision, and what its numbers are of the order of."""

    program: ReluProgram
    problem: Problem
    row_units: np.ndarray
    region_unit: float = 1.0
    action_unit: np.ndarray | float = 1.0
    penalty: float | None = None

    def costs(self, plans: np.ndarray) -> np.ndarray:
        """Exact costs; infinite where a hard constraint or a rule for actions is broken at all."""
        problem = self.problem
        states = self.program.rollout(problem.x0, plans)
        costs, violation = problem.cost(states, plans), problem.constraints.violation(states)
        if self.penalty is None:
            return np.where(violation > 0, np.inf, costs)
        return costs + self.penalty * violation


def instance(seed: int) -> Instance:
    """One random decision; states, actions, neurons and costs have units of their own."""
    rng = np.random.default_rng(seed)
    nx, nu, horizon = int(rng.integers(1, 4)), int(rng.integers(1, 3)), int(rng.integers(1, 4))
    sx = 10.0 ** (rng.uniform(-6, 6, nx) if rng.random() < 0.5 else np.full(nx, rng.uniform(-6, 6)))
    su = 10.0 ** (rng.uniform(-6, 6, nu) if rng.random() < 0.5 else np.zeros(nu))
    shift = sx * rng.normal(size=nx) * (1e3 if rng.random() < 0.2 else 0.0)
    m = int(rng.integers(2, 7))
    size = 10.0 ** (rng.uniform(-4, 4, m) if rng.random() < 0.3 else np.zeros(m))
    W = rng.normal(size=(m, nx + nu)) * 1.5 / np.sqrt(nx + nu) / np.r_[sx, su] * size[:, None]
    b = rng.normal(size=m) * 0.5 * size - W[:, :nx] @ shift
    V = rng.normal(size=(nx, m)) * 1.5 / np.sqrt(m) * sx[:, None] / size
    program = from_layers([W, V], [b, rng.normal(size=nx) * 0.3 * sx + shift])
    x0 = rng.normal(size=nx) * 0.3 * sx + shift
    terms = []
    for _ in range(int(rng.integers(1, 3))):
        rows = int(rng.integers(1, nx + 1))
        E = rng.normal(size=(rows, nx)) / sx * (sx[:1] if rng.random() < 0.5 else 1.0)
        norm = str(rng.choice(["l1", "linf", "l2sq"]))
        weight = 10.0 ** rng.uniform(-6, 6) if rng.random() < 0.5 else 1.0
        target = E @ (x0 + rng.normal(size=nx) * sx)
        dead = float(abs(target).max() * 0.1) if norm != "l2sq" and rng.random() < 0.2 else 0.0
        terms.append(Term(E, target, norm, weight, weight * rng.uniform(0, 3), dead))
    price = 0.0
    if rng.random() < 0.3:
        price = max(t.weight for t in terms) * 0.1 / float(su.max())
    cost = Cost(tuple(terms), str(rng.choice(["l1", "linf", "l2sq"])), price)
    constraints, units = limits(rng, nx, sx, x0)
    problem = Problem(x0, cost, constraints, -su, su * rng.uniform(0.2, 1.0, nu), horizon)
    return Instance(program, problem, units)


def limits(
    rng: np.random.Generator, nx: int, sx: np.ndarray, x0: np.ndarray
) -> tuple[Constraints, np.ndarray]:
    """Boxes, a half-space or a keep-out region around the start, and their units."""
    G, h, regions = np.zeros((0, nx)), np.zeros(0), []
    kind = rng.integers(0, 5)
    if kind == 1:
        G = np.concatenate([np.eye(nx)[:1], -np.eye(nx)[:1]])
        width = sx[0] * rng.uniform(0.1, 1.5)
        h = np.array([x0[0] + width, width - x0[0]])
    if kind == 2:
        G = (rng.normal(size=nx) / sx)[None]
        h = G @ x0 + rng.uniform(-0.5, 1.0)
    if kind == 3 and nx >= 2:
        P = np.eye(nx)[:2]
        if np.ptp(np.log10(sx[:2])) < 2:
            A = np.array([[1.0, 0], [-1, 0], [0, 1], [0, -1]])
            center = x0[:2] + rng.normal(size=2) * sx[:2]
            b = A @ center + np.repeat(sx[:2], 2) * 0.3
            regions.append(KeepOut(P, A, b, "region"))
    units = abs(G) @ sx
    names = tuple(f"row {i}" for i in range(len(h)))
    return Constraints(G, h, tuple(regions), names), units


def hybrid(seed: int) -> Instance:
    """A random decision of what hybrid tasks have, in units of its own."""
    item, rng = instance(seed), np.random.default_rng([seed, 1])
    problem, su = item.problem, -item.problem.u_low
    nx, nu, horizon = problem.nx, problem.nu, problem.horizon
    inputs = random_problems.rules(rng, nu, horizon)
    shift = su * (1e4 if rng.random() < 0.2 else 0.0) * rng.choice([-1, 1])
    inputs = inputs.rescaled(-shift / su, 1 / su)
    program = _moved(item.program, np.concatenate([np.zeros(nx), shift]))
    low, high = (np.array([p.flat[k] for p in inputs.pieces]) for k in (0, -1))
    sx = _spread(program, replace(problem, inputs=inputs, u_low=low, u_high=high))
    terms = tuple(
        replace(t, target=t.target + 0.3 * (abs(t.E) @ sx) * rng.normal(size=(horizon, len(t.E))))
        if rng.random() < 0.5
        else t
        for t in problem.cost.terms
    )
    hard, row_units = Constraints(np.zeros((0, nx)), np.zeros(0)), np.zeros(0)
    priced, unit = None, float(sx[:2].max())
    if rng.random() < 0.6:
        hard, row_units = _timed(rng, problem.x0, sx, horizon)
    weight = max(t.weight + t.terminal_weight for t in terms)
    if rng.random() < 0.5:
        priced, units = _timed(rng, problem.x0, sx, horizon)
        prices = weight * 10.0 ** rng.uniform(-2, 2, len(units)) / units
        regions = tuple(
            replace(k, weight=float(weight / unit * 10.0 ** rng.uniform(-2, 2)))
            for k in priced.keep_out
        )
        priced = replace(priced, weights=prices, keep_out=regions)
    penalty = None
    if rng.random() < 0.3 and not hard.empty:
        penalty = float(weight * 10.0 ** rng.uniform(-1, 3) / min([*row_units, unit]))
    kept = terms if priced is None or rng.random() < 0.8 else ()
    cost = replace(problem.cost, terms=kept, priced=priced)
    problem = replace(problem, cost=cost, constraints=hard, inputs=inputs, u_low=low, u_high=high)
    return Instance(program, problem, row_units, unit, su, penalty)


def _moved(program: ReluProgram, shift: np.ndarray) -> ReluProgram:
    """The same program of inputs that are larger by `shift`."""
    n = program.n_in
    b, d = program.b - program.A[:, :n] @ shift, program.d - program.C[:, :n] @ shift
    return replace(program, b=b, d=d)


def _spread(program: ReluProgram, problem: Problem) -> np.ndarray:
    """How much states vary over random plans."""
    plans = random_plans(problem)
    states = program.rollout(problem.x0, plans)[:, 1:].reshape(-1, problem.nx)
    return np.maximum(np.ptp(states, axis=0), 1e-3 * abs(states).max(axis=0)) + 1e-12


def _timed(
    rng: np.random.Generator, x0: np.ndarray, sx: np.ndarray, horizon: int
) -> tuple[Constraints, np.ndarray]:
    """Constraints of order one around zero, moved to the start and its units; and units of rows."""
    nx, scale = len(x0), sx
    if nx >= 2 and rng.random() < 0.7:
        scale = np.concatenate([np.full(2, sx[:2].max()), sx[2:]])
    found = random_problems.limits(rng, np.zeros(nx), horizon if nx >= 2 else 3)
    G = found.G / scale
    h = (found.h if found.h.ndim == 1 else found.h[:horizon]) + G @ x0
    regions = tuple(
        replace(k, b=scale[0] * k.b + k.A @ k.P @ x0) for k in found.keep_out if nx >= 2
    )
    rows = 10.0 ** rng.uniform(-4, 4, len(G))
    return Constraints(rows[:, None] * G, rows * h, regions, found.labels), rows * (abs(G) @ sx)


def searched(item: Instance, seed: int, rounds: int = 6, n: int = 800) -> float:
    """Cost of the best feasible plan of a random search that narrows around its best."""
    rng, problem = np.random.default_rng(seed + 10**6), item.problem
    low, high = problem.u_low, problem.u_high
    shape, best, spread, cost = (n, problem.horizon, problem.nu), None, high - low, np.inf
    for _ in range(rounds):
        plans = rng.uniform(low, high, shape)
        if best is not None:
            plans = best + spread * rng.normal(size=shape)
        plans = problem.admit(plans)
        costs = item.costs(plans)
        i = int(np.argmin(costs))
        if costs[i] < cost:
            cost, best = float(costs[i]), plans[i]
        spread = spread * 0.4
    return cost


def typical_cost(item: Instance) -> float:
    """Mean cost of random plans without dead zones: what is small beside it is not resolved."""
    problem, terms = item.problem, item.problem.cost.terms
    problem = replace(
        problem, cost=replace(problem.cost, terms=tuple(replace(t, dead_zone=0.0) for t in terms))
    )
    shape = (200, problem.horizon, problem.nu)
    plans = problem.admit(np.random.default_rng(0).uniform(problem.u_low, problem.u_high, shape))
    return float(np.mean(problem.cost(item.program.rollout(problem.x0, plans), plans)))


def answers(item: Instance, seconds: float) -> dict[str, Solution]:
    """What every engine and every backend says."""
    program, problem, penalty = item.program, item.problem, item.penalty
    found = {}
    for name in (*OWN, *BACKENDS):
        if engine(name).unsupported(OCP(program, problem, penalty)) is None:
            found[name] = anytime.plan(
                program, problem, lambda end: [],
                anytime.Options(backend=name, gap=GAP, soft_penalty=penalty),
                time.perf_counter() + seconds,
            )  # fmt: skip
    for backend in BACKENDS:
        limits = Limits(seconds=seconds, gap=GAP)
        found[f"solve {backend}"] = solve(
            program, problem, backend=backend, limits=limits, soft_penalty=penalty
        )
    return found


def faults(item: Instance, known: float, found: dict[str, Solution]) -> list[str]:
    """What is wrong with the answers."""
    wrong = []
    size = typical_cost(item)
    best = {"random search": known, **{k: s.cost for k, s in found.items()}}
    for name, solution in found.items():
        for other, cost in best.items():
            if not np.isfinite(cost):
                continue
            slack = SLACK * abs(cost) + RESOLUTION * size
            if solution.status == Status.INFEASIBLE:
                wrong.append(f"{name}: infeasible, {other} has a plan of {cost:.6g}")
            if solution.bound is not None and solution.bound > cost + slack:
                wrong.append(f"{name}: bound {solution.bound:.6g} above {other}'s {cost:.6g}")
            if (
                solution.status == Status.OPTIMAL
                and solution.cost > cost + 2 * GAP * abs(cost) + slack
            ):
                wrong.append(f"{name}: optimal at {solution.cost:.6g}, {other} {cost:.6g}")
        if solution.actions is not None and solution.states is not None:
            wrong += [f"{name}: {solution.status}, {line}" for line in broken(item, solution)]
        if solution.status == Status.FAILED:
            wrong.append(f"{name}: failed: {solution.message}")
    return wrong


def broken(item: Instance, solution: Solution) -> list[str]:
    """What a plan breaks, or is said to cost and does not."""
    problem, wrong = item.problem, []
    if problem.inputs is not None:
        excess = problem.inputs.rescaled(0 * problem.u_low, item.action_unit * np.ones(problem.nu))
        by = float(excess.excess(solution.actions / item.action_unit))
        if by > SLACK:
            wrong.append(f"a rule for actions broken by {by:.2g}")
    if item.penalty is None:
        units = [*item.row_units, *(item.region_unit for _ in problem.constraints.keep_out)]
        worst = (problem.constraints.excess(solution.states) / units).max(initial=0.0)
        if worst > SLACK:
            wrong.append(f"a limit violated by {worst:.2g}")
    cost = float(problem.cost(solution.states, solution.actions))
    extra = (item.penalty or 0.0) * float(problem.constraints.violation(solution.states))
    # Violations that are tolerated may count or not.
    slack = SLACK * abs(cost) + RESOLUTION * typical_cost(item)
    if min(abs(cost - solution.cost), abs(cost + extra - solution.cost)) > slack:
        wrong.append(f"said to cost {solution.cost:.6g}, costs {cost:.6g} + {extra:.6g}")
    return wrong


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--first", type=int, default=0, help="first seed")
    parser.add_argument("--count", type=int, default=2000, help="instances")
    parser.add_argument(
        "--hybrid", action="store_true", help="levels, rates, blocks, times, prices"
    )
    parser.add_argument("--seconds", type=float, default=0.5, help="limit of every solve")
    parser.add_argument("--rows", type=Path, help="write one JSON line an instance to this file")
    settings = parser.parse_args()
    total, statuses = 0, {}
    for seed in range(settings.first, settings.first + settings.count):
        item = (hybrid if settings.hybrid else instance)(seed)
        known, found = searched(item, seed), answers(item, settings.seconds)
        wrong = faults(item, known, found)
        total += bool(wrong)
        for name, solution in found.items():
            key = f"{name} {solution.status}"
            statuses[key] = statuses.get(key, 0) + 1
        for line in wrong:
            print(f"seed {seed}: {line}", flush=True)
        if settings.rows:
            row = {"seed": seed, "known": known, "wrong": wrong}
            row |= {k: [s.status, s.cost, s.bound, s.certificate] for k, s in found.items()}
            with settings.rows.open("a") as file:
                file.write(json.dumps(row) + "\n")
    for key, count in sorted(statuses.items()):
        print(f"{key}: {count}")
    print(f"{total} of {settings.count} instances with something wrong")
    sys.exit(total > 0)


if __name__ == "__main__":
    main()
