"""Does the MIP controller keep its deadline: overruns over many decisions.

    python -m scripts.mip.deadline

Every case is a short closed loop in the model itself (the state that was planned comes next), so
that all decisions but the first start warm, as in control. The first decision of every controller
is thrown away. Overrun is the time of the return minus the deadline, wall clock, at least zero:
run it on an idle machine. One row per instance and deadline, and one per deadline over all
instances, in scripts/results/deadline.csv.
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from scripts import study
from scripts.mip import instances
from scripts.study import RESULTS
from sparsectl.control import Controller, ControllerState, MIPConfig, Setup
from sparsectl.dynamics.base import Dynamics
from sparsectl.files import csv_text, write_atomic
from sparsectl.program import ReluProgram
from sparsectl.task import Task, TaskConfig

CASES: list[tuple[str, int | tuple[int, ...], int]] = [
    ("contact", 16, 5), ("contact", 24, 10), ("contact", 48, 5), ("rope", (12, 12), 5),
]  # fmt: skip


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


@dataclass(frozen=True, kw_only=True)
class Options(study.Options):
    """How many decisions."""

    out: Path = RESULTS / "deadline.csv"
    seeds: tuple[int, ...] = (0, 1, 2)
    steps: int = 6
    """Decisions of an instance and deadline."""
    deadlines: tuple[float, ...] = (0.05, 0.1, 0.15, 0.5)
    """Seconds."""


def main(argv: list[str] | None = None) -> int:
    """Measure and write the table."""
    options = study.parse(Options, __doc__, argv)
    found: dict[tuple[str, float], list[Decision]] = {}
    for cell in CASES:
        for seed in options.seeds:
            instance = instances.instance(*cell, seed)
            name, controller = instance.name.rsplit(" ", 1)[0], _controller(instance)
            for seconds in options.deadlines:
                decisions = loop(controller, instance, seconds, options.steps)
                found.setdefault((name, seconds), []).extend(decisions)
                found.setdefault(("all", seconds), []).extend(decisions)
    ordered = sorted(found.items(), key=lambda item: item[0][0] == "all")
    rows = [row(name, seconds, decisions) for (name, seconds), decisions in ordered]
    for line in rows:
        print(study.short(line))
    write_atomic(options.out, csv_text(rows))
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


if __name__ == "__main__":
    sys.exit(main())
