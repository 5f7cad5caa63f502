"""Does the MIP controller keep its deadline: overruns over many decisions.

    python -m scripts.mip.deadline

Every case is a short closed loop in the model itself (the state that was planned comes next), so
that all decisions but the first start warm, as in control. The first decision of every controller
is thrown away. Overrun is the time of the return minus the deadline, wall clock, at least zero:
run it on an idle machine. One row per instance and deadline, and one per deadline over all
instances, in scripts/results/deadline.csv.
"""

from __future__ import annotations

import argparse
import csv
import os
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from scripts.mip import instances
from scripts.study import RESULTS
from sparsectl.control import Controller, ControllerState, MIPConfig, Setup
from sparsectl.dynamics.base import Dynamics
from sparsectl.program import ReluProgram
from sparsectl.task import Task, TaskConfig

CASES: list[tuple[str, int | tuple[int, ...], int]] = [
    ("contact", 16, 5), ("contact", 24, 10), ("contact", 48, 5), ("rope", (12, 12), 5),
]  # fmt: skip
DEADLINES = (0.05, 0.1, 0.15, 0.5)


class ProgramDynamics(Dynamics):
    """A ReLU program as a torch model, for the starting plans."""

    def __init__(self, program: ReluProgram) -> None:
        super().__init__()
        self.nx, self.nu = program.n_out, program.n_in - program.n_out
        self._stops = [(level.start, level.stop) for level in program.levels]
        arrays = {"A": program.A.toarray(), "b": program.b, "C": program.C.toarray()}
        for name, array in {**arrays, "d": program.d}.items():
            self.register_buffer(name, torch.as_tensor(array))

    def forward(self, x: Tensor, u: Tensor) -> Tensor:
        known = torch.cat([x, u], dim=-1)
        n = known.shape[-1]
        for start, stop in self._stops:
            pre = known @ self.A[start:stop, : n + start].T + self.b[start:stop]
            known = torch.cat([known, pre.clamp(min=0)], dim=-1)
        return known @ self.C.T + self.d


@dataclass(frozen=True)
class Decision:
    """One decision: seconds past its deadline, whether there was a plan, and its gap."""

    overrun: float
    has_plan: bool
    gap: float


def main(argv: list[str] | None = None) -> int:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--seeds", nargs="+", type=int, default=[0, 1, 2])
    add("--steps", type=int, default=6, help="decisions per instance and deadline")
    add("--deadlines", nargs="+", type=float, default=list(DEADLINES), help="seconds")
    add("--out", type=Path, default=RESULTS / "deadline.csv")
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    found: dict[tuple[str, float], list[Decision]] = {}
    for kind, size, horizon in CASES:
        for seed in options.seeds:
            instance = instances.instance(kind, size, horizon, seed)
            name, controller = instance.name.rsplit(" ", 1)[0], _controller(instance)
            for seconds in options.deadlines:
                decisions = loop(controller, instance, seconds, options.steps)
                found.setdefault((name, seconds), []).extend(decisions)
        for seconds in options.deadlines:
            print(_line(row(name, seconds, found[name, seconds])), flush=True)
    rows = [row(name, seconds, decisions) for (name, seconds), decisions in found.items()]
    for seconds in options.deadlines:
        every = [d for (_, s), decisions in found.items() if s == seconds for d in decisions]
        rows.append(row("all", seconds, every))
        print(_line(rows[-1]))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    with open(options.out, "w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return 0


def _controller(instance: instances.Instance) -> Controller:
    """The controller with its defaults, warmed up by one decision."""
    problem, program = instance.problem, instance.program
    task = Task(TaskConfig(), problem.nx, problem.u_low, problem.u_high)
    dynamics = ProgramDynamics(program)
    setup = Setup("mip", task, dynamics, program, problem.horizon, "cpu")
    controller = MIPConfig().build(setup)
    controller.solve(problem, ControllerState(), deadline=time.perf_counter() + 0.2)
    return controller


def loop(
    controller: Controller, instance: instances.Instance, seconds: float, steps: int
) -> list[Decision]:
    """A closed loop in the model, one deadline per decision."""
    state, problem = ControllerState(seed=instance.seed), instance.problem
    decisions = []
    for _ in range(steps):
        end = time.perf_counter() + seconds
        plan, memory = controller.solve(problem, state, deadline=end)
        overrun = max(time.perf_counter() - end, 0.0)
        gap = np.inf if plan.gap is None else plan.gap
        decisions.append(Decision(overrun, plan.status.has_plan, gap))
        state = state.after(plan, memory)
        if plan.status.has_plan:
            problem = replace(problem, x0=plan.states[1])
    return decisions


def row(name: str, seconds: float, decisions: list[Decision]) -> dict:
    """One line of the table."""
    over = 1e3 * np.array([d.overrun for d in decisions])
    p50, p99 = np.percentile(over, [50, 99])
    gaps = np.array([d.gap for d in decisions])
    return {
        "instance": name,
        "deadline_ms": round(1e3 * seconds),
        "decisions": len(decisions),
        "with_plan": round(float(np.mean([d.has_plan for d in decisions])), 4),
        "late": round(float((over > 0).mean()), 4),
        "overrun_p50_ms": round(float(p50), 2),
        "overrun_p99_ms": round(float(p99), 2),
        "overrun_max_ms": round(float(over.max()), 2),
        "proved_1_percent": round(float((gaps <= 0.01).mean()), 4),
        "load": round(os.getloadavg()[0], 1),
    }


def _line(line: dict) -> str:
    over = (line[f"overrun_{k}_ms"] for k in ("p50", "p99", "max"))
    p50, p99, worst = (f"{value:6.1f}" for value in over)
    plan, proved = 100 * line["with_plan"], 100 * line["proved_1_percent"]
    return (
        f"{line['instance']:16} {line['deadline_ms']:4} ms: overrun p50 {p50} p99 {p99} max {worst}"
        f" ms, plan {plan:.0f} %, proved {proved:.0f} % of {line['decisions']}"
    )


if __name__ == "__main__":
    sys.exit(main())
