"""Small policies verified from boxes of starts: what is decided, and what it costs.

A linear feedback, clipped to the action box, is put into a network of 16 + 16 ReLUs by regression;
that network and a sparse model are verified together by `sparsectl verify`. On WallPole the
feedback is the one that its terminal set is made with, on CartPole the linear-quadratic regulator
of the sparse model at the upright pole.

python -m scripts.closed_loop.verify_maps
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.linalg

from scripts import study
from scripts.closed_loop.runs import Run, configured, prepared
from scripts.study import RESULTS, RUNS, Row
from sparsectl import dynamics, experiment
from sparsectl.cli.options import Parsed
from sparsectl.cli.verify import VerifyOptions, verify
from sparsectl.dynamics.lower import lower
from sparsectl.files import csv_text, write_atomic
from sparsectl.policies import checkpoint
from sparsectl.policies.config import FitConfig
from sparsectl.policies.network import NetworkConfig, PolicyNetwork
from sparsectl.policies.regression import fit
from sparsectl.verify.config import VerifyConfig

ROWS, CARTPOLE = 20_000, "scripts/closed_loop/verify_cartpole.yaml"


@dataclass(frozen=True, kw_only=True)
class Options(study.Options):
    out: Path = RESULTS / "verify_maps.jsonl"
    runs: Path = RUNS
    seconds: float = 600.0
    """For all questions about one task, wall-clock; the map has 60 % of it."""


@dataclass(frozen=True)
class Question:
    """A task, its model, from where, and how many steps."""

    config: str
    relus: int
    steps: int
    starts: str
    reach: tuple[float, ...]
    """States that the policy learns from are even within these sizes."""
    axes: tuple[str, str]


QUESTIONS = {
    "wallpole": Question(
        "wallpole", 4, 20,
        "position: [-.05, .05], angle: [-.1, .1], velocity: [-.1, .1], spin: [-.3, .3]",
        (0.5, np.pi / 10, 1.0, 1.0), ("angle", "spin"),
    ),
    "cartpole": Question(
        CARTPOLE, 6, 10,
        "position: [-.3, .3], velocity: [-.3, .3], sine: [-.25, .25], cosine: [.97, 1], "
        "spin: [-1, 1]",
        (0.6, 1.5, 0.5, 1.0, 4.0), ("sine", "spin"),
    ),
}  # fmt: skip


def main(argv: list[str] | None = None) -> int:
    """Verify what is missing, then write the table."""
    options = study.parse(Options, __doc__, argv)
    rows = study.run(options, [{"task": name} for name in QUESTIONS], answer)
    write_atomic(options.out.with_suffix(".csv"), csv_text(rows))
    heads = ["task", "steps", "safe", "violates", "mixed", "undecided", "boxes", "map", "cost",
             "violation", "regret", "safe in simulation", "violates in simulation"]  # fmt: skip
    parts = ["# Policies verified", (__doc__ or "").split("\n\n")[1]]
    table = study.table(heads, [_line(row) for row in rows])
    study.page(options.out.with_suffix(".md"), *parts, table)
    return 0


def answer(unit: Row, options: Options) -> Row:
    """Everything about one task."""
    asked = QUESTIONS[unit["task"]]
    (config,) = configured([asked.config]).values()
    run = prepared(config, options.runs)
    path = _policy(config, run, asked)
    settings = VerifyConfig(
        controller="feedback", steps=asked.steps, seconds=options.seconds, replays=50
    )
    config = dataclasses.replace(
        config, controllers={"feedback": {"kind": "policy", "path": str(path)}}, verify=settings
    )
    own = VerifyOptions(
        config=Path(asked.config), runs=options.runs, from_=asked.starts, axes=asked.axes,
        checkpoint=str(run.member(asked.relus)),
    )  # fmt: skip
    result = verify(Parsed(config, run.folder, True, own))
    picture = run.folder / "verify" / "feedback" / "verify.png"
    name = f"{options.out.stem}_{unit['task']}.png"
    write_atomic(options.out.with_name(name), picture.read_bytes())
    facts = result.facts()
    rows: Row = {"steps": asked.steps, **facts["map"]["shares"], "boxes": facts["map"]["boxes"],
                 "map_s": facts["map"]["seconds"], "cpu_s": facts["cpu_seconds"]}  # fmt: skip
    for what in ("cost", "violation", "regret"):
        worst = facts[what] or {}
        rows |= {what: worst.get("value"), f"{what}_bound": worst.get("bound")}
    for kind in ("safe", "violates"):
        those = [c for c in result.checks if c["what"] == kind]
        kept = [c["environment"]["violated"] is None for c in those]
        rows |= {f"{kind}_played": len(those), f"{kind}_kept": sum(kept)}
    differ = [abs(c["value"] - _again(c)) for c in result.checks if c["value"] and _again(c)]
    return {**rows, "repeats_to": max(differ, default=0.0)}


def _again(check: Row) -> float:
    """The same value from the model, decision by decision; 0 of a regret."""
    if check["what"] == "cost":
        return float(check["model"]["cost"])
    return float((check["model"]["violated"] or {"by": 0.0})["by"]) * (check["what"] != "regret")


def _policy(config: experiment.Experiment, run: Run, asked: Question) -> Path:
    """The feedback as a network, in the run's folder."""
    path = run.folder / "feedback"
    if (path / "meta.json").is_file():
        return path
    task, rng = experiment.check(config), np.random.default_rng(0)
    states = rng.uniform(-1, 1, (ROWS, len(asked.reach))) * asked.reach
    if asked.config == CARTPOLE:
        states[:, 3] = np.sqrt(1 - states[:, 2] ** 2)
        gains = _regulator(lower(dynamics.load(run.member(asked.relus))[0]))
    else:
        gains = task.problem(np.zeros(4), 1).constraints.G[8]
    actions = np.clip(states @ gains, task.u_low[0], task.u_high[0])[:, None]
    network = PolicyNetwork(NetworkConfig((16, 16)), states.shape[1], task.u_low, task.u_high)
    fitted = fit(
        network, states, actions, np.arange(ROWS), FitConfig(epochs=60, batch_size=256), seed=0
    )
    meta = {"env_id": config.env.id, "made_by": "regression", "held_out": fitted.held_out}
    return checkpoint.save(network, path, meta)


def _regulator(program: Any) -> np.ndarray:
    """Gains of the linear-quadratic regulator of the model at the upright pole."""
    upright, free = np.array([0.0, 0.0, 0.0, 1.0, 0.0]), [0, 1, 2, 4]
    M = program.affine(program.evaluate(np.append(upright, 0.0))[1] > 0)[0]
    A, B = M[np.ix_(free, free)], M[np.ix_(free, [5])]
    weight = np.diag([1.0, 0.1, 3.0, 0.1])
    P = scipy.linalg.solve_discrete_are(A, B, weight, np.array([[0.1]]))
    gains = np.zeros(5)
    gains[free] = -np.linalg.solve(B.T @ P @ B + 0.1, B.T @ P @ A)[0]
    return gains


def _line(row: Row) -> Sequence[Any]:
    def sides(what: str) -> str:
        if row[what] is None:
            return ""
        bound = row[f"{what}_bound"]
        return f"{row[what]:.3g} to " + ("?" if bound is None else f"{bound:.3g}")

    shares = [f"{100 * row[k]:.1f} %" for k in ("safe", "violates", "mixed", "undecided")]
    played = [f"{row[f'{k}_kept'] if k == 'safe' else row[f'{k}_played'] - row[f'{k}_kept']} of "
              f"{row[f'{k}_played']}" for k in ("safe", "violates")]  # fmt: skip
    return [row["task"], row["steps"], *shares, row["boxes"], f"{row['map_s']:.0f} s",
            *map(sides, ("cost", "violation", "regret")), *played]  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
