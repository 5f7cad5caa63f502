"""What an episode of the Flyer can cost: plans of whole episodes, played in the simulator.

    python -m scripts.closed_loop.flyer_floor --first-episode 130 --seconds 1

From the start of every episode plans of several horizons are looked for, by the dynamic programming
over sampled states that `mip` has candidates from, with more time, under the equations of motion
in place of a learned model, and within all limits of the task. Each is played open loop; the
cheapest that succeeds counts: the least cost is no more. With `--planners`, the folder of a
comparison on the same episodes or a table of them, a planner's cost counts where it succeeds for
less, and what planners pay is held against that.
"""

from __future__ import annotations

import csv
import dataclasses
import functools
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from scripts import study
from scripts.closed_loop.runs import configured
from scripts.mip.clock import count_cpu_seconds
from scripts.study import RESULTS, Row
from sparsectl import environment, seeding
from sparsectl.envs.flyer.env import SUCCESS
from sparsectl.envs.flyer.scene import DAMPING, FRICTION, SUBSTEPS, THRUST, TIMESTEP
from sparsectl.evaluate import results
from sparsectl.mip.ocp import OCP
from sparsectl.mip.scale import scaled
from sparsectl.mip.search import lattice
from sparsectl.program import ReluProgram
from sparsectl.report import statistics
from sparsectl.task import Task, TaskConfig, TermConfig

_ARRIVE = 50.0
"""Price of a metre or m/s by which the last state misses a success."""


@dataclass(frozen=True, kw_only=True)
class Options(study.Options):
    out: Path = RESULTS / "flyer_floor.jsonl"
    first_episode: int = 100
    episodes: int = 30
    horizons: tuple[int, ...] = (16, 20, 24, 28, 33, 40, 50)
    seconds: float = 2.0
    """CPU seconds for the plan of a horizon."""
    planners: Path | None = None
    """Folder of a comparison, or a table (.csv: episode, controller, cost, success)."""


def main(argv: list[str] | None = None) -> int:
    """Search and play what is missing, then say what it comes to."""
    options = study.parse(Options, __doc__, argv)
    count_cpu_seconds()
    wanted = range(options.first_episode, options.first_episode + options.episodes)
    units = [{"episode": i, "seconds": options.seconds} for i in wanted]
    rows = study.run(options, units, floor)  # with those of earlier calls
    found = {r["episode"]: r["cost"] for r in rows if r["cost"] is not None}
    print(f"{len(found)} of {len(rows)} plans succeed, mean cost {_mean(found):.3f}")
    if options.planners is not None:
        against(found, options.planners)
    return 0


def floor(unit: Row, options: Options) -> Row:
    """The cheapest plan of an episode that succeeds in the simulator."""
    config = configured(["flyer"])["flyer"]
    plays: list[Row] = []
    with environment.make(config.env.id, config.env.kwargs) as env:
        task = Task.of(arriving(config.task), env)
        for horizon in options.horizons:
            start = env.reset(seed=seeding.EVALUATION_SEED + unit["episode"])[0]
            ocp, units = scaled(OCP(program(), task.problem(start, horizon, step=0)))
            deadline = time.perf_counter() + unit["seconds"]
            plan = units.original_actions(lattice.plans(ocp, deadline=deadline)[0])
            cost = 0.0
            for steps, action in enumerate(np.round(plan), 1):
                _, reward, ended, *_ = env.step(action.astype(np.int64))
                cost -= float(reward)
                if ended:
                    plays.append({"cost": round(cost, 4), "steps": steps, "horizon": horizon})
                    break
    return min(plays, key=lambda p: p["cost"], default={"cost": None})


def arriving(config: TaskConfig) -> TaskConfig:
    """The task with what an episode costs, and a price of a last state that is no success."""
    place, speed = (0.99 * limit / np.sqrt(2) for limit in SUCCESS)
    arrive = {"weight": 0.0, "terminal_weight": _ARRIVE}
    terms = [
        TermConfig("position", "goal", weight=config.cost.terms[0].weight),
        TermConfig("position", "goal", dead_zone=place, **arrive),
        TermConfig("velocity", dead_zone=speed, **arrive),
    ]
    return dataclasses.replace(config, cost=dataclasses.replace(config.cost, terms=terms))


@functools.cache
def program() -> ReluProgram:
    """A step of the disc in the open, inputs (p, v, u), outputs (p', v'); four ReLUs.

    Damping and jets first, then dry friction, which stops what is slower; positions by the mean
    speed.
    """
    step = TIMESTEP * SUBSTEPS
    A, one, none = np.zeros((4, 10)), np.eye(2), np.zeros((2, 2))
    after = np.hstack([none, (1 - DAMPING * step) * one, THRUST * step * one])
    A[:2, :6], A[2:, :6] = after, -after
    speed = np.hstack([np.zeros((2, 6)), one, -one])
    place = np.hstack([one, step / 2 * one, np.zeros((2, 6))]) + step / 2 * speed
    C = np.vstack([place, speed])
    return ReluProgram(6, sp.csr_array(A), np.full(4, -FRICTION * step), sp.csr_array(C),
                       np.zeros(4))  # fmt: skip


def against(found: Mapping[int, float], planners: Path) -> None:
    """Print what planners pay above the least cost that is known."""
    paid, succeeded = defaultdict[str, dict[int, float]](dict), defaultdict[int, list[float]](list)
    for player, episode, cost, success in _played(planners):
        paid[player][episode] = cost
        if success:
            succeeded[episode].append(cost)
    least = {e: min([cost, *succeeded[e]]) for e, cost in found.items()}
    print(f"with the best planner where that is better: {_mean(least):.3f}")
    for player, costs in paid.items():
        both = sorted(set(costs) & set(least))
        known = np.array([least[e] for e in both])
        more = np.array([costs[e] for e in both]) - known
        part = statistics.bootstrap([more / known.mean()], statistics.mean)
        shares = [100 * v for v in (part.value, part.low, part.high)]
        print(f"{player}: {len(both)} episodes, mean cost {np.mean(known + more):.3f}, "
              "{:.1f} % more ({:.1f} to {:.1f})".format(*shares))  # fmt: skip


def _played(planners: Path) -> Iterator[tuple[str, int, float, bool]]:
    """Player, episode, cost and success of all episodes."""
    if planners.suffix == ".csv":
        with planners.open(newline="") as table:
            for row in csv.DictReader(table):
                cost = float(row["cost"])
                yield row["controller"], int(row["episode"]), cost, row["success"] == "True"
        return
    for row in results.read(planners).rows:
        player = f"{row['model']} {row['controller']}"
        yield player, row["episode"], -row["return"], bool(row["success"])


def _mean(costs: Mapping[int, float]) -> float:
    return float(np.mean(list(costs.values()))) if costs else np.nan


if __name__ == "__main__":
    sys.exit(main())
