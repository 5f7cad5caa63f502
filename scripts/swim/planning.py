"""Does a circuit help a planner, and a planner a circuit? Closed loop on Swim; resumable.

    python -m scripts.swim.planning

Trains the model of `configs/swim_model.yaml` and its sparsified version first, unless that is
done. Work per decision is limited instead of time (but for MIP over 20 steps), so results repeat
on any machine; the table says what it costs. Every controller plays the same episodes.
"""

from __future__ import annotations

import argparse
import csv
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure

from scripts.study import RESULTS, RUNS
from sparsectl import cli, control, dynamics, experiment, seeding
from sparsectl.circuits import learning
from sparsectl.cli.options import find
from sparsectl.dynamics.lower import programs
from sparsectl.evaluate.episode import run_episode
from sparsectl.files import append_line, write_atomic
from sparsectl.report import statistics, style
from sparsectl.types import Plan

COLUMNS = ("controller", "episode", "seed", "steps", "early", "return", "cpu_ms", "proposed",
           "planned")  # fmt: skip
EARLY = 100
"""Steps after which every controller has a return; those of mip end there."""
FORWARD, SPEED = 6, 0.1
"""Of the observation: the head's velocity, which points backward; and what is fully paid for."""
PAPER, SIX = "paper's circuit", "six parameters"
_MPPI = {"kind": "mppi", "samples": 64, "iterations": 4}
_MIP = {"kind": "mip", "horizon": 5, "seconds": None, "nodes": 1, "starts": [], "explore": 0}
_LONG = {**_MIP, "horizon": 20, "seconds": 0.3}
"""Too little time for a search: candidates, polished by pattern LPs."""
# controller: its entry, and the circuit that proposes
CONTROLLERS: dict[str, tuple[dict[str, Any], str | None]] = {
    PAPER: ({"kind": "proposal", "horizon": 1}, PAPER),
    SIX: ({"kind": "proposal", "horizon": 1}, SIX),
    "mppi (15 steps)": ({**_MPPI, "horizon": 15}, None),
    f"mppi (15 steps) from {SIX}": ({**_MPPI, "horizon": 15}, SIX),
    "mppi (40 steps)": (_MPPI, None),
    f"mppi (40 steps) from {PAPER}": (_MPPI, PAPER),
    f"mppi (40 steps) from {SIX}": (_MPPI, SIX),
    "mip (5 steps)": (_MIP, None),
    f"mip (5 steps) from {SIX}": (_MIP, SIX),
    "mip (20 steps)": (_LONG, None),
    f"mip (20 steps) from {SIX}": (_LONG, SIX),
}


def main(argv: list[str] | None = None) -> int:
    """Train and play what is missing, then report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    add = parser.add_argument
    add("--episodes", type=int, default=5)
    add("--steps", type=int, default=200)
    add("--runs", type=Path, default=RUNS)
    add("--sparse", default="16", help="member of the sparsified family that mip plans with")
    add("--only", nargs="+", choices=list(CONTROLLERS), default=list(CONTROLLERS))
    add("--out", type=Path, default=RESULTS / "swim_planning.csv")
    add("--report-only", action="store_true")
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    if not options.report_only:
        for stage in ("collect", "train", "sparsify"):
            if cli.main([stage, "--config", "swim_model", "--runs", str(options.runs)]):
                return 1
        _play_all(options)
    rows = _read(options.out)
    print(_table(rows, options), file=sys.stderr)
    print(_figure(rows, options), file=sys.stderr)
    return 0


def _play_all(options: argparse.Namespace) -> None:
    done = {(r["controller"], int(r["episode"])) for r in _read(options.out)}
    if not options.out.exists():
        append_line(options.out, ",".join(COLUMNS))
    config = experiment.load(find("swim_model"))
    task, folder = experiment.check(config), options.runs / config.name
    models = {
        kind: dynamics.load(path)[0]
        for kind, path in (("mppi", folder / "model"), ("mip", folder / "sparse" / options.sparse))
    }
    for name in options.only:
        entry, circuit = CONTROLLERS[name]
        model = models.get(entry["kind"], models["mppi"])
        entry = {**entry, "proposal": _circuit(config, circuit)}
        player = control.build("it", entry, task, model, programs(model), config.horizon, "cpu")
        for episode in range(options.episodes):
            if (name, episode) not in done:
                steps = EARLY if entry["kind"] == "mip" else options.steps
                row = _play(config, player, episode, steps)
                told = [name, *(row[c] for c in COLUMNS[1:])]
                append_line(options.out, ",".join(map(str, told)))
                print(name, episode, f"{row['return']:.1f}", f"{row['cpu_ms']} ms", file=sys.stderr)


def _circuit(config: experiment.Experiment, name: str | None) -> dict[str, Any] | None:
    source = config.controllers["circuit"]["proposal"]
    return {None: None, SIX: source, PAPER: {"body": source["body"]}}[name]


def _play(
    config: experiment.Experiment, player: control.Controller, episode: int, steps: int
) -> dict[str, Any]:
    """One episode; costs are means over decisions, of the proposal and of the plan that acted."""
    costs: list[tuple[float, float]] = []
    rewards: list[float] = []  # of the step before each decision: a function of the observation

    def keep(_: int, observation: np.ndarray, __: control.ControllerState, plan: Plan) -> None:
        costs.append((plan.info.get("proposal_cost", np.nan), plan.cost))
        rewards.append(float(np.clip(-observation[FORWARD] / SPEED, 0.0, 1.0)))

    seed, started = seeding.EVALUATION_SEED + episode, time.process_time()
    row = run_episode(
        config.env.id,
        config.env.kwargs,
        player,
        seed,
        steps=steps,
        controller_seed=seeding.integer(config.seed, "controller", episode),
        on_decision=keep,
    )
    spent = (time.process_time() - started) / max(len(costs), 1)
    proposed, planned = np.mean(costs, axis=0)
    early = sum(rewards[1 : EARLY + 1]) if steps > EARLY else row["return"]
    return {
        "episode": episode, "seed": seed, "steps": len(costs), "early": round(early, 3),
        "return": round(row["return"], 3), "cpu_ms": round(1e3 * spent, 1),
        "proposed": round(proposed, 4), "planned": round(planned, 4),
    }  # fmt: skip


def _read(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _returns(rows: list[dict[str, str]], column: str) -> dict[str, dict[int, float]]:
    """Return by episode, of each controller that was played, in the order of the table."""
    found: dict[str, dict[int, float]] = {}
    for name in CONTROLLERS:
        mine = [r for r in rows if r["controller"] == name]
        if column == "return":
            mine = [r for r in mine if int(r["steps"]) > EARLY]
        if mine:
            found[name] = {int(r["episode"]): float(r[column]) for r in mine}
    return found


def _mean(values: Iterable[float]) -> str:
    told = statistics.bootstrap([list(values)], statistics.mean)
    return f"{told.value:.1f} ({told.low:.1f}–{told.high:.1f})"


def _difference(found: dict[str, dict[int, float]], name: str, other: str | None) -> str:
    """Mean paired difference with its interval."""
    if other is None or other == name or other not in found:
        return "–"
    both = sorted(set(found[name]) & set(found[other]))
    told = statistics.bootstrap([[found[name][e] - found[other][e] for e in both]], statistics.mean)
    return f"{told.value:+.1f} ({told.low:+.1f} to {told.high:+.1f})"


def _table(rows: list[dict[str, str]], options: argparse.Namespace) -> Path:
    early, late = _returns(rows, "early"), _returns(rows, "return")
    lines = [
        "# Circuits and planning",
        "",
        f"`sparsectl/Swim-v0`, 6 links, from rest in any pose: return of the first {EARLY} and of "
        f"{options.steps} steps (at most 1 a step; MIP: {EARLY} only), {options.episodes} episodes "
        "that are the same for all; mean with 95 % bootstrap interval, differences paired by "
        "episode, after the longest time that both played. Plans *from* a circuit start from what "
        "it would do in the model, and from the last plan as all others do. MPPI: "
        f"{_MPPI['iterations']} times {_MPPI['samples']} samples on the dense model; MIP: on the "
        f"model with {options.sparse} ReLUs, 5 steps with one node of branch and bound, 20 with "
        f"{_LONG['seconds']} s, in which pattern LPs polish the starts. *Costs*: means, as the "
        "planner's model predicts them, of what the circuit proposed and of the plan that acted. "
        "Again: `python -m scripts.swim.planning`",
        "",
        f"| controller | first {EARLY} | {options.steps} steps | against planning alone | against "
        "its circuit alone | costs: proposed, planned | CPU ms a decision |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, returns in early.items():
        mine = [r for r in rows if r["controller"] == name]
        proposed, planned, spent = (
            np.mean([float(r[c]) for r in mine]) for c in ("proposed", "planned", "cpu_ms")
        )
        plain, circuit = name.split(" from ")[0], CONTROLLERS[name][1]
        costs = f"{proposed:.2f}, {planned:.2f}" if np.isfinite(proposed) else f"–, {planned:.2f}"
        found = late if name in late else early
        lines.append(
            f"| {name} | {_mean(returns.values())} "
            f"| {_mean(late[name].values()) if name in late else '–'} "
            f"| {_difference(found, name, plain)} | {_difference(found, name, circuit)} "
            f"| {'–' if name == circuit else costs} | {spent:.0f} |"
        )
    return write_atomic(options.out.with_suffix(".md"), "\n".join(lines) + "\n")


def _figure(rows: list[dict[str, str]], options: argparse.Namespace) -> Path:
    """Return a step over the first steps that everybody played, and after them."""
    early, late = _returns(rows, "early"), _returns(rows, "return")
    rest = options.steps - EARLY
    parts = {
        f"first {EARLY} steps": {n: [v / EARLY for v in r.values()] for n, r in early.items()},
        f"next {rest} steps": {
            n: [(v - early[n][e]) / rest for e, v in r.items()] for n, r in late.items()
        },
    }
    canvas = Figure(figsize=(10.5, 0.4 * len(early) + 1.2), layout="constrained")
    looks = style.looks({k: k for k in ("mip", "mppi", "zero")})
    names = list(early)
    for ax, (title, found) in zip(canvas.subplots(1, 2, sharey=True), parts.items(), strict=True):
        for name, values in found.items():
            i, look = names.index(name), looks.get(name.split(" ")[0], looks["zero"])
            told = statistics.bootstrap([values], statistics.mean)
            mark = "o" if look.marker == "x" else look.marker
            ax.plot(values, [i] * len(values), mark, color=look.light, ms=4, alpha=0.4)
            ax.plot([told.low, told.high], [i, i], color=look.light, lw=2.2)
            ax.plot(told.value, i, mark, color=look.light, ms=9)
        ax.set(xlabel="return of a step", xlim=(0, 1.03), title=title)
        ax.grid(axis="x", color=style.GRID, lw=0.6)
        ax.spines[["top", "right"]].set_visible(False)
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.5, -0.5)
    canvas.suptitle("Large: mean and 95 % interval; small: episodes", fontsize=10)
    return write_atomic(options.out.with_suffix(".png"), learning.png(canvas))


if __name__ == "__main__":
    sys.exit(main())
