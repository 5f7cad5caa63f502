"""Trained policies, imitation, and planners on the dense and on a sparse model: one table.

    python -m scripts.closed_loop.baselines --tasks reacher cartpole

Some of the players again, by processor time where the machine has other work; rows of others stay:

    python -m scripts.closed_loop.baselines --tasks pusht_easy --players mip --clock cpu

Per task: the stages of a run, a policy by reinforcement learning for every seed, one that imitates
the planner on the dense model, and a comparison of all on the same episodes. Every stage is a
command that is printed before it runs, and is not done again.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import yaml

from scripts import study
from scripts.closed_loop.imitation import call
from scripts.mip.clock import count_cpu_seconds
from scripts.study import CONFIGS, RESULTS, Row
from sparsectl import experiment
from sparsectl.cli.stages import model_name
from sparsectl.config import load_yaml
from sparsectl.files import csv_text, write_atomic

FIRST = 200
"""Of the episodes that are played: none that a setting was chosen on."""
TEACHER = {"kind": "cem", "samples": 128, "iterations": 6}
"""Who is imitated: it counts no seconds, so that labels repeat."""

PPO = {"algorithm": {"kind": "ppo"}, "steps": 200_000}
TD3 = {"algorithm": {"kind": "td3"}, "steps": 40_000}
"""Where PPO learns nothing."""


@dataclass(frozen=True, kw_only=True)
class Options(study.Options):
    out: Path = RESULTS / "baselines.csv"
    tasks: tuple[str, ...] = ()
    """Which; empty: all."""
    runs: Path = study.RUNS
    episodes: int = 20
    seeds: tuple[int, ...] = (0, 1, 2)
    """Of reinforcement learning."""
    players: tuple[str, ...] = ()
    """Which, by the names in the table; empty: all."""
    clock: Literal["cpu", "wall"] = "wall"
    """What the time of a decision counts; cpu: seconds of one thread, one episode at a time."""


@dataclass(frozen=True)
class Case:
    """A task and who plays on it.

    Attributes:
        counts: ReLUs of the members that are made.
        relus: of the one that is planned with exactly.
        sampler: the best sampler on the dense model, by earlier comparisons.
        budget: of a decision [s].
        rounds: of imitation.
        policy: settings of reinforcement learning.
    """

    task: str
    counts: tuple[int, ...]
    relus: int
    sampler: tuple[str, Row]
    budget: float = 0.1
    rounds: int = 12
    policy: Row = field(default_factory=lambda: PPO)


CASES = [
    Case("reacher", (24,), 24, ("mppi", {})),
    Case("rope", (24,), 24, ("mppi", {}), rounds=16),
    Case("cartpole", (24,), 24, ("cem", {}), policy=TD3),
    Case("wallpole", (8, 4), 4, ("mppi", {}), 0.3),
    Case("flyer", (8, 4), 8, ("mppi", {"cost_to_go": "geodesic"}), 0.3),
    Case("pusht_easy", (24,), 24, ("mppi", {})),
]


def main(argv: Sequence[str] | None = None) -> int:
    """Make and play what is missing, then write the table."""
    options = study.parse(Options, __doc__, argv)
    rows: list[Row] = study.csv_rows(options.out)
    if options.clock == "cpu":
        count_cpu_seconds()
    for case in CASES:
        if not options.report_only and (not options.tasks or case.task in options.tasks):
            play(case, options)
            own = study.csv_rows(options.runs / case.task / "compare" / "summary.csv")
            if not options.players:
                rows = [r for r in rows if r["task"] != case.task]
            rows += [{"task": case.task, "budget": case.budget, **r} for r in own]
            rows = study.latest(rows, "task", "controller")
            write_atomic(options.out, csv_text(rows))
    return 0


def play(case: Case, options: Options) -> None:
    """All stages of a task that its players need."""
    config = _config(case, options)
    playing = experiment.load(config).controllers
    call("collect", config, options)
    call("train", config, options)
    if "mip" in playing:
        call("sparsify", config, options, "--sparsify.counts", *map(str, case.counts))
    if any(str(entry.get("path", "")).startswith("policy") for entry in playing.values()):
        call("policy train", config, options)
    if "imitation" in playing:
        call("policy imitate", config, options, "--controller", "teacher")
    call("compare", config, options)


def _config(case: Case, options: Options) -> Path:
    """The task's config with all who play, as a file in the folder of runs."""
    bundled = CONFIGS / f"{case.task}.yaml"
    dense = model_name(experiment.load(bundled))
    data = load_yaml(bundled)
    kind, settings = case.sampler
    several, algorithm = len(options.seeds) > 1, case.policy["algorithm"]["kind"]
    learnt = {f"{algorithm}_{s}": f"policy_{s}" if several else "policy" for s in options.seeds}
    players = {
        "mip": {"models": ["sparse"]},
        kind: {**settings, "models": [dense]},
        "teacher": {**TEACHER, "models": [dense]},
        "imitation": {"kind": "policy", "path": "imitation", "models": [dense]},
        **{n: {"kind": "policy", "path": p, "models": [dense]} for n, p in learnt.items()},
    }
    unknown = set(options.players) - set(players)
    if unknown:
        raise SystemExit(f"--players: no {', '.join(sorted(unknown))} among {', '.join(players)}")
    asked = options.players or tuple(players)
    learner = {"imitate": {"controller": "teacher", "rounds": case.rounds}}
    if "imitation" in asked:
        asked, data = (*asked, "teacher"), data | learner
    data |= {
        "controllers": {n: entry for n, entry in players.items() if n in asked},
        "policy": {**case.policy, "seeds": list(options.seeds)},
    }
    data["evaluate"] = {
        **data.get("evaluate", {}), "episodes": options.episodes, "first_episode": FIRST,
        "budget": case.budget, "clips": 0, "planned_states": 0,
        "models": {"sparse": f"sparse/{case.relus}"} if "mip" in asked else {},
    }  # fmt: skip
    if options.clock == "cpu":
        data["evaluate"] |= {"engine": "serial", "workers": 1}
    path = options.runs / f"{case.task}_baselines.yaml"
    write_atomic(path, yaml.safe_dump(data, sort_keys=False))
    return path


if __name__ == "__main__":
    sys.exit(main())
