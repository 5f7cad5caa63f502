"""What planning with a member of a family costs, and the table of a family."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from sparsectl import environment, seeding
from sparsectl.cli.tables import number, show
from sparsectl.experiment import Experiment, check
from sparsectl.sparsify import Family
from sparsectl.sparsify.family import ADVICE, Member

SAMPLES = 2_000
STARTS = 3
SECONDS = 4.0
CAP = 2_000


def planning_facts(experiment: Experiment) -> Callable[[Any], Mapping[str, Any]]:
    """Function of a model: size of its program, directions, and modes from evaluation starts.

    `modes_seen` is the mean over starts and steps of the number of patterns in random rollouts;
    `modes` the number that action sequences from the first start reach, summed over the steps of
    the horizon, a lower bound unless `modes_complete`.
    """
    from sparsectl.dynamics.lower import lower, programs
    from sparsectl.mip.modes import paths as mode_paths
    from sparsectl.mip.search.hull.stage import effective_inputs

    task = check(experiment)
    with environment.make(experiment.env.id, experiment.env.kwargs) as env:
        seeds = [seeding.EVALUATION_SEED + i for i in range(STARTS)]
        problems = [task.problem(env.reset(seed=s)[0], experiment.horizon) for s in seeds]

    def measure(model: Any) -> Mapping[str, Any]:
        whole, source = lower(model), programs(model)
        starts = [(source.at(p), p.x0, p.u_low, p.u_high, p.horizon) for p in problems]
        seen = [mode_paths.sampled_trajectory_modes(*s, samples=SAMPLES) for s in starts]
        end = time.perf_counter() + SECONDS
        reached = mode_paths.trajectory_modes(*starts[0], cap=CAP, deadline=end)
        counts = [max(count.count, n) for count, n in zip(reached, seen[0], strict=True)]
        return {
            "m": whole.m,
            "directions": len(effective_inputs(whole)),
            "modes_seen": round(sum(map(sum, seen)) / (STARTS * experiment.horizon), 1),
            "modes": sum(counts),
            "modes_complete": all(count.complete for count in reached),
        }

    return measure


def print_family(family: Family, dense: list[dict[str, Any]] | None = None) -> None:
    """Members with their errors, the given model's first."""
    rows = list(family.members)
    ks = sorted({row["k"] for member in rows for row in member.errors})
    columns = ("ReLUs", *(f"{k} steps" for k in ks), "program", "directions", "modes")
    shown: list[tuple[str, ...]] = []
    if dense:
        given = Member(0, "given", errors=dense)
        shown.append(("as trained", *(number(given.error(k)) for k in ks), *("-",) * 4, "given"))
    for member in rows:
        facts = member.facts
        modes = str(facts.get("modes", "-"))
        if facts and not facts.get("modes_complete"):
            modes = f"≥ {modes}"
        label = str(member.target)
        if member.path is not None and member.relus != member.target:
            label += f" ({member.relus})"
        m, directions, seen = (str(facts.get(k, "-")) for k in ("m", "directions", "modes_seen"))
        errors = (number(member.error(k)) for k in ks)
        shown.append((label, *errors, m, directions, modes, seen, member.status))
    show((*columns, "seen a step", "<status"), shown, "open-loop error by number of ReLUs")
    for status in sorted({m.status for m in rows if ADVICE[m.status]}):
        print(f"{status}: {ADVICE[status]}")
    print(
        "modes: activation patterns that some action sequence reaches from the first evaluation "
        "start, summed over the horizon; ≥: not all were found in the time given"
    )
