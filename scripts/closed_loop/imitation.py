"""Networks that learn from planners: as controllers, as starts of a plan, as the value of its end.

imitation   a network of 64 + 64 ReLUs in its planner's place: cost of the states visited
start       `mip` with and without the network's plan among its starts, at a limit of nodes
value       planners with short horizons, with and without a value network at the end; on Reacher
            with as many processor seconds a decision, beside a longer horizon in its place

python -m scripts.closed_loop.imitation --parts imitation start value
python -m scripts.closed_loop.imitation --tasks reacher --parts value --episodes 100 \\
    --first-episode 400
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import yaml

from scripts import study
from scripts.mip.clock import count_cpu_seconds
from scripts.study import CONFIGS, RESULTS, Row
from sparsectl import cli, environment, experiment
from sparsectl.config import load_yaml
from sparsectl.evaluate import results, trajectories
from sparsectl.files import csv_text, read_json, write_atomic
from sparsectl.report import statistics
from sparsectl.seeding import generator
from sparsectl.task import Task

QUIET = ["--evaluate.budget", "None", "--evaluate.workers", "1", "--evaluate.engine", "serial",
         "--evaluate.planned-states", "0", "--evaluate.clips", "0"]  # fmt: skip
CEM = {"samples": 128, "iterations": 6}
MIP = {"kind": "mip", "nodes": 200, "seconds": None}
LEARNT = {"kind": "policy", "path": "imitation"}


@dataclass(frozen=True)
class Options(study.Options):
    """Of this study."""

    out: Path = RESULTS / "imitation.csv"
    """Table; the parts that were not run stay in it."""
    parts: tuple[str, ...] = ("imitation", "start", "value")
    """Which."""
    tasks: tuple[str, ...] = ()
    """Which; empty: all."""
    runs: Path = study.RUNS
    episodes: int = 12
    """Paired episodes."""
    first_episode: int = 0
    """Number of the first one."""


@dataclass(frozen=True)
class Case:
    """A task and who is imitated on it.

    Attributes:
        planner: its name and entry.
        words: of `policy imitate`.
        length: of the episodes that are compared; None: the config's.
        starts: whether `start` is about it.
        steps: length of the episodes of `start`.
    """

    task: str
    planner: tuple[str, Row]
    words: tuple[str, ...] = ()
    starts: bool = False
    steps: int = 20
    length: int | None = None


CASES = [
    Case("gym_cartpole", ("mip", {"models": ["sparse"]}),
         ("--imitate.steps", "150", "--imitate.episodes", "8")),
    Case("reacher", ("cem", CEM), ("--imitate.rounds", "12")),
    Case("rope", ("cem", CEM), ("--imitate.rounds", "16")),
    Case("inverted_pendulum", ("cem", CEM),
         ("--imitate.steps", "100", "--imitate.episodes", "10"), starts=True, length=200),
    Case("piecewise_affine", ("cem", CEM), starts=True),
    Case("cartpole", ("cem", CEM), ("--imitate.rounds", "6")),
]  # fmt: skip


@dataclass(frozen=True)
class Ends:
    """Who plays with and without a value network.

    Attributes:
        seconds: processor time of a decision; None: unlimited.
        words: of `policy value`.
        far: settings of the `cem` whose costs the network learns.
        relus: of the sparse model, where somebody plans with it.
        longer: those who play without only, for their longer horizon, and in whose place.
    """

    players: dict[str, Row]
    seconds: float | None = None
    words: tuple[str, ...] = ()
    far: Row = field(default_factory=lambda: {"samples": 128, "iterations": 8})
    relus: int = 0
    longer: dict[str, str] = field(default_factory=dict)


ENDS = {
    "cartpole": Ends({f"cem{h}": {"kind": "cem", **CEM, "horizon": h} for h in (4, 8, 12)}),
    "reacher": Ends(
        {"mppi6": {"kind": "mppi", "horizon": 6, "models": ["32x32"]},
         "mppi12": {"kind": "mppi", "horizon": 12, "models": ["32x32"]},
         "mip6": {"kind": "mip", "horizon": 6, "models": ["sparse"]}},
        seconds=0.01,
        words=("--value.horizon", "24", "--value.steps", "16", "--value.rounds", "2",
               "--value.states", "800", "--value.episodes", "12", "--value.hidden", "32", "32"),
        far={"samples": 128, "iterations": 10},
        relus=24,
        longer={"mppi12": "mppi6"},
    ),
}  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    """Run what is asked for and write the table."""
    options = study.parse(Options, __doc__, argv)
    rows: list[Row] = []
    for case in CASES:
        if not options.tasks or case.task in options.tasks:
            study_of = {"imitation": imitation, "start": start, "value": value}
            for part in options.parts:
                rows += study_of[part](case, options)
    old = study.csv_rows(options.out)
    done = {(r["part"], r["task"]) for r in rows}
    kept = [r for r in old if (r["part"], r["task"]) not in done]
    write_atomic(options.out, csv_text(sorted(kept + rows, key=lambda r: str(r["part"]))))
    print(options.out, file=sys.stderr)
    return 0


def imitation(case: Case, options: Options) -> list[Row]:
    """The planner and the network that imitates it."""
    name, entry = case.planner
    learnt = {**LEARNT, **{k: v for k, v in entry.items() if k == "models"}}
    config = _config(case, options, case.task, {name: entry, "learnt": learnt})
    commands = ("collect", "train", *(("sparsify",) if "models" in entry else ()))
    for command in commands:
        call(command, config, options)
    call("policy imitate", config, options, "--controller", name, *case.words, *QUIET)
    length = () if case.length is None else ("--evaluate.steps", str(case.length))
    call("compare", config, options, *QUIET, *length, "--evaluate.episodes", str(options.episodes))
    folder = options.runs / case.task
    meta = read_json(folder / "imitation" / "meta.json")
    facts = {k: meta[k] for k in ("env_steps", "label_seconds", "cpu_seconds")}
    return [{**row, **facts} for row in _pairs("imitation", case, folder, name, "learnt")]


def start(case: Case, options: Options) -> list[Row]:
    """`mip` alone and with starts."""
    if not case.starts:
        return []
    entries = {
        "alone": {**MIP, "starts": [], "explore": 0},
        "learnt": {**MIP, "starts": [], "explore": 0, "proposal": "imitation"},
        "default": MIP,
        "both": {**MIP, "proposal": "imitation"},
    }
    config = _config(case, options, case.task, entries)
    length = ("--evaluate.steps", str(case.steps), "--evaluate.episodes", "4")
    call("compare", config, options, *QUIET, *length, "--force")
    found = results.read(options.runs / case.task / "compare")
    made = []
    for name in entries:
        episodes = found.of(found.models[0], name)
        gaps = [g for e in episodes for g in e["gaps"] if g is not None]
        seconds = [s for e in episodes for s in e["seconds"]]
        made.append({
            "part": "start", "task": case.task, "controller": name, "episodes": len(episodes),
            "decisions": len(seconds), "proved": float(np.mean(np.array(gaps) <= 1e-2)),
            "median_gap": float(np.median(gaps)), "seconds_p50": float(np.median(seconds)),
            "seconds_mean": float(np.mean(seconds)),
            "mean_cost": float(np.mean([c for e in episodes for c in e["costs"]])),
        })  # fmt: skip
    return made


def value(case: Case, options: Options) -> list[Row]:
    """Planners with and without a value network, and with a longer horizon in its place."""
    ends = ENDS.get(case.task)
    if ends is None:
        return []
    source = options.runs / case.task
    far = {"far": {"kind": "cem", **ends.far}}
    more: Row = {"value": {"controller": "far"}}
    config = _config(case, options, case.task, {**ends.players, **far}, more)
    for command in ("collect", "train"):
        call(command, config, options)
    if ends.relus:
        call("sparsify", config, options, "--sparsify.counts", str(ends.relus))
    call("policy value", config, options, *ends.words, *QUIET)
    if ends.seconds is not None:
        count_cpu_seconds()
    paid: dict[tuple[str, str], dict[int, float]] = {}
    gained: dict[tuple[str, str], dict[int, float]] = {}
    for kind, end in (("without", None), ("with", str(source / "value"))):
        more = {"model": {"from": str(source / "model")}, "train": {}, "sparsify": {}, "end": end}
        if ends.relus:
            more["evaluate"] = {"models": {"sparse": str(source / "sparse" / str(ends.relus))}}
        own = {n: e for n, e in ends.players.items() if end is None or n not in ends.longer}
        config = _config(case, options, f"{case.task}_{kind}", own, more)
        call("compare", config, options, *QUIET, "--evaluate.budget", str(ends.seconds),
             "--evaluate.episodes", str(options.episodes),
             "--evaluate.first-episode", str(options.first_episode))  # fmt: skip
        folder = options.runs / f"{case.task}_{kind}"
        paid |= {(name, kind): _costs(folder, name) for name in own}
        played = results.read(folder / "compare").rows
        for name in own:
            of_name = (r for r in played if r["controller"] == name)
            gained[name, kind] = {r["episode"]: r["return"] for r in of_name}
    rows = [(name, (name, "with"), (name, "without")) for name in own]
    for long, short in ends.longer.items():
        rows.append((f"{long} in place of {short}", (long, "without"), (short, "without")))
        rows.append((f"{short} with it in place of {long}", (short, "with"), (long, "without")))
    same = {"part": "value", "task": case.task}
    return [
        {**same, "controller": n, **_ratio(paid[a], paid[b]), **_gain(gained[a], gained[b])}
        for n, a, b in rows
    ]


def call(command: str, config: Path, options: Options, *words: str) -> None:
    """A command of the package; what fails ends the study."""
    line = [*command.split(), "--config", str(config), "--runs", str(options.runs), *words]
    print("sparsectl", *line, file=sys.stderr, flush=True)
    if cli.main(line):
        raise SystemExit(f"failed: sparsectl {' '.join(line)}")


def _config(
    case: Case,
    options: Options,
    name: str,
    controllers: Row,
    more: Row | None = None,
) -> Path:
    """The task's config with other controllers, as a file in the folder of runs."""
    data, more = load_yaml(CONFIGS / f"{case.task}.yaml"), dict(more or {})
    data |= {"name": name, "controllers": controllers}
    end = more.pop("end", None)
    for key, part in more.items():
        if part:
            data[key] = part
        else:
            data.pop(key, None)
    if end is not None:
        data["task"]["cost"]["value"] = end
    path = options.runs / f"{name}.yaml"
    write_atomic(path, yaml.safe_dump(data, sort_keys=False))
    return path


def _pairs(part: str, case: Case, folder: Path, planner: str, learnt: str) -> Iterator[Row]:
    before, after = _costs(folder, planner), _costs(folder, learnt)
    rows = {n: [r for r in results.read(folder / "compare").rows if r["controller"] == n]
            for n in (planner, learnt)}  # fmt: skip
    times = {n: float(np.median([s for r in own for s in r["seconds"]])) for n, own in rows.items()}
    yield {
        "part": part, "task": case.task, "controller": planner, **_ratio(after, before),
        "planner_ms": 1e3 * times[planner], "learnt_ms": 1e3 * times[learnt],
    }  # fmt: skip


def _costs(folder: Path, controller: str) -> dict[int, float]:
    """Cost of the states that an episode visits, at the weights of a step, by episode."""
    config = experiment.load(folder / "config.yaml")
    with environment.make(config.env.id, config.env.kwargs) as env:
        task = Task.of(config.task, env)
    found = {}
    for (_, name, episode), arrays in trajectories.read(folder / "compare").items():
        if name == controller:
            seen, actions = arrays["observations"], arrays["actions"]
            pairs = zip(seen[:-1], seen[1:], actions, strict=True)
            found[episode] = sum(_step(task, t, *p) for t, p in enumerate(pairs))
    return found


def _step(task: Task, t: int, before: np.ndarray, after: np.ndarray, u: np.ndarray) -> float:
    problem = task.problem(before, 2, step=t, loose=True)
    terms = tuple(replace(term, terminal_weight=0.0) for term in problem.cost.terms)
    cost = replace(problem.cost, terms=terms, value=None)
    x = task.map.state(after)
    return float(cost(np.stack([problem.x0, x, x]), np.stack([u, np.zeros_like(u)])))


def _ratio(after: dict[int, float], before: dict[int, float]) -> Row:
    """Ratio of summed costs of paired episodes, with a 95 % bootstrap interval."""
    names = sorted(set(after) & set(before))
    pairs = np.array([[after[n], before[n]] for n in names])
    drawn = pairs[generator(0, "ratio").integers(len(pairs), size=(10_000, len(pairs)))].sum(1)
    low, high = np.percentile(drawn[:, 0] / drawn[:, 1], [2.5, 97.5])
    own, theirs = pairs.mean(0)
    return {"episodes": len(names), "cost_before": theirs, "cost_after": own,
            "ratio": own / theirs, "ratio_low": low, "ratio_high": high}  # fmt: skip


def _gain(after: dict[int, float], before: dict[int, float]) -> Row:
    """Mean difference of the returns of paired episodes, with a 95 % bootstrap interval."""
    pairs = [after[n] - before[n] for n in sorted(set(after) & set(before))]
    found = statistics.bootstrap([pairs], statistics.mean)
    return {"gain": found.value, "gain_low": found.low, "gain_high": found.high}


if __name__ == "__main__":
    sys.exit(main())
