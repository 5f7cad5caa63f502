"""Does a circuit help a planner, and a planner a circuit? Closed loop on Swim; resumable.

    python -m scripts.swim.planning

Trains the model of `configs/swim_model.yaml` and its sparsified version first, unless that is
done. Work per decision is limited instead of time (but for MIP over 20 steps), so results repeat
on any machine; the table says what it costs. Every controller plays the same episodes.
"""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from scripts import study
from scripts.study import RESULTS, RUNS, Row
from sparsectl import cli, control, dynamics, experiment, seeding
from sparsectl.cli.options import find
from sparsectl.dynamics.lower import programs
from sparsectl.evaluate.episode import run_episode
from sparsectl.report import statistics
from sparsectl.types import Plan

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


@dataclass(frozen=True, kw_only=True)
class Options(study.Options):
    out: Path = RESULTS / "swim_planning.jsonl"
    episodes: int = 5
    steps: int = 200
    sparse: str = "16"
    """Member of the sparsified family that mip plans with."""
    only: tuple[Literal[tuple(CONTROLLERS)], ...] = tuple(CONTROLLERS)
    runs: Path = RUNS


def main(argv: list[str] | None = None) -> int:
    """Train and play what is missing, then report."""
    options = study.parse(Options, __doc__, argv)
    for stage in () if options.report_only else ("collect", "train", "sparsify"):
        if cli.main([stage, "--config", "swim_model", "--runs", str(options.runs)]):
            return 1
    units = (
        {"controller": name, "episode": episode}
        for name in options.only for episode in range(options.episodes)
    )  # fmt: skip
    rows = study.run(options, units, _play)
    _write(rows, options)
    return 0


@functools.cache
def _player(name: str, options: Options) -> tuple[experiment.Experiment, control.Controller]:
    config = experiment.load(find("swim_model"))
    (entry, circuit), folder = CONTROLLERS[name], options.runs / config.name
    sparse = folder / "sparse" / options.sparse
    model = dynamics.load(sparse if entry["kind"] == "mip" else folder / "model")[0]
    entry = {**entry, "proposal": _circuit(config, circuit)}
    task = experiment.check(config)
    return config, control.build("it", entry, task, model, programs(model), config.horizon, "cpu")


def _circuit(config: experiment.Experiment, name: str | None) -> dict[str, Any] | None:
    source = config.controllers["circuit"]["proposal"]
    return {None: None, SIX: source, PAPER: {"body": source["body"]}}[name]


def _play(unit: Row, options: Options) -> Row:
    """One episode; costs are means over decisions, of the proposal and of the plan that acted."""
    name, episode = unit["controller"], unit["episode"]
    config, player = _player(name, options)
    steps = EARLY if CONTROLLERS[name][0]["kind"] == "mip" else options.steps
    costs: list[tuple[float, float]] = []
    rewards: list[float] = []  # of the step before each decision: a function of the observation

    def keep(_: int, observation: np.ndarray, __: control.ControllerState, plan: Plan) -> None:
        costs.append((plan.info.get("proposal_cost", np.nan), plan.cost))
        rewards.append(float(np.clip(-observation[FORWARD] / SPEED, 0.0, 1.0)))

    seed, started = seeding.EVALUATION_SEED + episode, time.process_time()
    row = run_episode(
        config.env.id, config.env.kwargs, player, seed, steps=steps, on_decision=keep,
        controller_seed=seeding.integer(config.seed, "controller", episode),
    )  # fmt: skip
    spent = (time.process_time() - started) / max(len(costs), 1)
    proposed, planned = np.mean(costs, axis=0)
    early = sum(rewards[1 : EARLY + 1]) if steps > EARLY else row["return"]
    return {
        "seed": seed, "steps": len(costs), "early": round(early, 3),
        "return": round(row["return"], 3), "cpu_ms": round(1e3 * spent, 1),
        "proposed": round(proposed, 4) if np.isfinite(proposed) else None,
        "planned": round(planned, 4),
    }  # fmt: skip


def _returns(rows: list[Row], column: str) -> dict[str, dict[int, float]]:
    """Return by episode, of each controller that was played, in the order of the table."""
    runs, found = study.groups(rows, "controller"), {}
    for name in CONTROLLERS:
        mine = runs.get((name,), [])
        if column == "return":
            mine = [r for r in mine if r["steps"] > EARLY]
        if mine:
            found[name] = {r["episode"]: r[column] for r in mine}
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


def _write(rows: list[Row], options: Options) -> None:
    early, late, lines = _returns(rows, "early"), _returns(rows, "return"), []
    for name, returns in early.items():
        mine = study.groups(rows, "controller")[name,]
        proposed, planned, spent = (
            np.mean([np.nan if r[c] is None else r[c] for r in mine])
            for c in ("proposed", "planned", "cpu_ms")
        )
        plain, circuit = name.split(" from ")[0], CONTROLLERS[name][1]
        costs = f"{proposed:.2f}, {planned:.2f}" if np.isfinite(proposed) else f"–, {planned:.2f}"
        found = late if name in late else early
        lines.append([
            name, _mean(returns.values()), _mean(late[name].values()) if name in late else "–",
            _difference(found, name, plain), _difference(found, name, circuit),
            "–" if name == circuit else costs, f"{spent:.0f}",
        ])  # fmt: skip
    heads = ["controller", f"first {EARLY}", f"{options.steps} steps", "against planning alone"]
    heads += ["against its circuit alone", "costs: proposed, planned", "CPU ms a decision"]
    study.page(
        options.out.with_suffix(".md"),
        "# Circuits and planning",
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
        study.table(heads, lines),
    )


if __name__ == "__main__":
    sys.exit(main())
