"""Study of solver settings: every variant on the same instances, resumable.

    python -m scripts.mip.solvers --backends scip --budget-seconds 900
    python -m scripts.mip.solvers --report-only

All variants start from the same model (CROWN bounds) and the same polished plan, made outside the
clock; the clock counts CPU seconds of a process of its own. The instances' seeds are part of the
set; `--random` adds seeds of the solver.
"""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from scipy.stats import gmean

from scripts import study
from scripts.mip import clock, instances, methods, variants
from scripts.study import RESULTS, Row
from sparsectl.mip import Limits, MIPModel
from sparsectl.mip.backends import highs, scip
from sparsectl.mip.ocp import OCP
from sparsectl.mip.prepare import prepare
from sparsectl.mip.search.polish import Polisher
from sparsectl.mip.search.solver import run

INSTANCES = (
    "contact 8x10 s0", "contact 8x10 s1", "contact 16x5 s0", "contact 16x5 s2", "contact 24x3 s2",
    "contact 24x5 s0", "contact 24x5 s2", "contact 48x3 s0", "table 16x3 s0", "table 24x2 s0",
    "table 16x4 s0", "rope 4-12x3 s0", "pusht 8-8x3 s0", "random 16x5 s1",
)  # fmt: skip
"""What takes SCIP between 0.1 and 10 s."""
MODULES = {"scip": (scip, "randomization/randomseedshift"), "highs": (highs, "random_seed")}
"""Module of a backend, and its setting of the random seed."""
_FLOOR = 0.02
"""Added to both times of a ratio [s]: below it a ratio is noise."""


@dataclass(frozen=True, kw_only=True)
class Options(study.Options):
    out: Path = RESULTS / "solver_study.jsonl"
    backends: tuple[Literal[tuple(variants.ALL)], ...] = tuple(variants.ALL)
    variants: tuple[str, ...] | None = None
    """Default: all."""
    random: tuple[int, ...] = (0,)
    """Random seeds of the solver."""
    instances: tuple[str, ...] = INSTANCES
    limit: float = 10.0
    """CPU seconds of a run."""
    gap: float = 1e-4
    redo: tuple[str, ...] = ()
    """Variants to run again."""


def main(argv: list[str] | None = None) -> int:
    """Run what is missing, then report."""
    options = study.parse(Options, __doc__, argv)

    def done(unit: Row, row: Row) -> bool:
        return study.has(unit, row) and unit["variant"] not in options.redo

    rows = study.run(options, _units(options), measure, done=done)
    print(write(rows, options.out.with_suffix(".md")).read_text())
    return 0


def _units(options: Options) -> Iterator[Row]:
    for random in options.random:
        for backend in options.backends:
            for name in options.variants or variants.ALL[backend]:
                for label in options.instances if name in variants.ALL[backend] else ():
                    yield {"backend": backend, "variant": name, "instance": label, "random": random}


@functools.cache
def prepared(name: str) -> tuple[instances.Instance, MIPModel, np.ndarray]:
    """Instance with its model and starting plan, which all variants share."""
    instance = instances.named(name)
    program, problem = instance.program, instance.problem
    model = prepare(OCP(program, problem))
    assert isinstance(model, MIPModel), name
    polisher = Polisher(OCP(program, problem), model)
    plans = [methods.sample(program, problem, k)[0] for k in range(4)]
    plans = [polisher(plan, passes=8).actions for plan in plans]
    costs = [problem.cost(program.rollout(problem.x0, plan), plan) for plan in plans]
    return instance, model, plans[int(np.argmin(costs))]


def measure(unit: Row, options: Options) -> Row:
    """One row, from a process of its own."""
    row = {"limit": options.limit, "fingerprint": prepared(unit["instance"])[0].fingerprint,
           "version": study.version(), "cpu": options.limit, "solved": 0}  # fmt: skip
    found = study.isolated(_solve, unit, options, seconds=10 * options.limit + 30)
    return row | found


def _solve(unit: Row, options: Options) -> Row:
    clock.count_cpu_seconds()
    instance, model, start = prepared(unit["instance"])
    backend, changes = unit["backend"], variants.ALL[unit["backend"]][unit["variant"]]
    (module, seed), own = MODULES[backend], None
    if changes is not None:
        settings, own = variants.split(backend, changes)
        module.SETTINGS.clear()
        module.SETTINGS.update(settings)
    if unit["random"]:
        module.SETTINGS[seed] = unit["random"]
    # HiGHS only knows the wall clock: what counts is cut below.
    seconds = 2 * options.limit if backend == "highs" else options.limit
    limits, begin = Limits(seconds, gap=options.gap), time.process_time()
    try:
        solution = run(
            OCP(instance.program, instance.problem), model, limits, [start], backend, own,
        )  # fmt: skip
    except Exception as error:
        return {"message": f"{type(error).__name__}: {error}"}
    cpu = time.process_time() - begin
    closed = solution.bound is not None and limits.closed(solution.claimed_cost, solution.bound)
    return {
        "cpu": round(min(cpu, options.limit), 4),
        "solved": int(closed and cpu <= 1.05 * options.limit),
        "nodes": solution.nodes, "gap": solution.gap, "cost": solution.cost,
        "bound": solution.bound, "message": solution.message,
    }  # fmt: skip


def write(rows: list[Row], path: Path) -> Path:
    """The page: one line per variant, ratios on the same instances."""
    parts: list[Any] = [
        "# Solver study",
        "Geometric means of ratios of CPU seconds on the same instances and random seeds, below 1 "
        "is faster; unsolved runs count with their limit; repeated runs are averaged. `runs`: "
        "instances x random seeds that both sides ran. A node ratio of 1.00 over all runs means "
        "the same search: its time ratio shows what else went on in the machine (0.9 to 1.0). The "
        "same settings with another random seed differ by factors up to 3 on one instance: a mean "
        "over 10 runs is known to about 15 %, over 28 to about 10 %. Again: "
        "`python -m scripts.mip.solvers --report-only`. Sweeps of bounds in the tree, branching by "
        "Jensen gaps, and cuts for HiGHS did not pay and left the code: their lines stay.",
    ]
    for (backend,), mine in study.groups(rows, "backend").items():
        for base, title in (
            ("default", "against the settings before this study"),
            ("heuristics fast", "against fast heuristics"),
        ):
            lines = _lines(mine, base)
            if len(lines) > 1:
                parts += [f"## {backend}: {title}", study.table(
                    ["variant", "time ratio", "range", "node ratio", "solved", "base solved",
                     "runs"], lines)]  # fmt: skip
    return study.page(path, *parts)


def _lines(rows: list[Row], base_name: str) -> list[list[Any]]:
    """One a variant, fastest first."""
    found = {name: study.groups(mine, "instance", "random")
             for (name,), mine in study.groups(rows, "variant").items()}  # fmt: skip
    base, lines = found.get(base_name, {}), []
    for name, runs in found.items():
        about = base_name == "default" or name.startswith((base_name, "heuristics off", "shipped"))
        shared = [k for k in runs if k in base] if about else []
        if not shared:
            continue
        ratio = np.array([_seconds(runs[k]) / _seconds(base[k]) for k in shared])
        both = [k for k in shared if runs[k][-1]["solved"] and base[k][-1]["solved"]]
        nodes = [(runs[k][-1]["nodes"] + 10) / (base[k][-1]["nodes"] + 10) for k in both]
        solved = [sum(which[k][-1]["solved"] for k in shared) for which in (runs, base)]
        spread = f"{ratio.min():.2f} to {ratio.max():.2f}"
        fewer = f"{gmean(nodes) if nodes else np.nan:.2f}"
        lines.append([name, gmean(ratio), spread, fewer, *solved, len(shared)])
    ordered = sorted(lines, key=lambda line: (line[1], line[0]))
    return [[name, f"{mean:.2f}", *rest] for name, mean, *rest in ordered]


def _seconds(runs: list[Row]) -> float:
    return gmean([r["cpu"] + _FLOOR for r in runs])


if __name__ == "__main__":
    sys.exit(main())
