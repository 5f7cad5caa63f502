"""What training members for their bounds costs in error and saves in proofs; resumable.

    python -m scripts.mip.bounded --tasks rope pusht_easy --seeds 0 1

Per task, seed and number of ReLUs one network of three layers of 24 ReLUs, trained and brought to
so many without a penalty; copies of it are fine-tuned with `mode_penalty` or `relaxation_penalty`
as `--variants` say. Half of the problems start where evaluation episodes do, half in the middle of
test episodes. Seconds are CPU seconds of a process of its own until a gap of 1 %, at most
`--limit`, at `--horizon` steps; gaps are those of planners that were given `--decision` CPU
seconds, at the config's horizon, on the problems or on `--visited` states that CEM meets with the
member, all along episodes that nothing else uses.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from scripts import study
from scripts.mip import bench, clock
from scripts.mip.instances import Instance
from scripts.sparsity import planned, tasks
from scripts.study import RESULTS, RUNS, Row
from sparsectl import control, dynamics, environment, experiment, seeding
from sparsectl.control.base import ControllerState
from sparsectl.dynamics.fit import Batches, trajectories
from sparsectl.dynamics.lower import programs
from sparsectl.dynamics.normalise import fit_normalizer
from sparsectl.report.figure import canvas, from_zero, legend
from sparsectl.sparsify import SparsifyConfig
from sparsectl.sparsify.baselines import Member
from sparsectl.sparsify.channels import with_channels
from sparsectl.sparsify.losses import Objective
from sparsectl.sparsify.rounds import Trainer, choose, finetune

TERMS = {"none": "no penalty", "mode": "mode_penalty", "relaxation": "relaxation_penalty"}

TOLERANCE = 1e-3
"""In the unit of the cost: decisions are proved within this or one per cent."""
_EPISODES, _FIRST = 6, 500
"""Whose states are visited, and the first of their seeds in thousands."""


@dataclass(frozen=True, kw_only=True)
class Options(study.Options):
    out: Path = RESULTS / "bounded.jsonl"
    tasks: tuple[str, ...] = ("rope", "pusht_easy")
    variants: tuple[str, ...] = (
        "24", "24:relaxation:0.03", "24:relaxation:0.01", "24:mode:1", "24:mode:3"
    )  # fmt: skip
    """ReLUs, and the penalty with its weight."""
    seeds: tuple[int, ...] = (0, 1)
    hidden: tuple[int, ...] = (24, 24, 24)
    """Layers of the network that loses the others."""
    steps: tuple[int, int, int] = (600, 60, 1000)
    """Gradient steps of that network, after each removal, and of fine-tuning."""
    batch: int = 128
    """Windows in a batch."""
    horizon: int = 3
    """Of the problems that are solved to 1 %."""
    problems: int = 6
    limit: float = 2.0
    decision: float = 0.5
    visited: int = 0
    """States of closed loops that decisions are made in; 0: those of the problems."""
    cache: Path = RUNS / "sparsity"


def main(argv: list[str] | None = None) -> int:
    """Run what is missing, then write page and figure."""
    options = study.parse(Options, __doc__, argv)
    units = (
        {"task": task, "seed": seed, **_variant(text)}
        for seed in options.seeds for task in options.tasks for text in options.variants
    )  # fmt: skip
    rows = study.run(options, units, _row)
    if rows:
        write(rows, options.out)
    return 0 if rows else 1


def _variant(text: str) -> Row:
    relus, term, weight = (text if ":" in text else f"{text}:none:0").split(":")
    return {"relus": int(relus), "term": term, "weight": float(weight)}


def _row(unit: Row, options: Options) -> Row:
    s = _setting(unit["task"], options.cache)
    model = _member(unit, s, options)
    errors = tasks.errors(s, Member(model, unit["relus"], 0, 0.0))
    starts, own = _starts(s, options.problems), s.experiment.horizon
    until = [_solve(model, s, o, options.horizon, options.limit) for o in starts]
    if options.visited:
        states = _visited(s, model, options.visited, unit["seed"])
        after = study.isolated(_decide, model, s, states, options.decision, seconds=600)
    else:
        after = [_solve(model, s, o, own, options.decision) for o in starts]
    return {
        **{k: float(f"{errors[k]:.4g}") for k in ("error_1", "error_5", "error_10")},
        "seconds": [f["one_percent"] and float(f"{f['one_percent']:.3g}") for f in until],
        "nodes": [f["nodes"] for f in until],
        "gaps": [f["gap"] and float(f"{f['gap']:.3g}") for f in after],
        "costs": [float(f"{f['cost']:.3g}") for f in after], "visited": options.visited,
        "limit": options.limit, "decision": options.decision, "horizons": [options.horizon, own],
    }  # fmt: skip


@functools.cache
def _setting(task: str, cache: Path) -> tasks.Setting:
    return tasks.setting(task, (24, 24, 24), cache, 2e-2)


def _member(unit: Row, s: tasks.Setting, options: Options) -> Any:
    """A copy of the task's and seed's network after its removals, fine-tuned as the unit says."""
    seed, (first, removal, fine) = unit["seed"], options.steps
    weights = {f"{unit['term']}_penalty": unit["weight"]} if unit["term"] != "none" else {}
    config = SparsifyConfig(
        (unit["relus"],), options.hidden, initial_steps=first, removal_steps=removal,
        finetune_steps=fine, seed=seed, **weights,
    )  # fmt: skip
    train = dataclasses.replace(s.experiment.train, seed=seed, batch_size=options.batch)
    parts = trajectories(s.episodes, s.map, train)
    plain = Trainer(Batches.of(parts, train), train, config, Objective(train.loss))
    name = "-".join(
        map(str, ("trunk", *options.hidden, unit["relus"], options.batch, first, removal, seed))
    )
    if not (s.folder / name / "config.json").exists():
        shape = dataclasses.replace(s.model, hidden=options.hidden)
        model: Any = dynamics.build(shape, s.map.names, s.map.nx, s.episodes.action_size, seed=seed)
        fit_normalizer(model, parts[0])
        model = with_channels(model)
        finetune(model, plain, config.learning_rate, first, "initial")
        choose(model, unit["relus"], plain, config.learning_rate, "choose")
        dynamics.save(model, s.folder / name, {})
    model = dynamics.load(s.folder / name)[0]
    own = dataclasses.replace(plain, objective=Objective(train.loss, modes=config.mode_penalty))
    finetune(model, own.bounded(), config.learning_rate, fine, "fine")
    return model


def _starts(s: tasks.Setting, count: int) -> list[np.ndarray]:
    """Observations: of evaluation's starts and from the middle of test episodes."""
    seeds = [seeding.EVALUATION_SEED + i for i in range(count // 2)]
    with environment.make(s.experiment.env.id, s.experiment.env.kwargs) as env:
        found = [np.asarray(env.reset(seed=seed)[0]) for seed in seeds]
    places = np.linspace(0, len(s.test) - 1, count - len(found)).astype(int)
    episodes = (s.test.observations[i] for i in places)
    return [*found, *(o[len(o) // 2] for o in episodes)]


def _solve(model: Any, s: tasks.Setting, start: np.ndarray, horizon: int, limit: float) -> Row:
    problem = experiment.check(s.experiment).problem(start, horizon)
    program = programs(model).at(problem)
    instance = Instance(s.name, program, problem, (), s.name, program.m, 0)
    return bench.measure("ours", instance, limit, bench.ONE_PERCENT, "cpu")


def _visited(s: tasks.Setting, model: Any, count: int, seed: int) -> np.ndarray:
    """Observations where CEM plans on its way, spread over episodes."""
    played = planned.drive(s, model, _EPISODES, _FIRST + seed, whole=False)
    met = np.concatenate([o[:-1] for o in played.observations])
    return met[np.linspace(0, len(met) - 1, count).astype(int)]


def _decide(model: Any, s: tasks.Setting, states: np.ndarray, seconds: float) -> list[Row]:
    """First decisions of the MIP controller with so many CPU seconds each."""
    clock.count_cpu_seconds()
    task, program = experiment.check(s.experiment), programs(model)
    settings = {"gap": bench.ONE_PERCENT, "tolerance": TOLERANCE, "seconds": seconds}
    player = control.build("mip", settings, task, model, program, s.experiment.horizon)
    plans = [player.decide(o, ControllerState(seed=i))[0] for i, o in enumerate(states)]
    return [{"gap": p.gap, "cost": p.cost} for p in plans]


def write(rows: list[Row], out: Path) -> None:
    """The page, a line for each task, term and weight, and the figure beside it."""
    order = list(TERMS)
    keys = "task", "relus", "term", "weight"
    rows = sorted(
        rows,
        key=lambda r: (r["task"], -r["relus"], order.index(r["term"]), r["weight"], r["seed"]),
    )
    found, first = study.groups(rows, *keys), rows[0]
    cells = {key: _means(own) for key, own in found.items()}
    heads = ["task", "ReLUs", "term", "weight", "seeds", "error, 1 step", "5 steps", "10 steps"]
    heads += ["seconds to 1 %", "nodes", "gap", "proved", "H"]
    where = f"{first['visited']} states of closed loops" if first.get("visited") else "the problems"
    study.page(
        out.with_suffix(".md"),
        "# Members that are trained to be bounded",
        "Errors in units of `sparsity.md`; CPU seconds until a gap of 1 % "
        f"(at most {first['limit']:g}) and nodes, geometric means over problems; median gap, and "
        f"share proved to 1 % or {TOLERANCE:g}, after {first['decision']:g} CPU seconds on "
        f"{where}; H: steps of both. Means over seeds, single values in brackets. Again: "
        "`python -m scripts.mip.bounded`.",
        study.table(
            heads,
            (
                [
                    task,
                    relus,
                    TERMS[term],
                    f"{weight:g}",
                    len(own["seconds"]),
                    *map(study.mean, own.values()),
                    ", ".join(map(str, found[task, relus, term, weight][0]["horizons"])),
                ]
                for (task, relus, term, weight), own in cells.items()
            ),
            words=2,
        ),
        f"![What proofs cost against error]({out.with_suffix('.png').name})",
    )
    _plot(cells, out.with_suffix(".png"))


def _means(own: list[Row]) -> dict[str, list[float]]:
    """By column, the mean of every seed's problems; what was not solved counts as the limit."""
    errors = {k: [r[k] for r in own] for k in ("error_1", "error_5", "error_10")}
    seconds = [[r["limit"] if t is None else t for t in r["seconds"]] for r in own]
    gaps = [[np.inf if g is None else g for g in r["gaps"]] for r in own]
    return {
        **errors,
        "seconds": [_geometric(values) for values in seconds],
        "nodes": [_geometric([max(n, 1) for n in r["nodes"]]) for r in own],
        "gap": [float(np.median(values)) for values in gaps],
        "proved": [float(np.mean(_proved(r, g))) for r, g in zip(own, gaps, strict=True)],
    }


def _proved(row: Row, gaps: list[float]) -> np.ndarray:
    """Which decisions are; rows from before costs were kept know one per cent only."""
    found = np.array(gaps)
    return (found <= bench.ONE_PERCENT) | (found * row.get("costs", 0.1) <= TOLERANCE)


def _geometric(values: list[float]) -> float:
    return float(np.exp(np.mean(np.log(values))))


def _plot(cells: dict[tuple, dict[str, list[float]]], path: Path) -> None:
    """Time and gap of every task against the error: a line through a term's weights, and seeds."""
    names = list(dict.fromkeys(task for task, *_ in cells))
    kinds = sorted({(relus, list(TERMS).index(term)) for _, relus, term, _ in cells}, reverse=True)
    with canvas(max(4.2 * len(names), 8.4), 6.0) as figure:
        panels = figure.subplots(2, len(names), squeeze=False, sharex="col")
        for (i, task), (line, key) in itertools.product(
            enumerate(names), enumerate(("seconds", "gap"))
        ):
            axes = panels[line, i]
            for color, (relus, place) in enumerate(kinds):
                term = list(TERMS)[place]
                own = {
                    w: c
                    for (t, n, k, w), c in cells.items()
                    if (t, n) == (task, relus) and k in (term, "none")
                }
                if not own:
                    continue
                means = [(np.mean(c["error_5"]), np.mean(c[key])) for _, c in sorted(own.items())]
                label = f"{relus} ReLUs, {TERMS[term]}"
                axes.plot(*np.transpose(means), color=f"C{color}", marker="o", label=label)
                dots = [p for c in own.values() for p in zip(c["error_5"], c[key], strict=True)]
                axes.plot(*np.transpose(dots), ".", color=f"C{color}", alpha=0.4)
            from_zero(axes)
            if line:
                axes.set_xlabel(f"error after 5 steps [{tasks.TASKS[task].unit.split(',')[0]}]")
            else:
                axes.set_title(task)
        panels[0, 0].set_ylabel("CPU seconds to 1 %")
        panels[1, 0].set_ylabel("gap at the config's horizon")
        legend(figure, *panels.flat)
        study.figure(path, figure)


if __name__ == "__main__":
    sys.exit(main())
