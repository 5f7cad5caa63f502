"""What trained circuits lose of the full return, and when, from starts of their own; resumable.

    python -m scripts.swim.starts

Takes the trained weights from the results of `swim_study.py`; nothing is trained here. The starts
are neither those of evaluations, by which the circuits were designed, nor those of training.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from scripts import study
from scripts.study import RESULTS, Row
from scripts.swim.variants import SWIM, VARIANTS, trained
from sparsectl.circuits.policy.base import MotorPolicy
from sparsectl.circuits.rollout.batch import open_batch
from sparsectl.files import read_json_lines
from sparsectl.report import statistics

FIRST = 2**31
"""Reset seeds from here on: beyond those of evaluation and of training."""
STARTS, STEPS = 100, 1000
EDGES = (0, 10, 20, 40, 80, 200, STEPS)
"""Control steps between which losses are added up."""
ONSETS = {"dorsal": "always dorsal", "posture": "by posture"}
"""Every circuit is played with both, whichever it was trained with."""


@dataclass(frozen=True, kw_only=True)
class Options(study.Options):
    out: Path = RESULTS / "swim_starts.jsonl"
    variants: tuple[Literal[tuple(VARIANTS)], ...] = ("circuit_cma", "stretch_cma", "posture_cma")
    study: Path = RESULTS / "swim.jsonl"
    """Rows with the trained weights."""


def main(argv: list[str] | None = None) -> int:
    """Play what is missing, then write the table."""
    options = study.parse(Options, __doc__, argv)
    units = (
        {"variant": r["variant"], "seed": r["seed"], "onset": onset}
        for r in read_json_lines(options.study) if r["variant"] in options.variants
        for onset in ONSETS
    )  # fmt: skip
    _write(study.run(options, units, _play), options.out.with_suffix(".md"))
    return 0


def _play(unit: Row, options: Options) -> Row:
    wanted = {k: unit[k] for k in ("variant", "seed")}
    run = next(r for r in read_json_lines(options.study) if study.has(wanted, r))
    rewards = _rewards(trained(run, onset=unit["onset"]))
    lost = [float((1 - rewards[a:b]).sum(0).mean()) for a, b in pairwise(EDGES)]
    totals = rewards.sum(0)
    return {"return": float(totals.mean()), "worst": float(totals.min()), "lost": lost}


@torch.no_grad()
def _rewards(module: MotorPolicy) -> np.ndarray:
    """Of one episode from every start. Shape (STEPS, STARTS)."""
    batch = open_batch(SWIM, STARTS, STEPS)
    observation, state = batch.reset(range(FIRST, FIRST + STARTS)), module.initial_state(STARTS)
    rewards = np.zeros((STEPS, STARTS))
    for step in range(STEPS):
        action, state = module(torch.from_numpy(observation), state)
        observation, rewards[step] = batch.step(action.numpy())
    batch.close()
    return rewards


def _write(rows: list[Row], path: Path) -> None:
    lines = []
    for (name, onset), mine in study.groups(rows, "variant", "onset").items():
        told = statistics.bootstrap([[r["return"] for r in mine]])
        lost = (f"{v:.1f}" for v in np.mean([r["lost"] for r in mine], axis=0))
        value = f"{told.value:.0f} ({told.low:.0f}–{told.high:.0f})"
        worst = f"{min(r['worst'] for r in mine):.0f}"
        lines.append([name, ONSETS[onset], len(mine), value, worst, *lost])
    heads = ["trained as", "begins", "seeds", "return", "worst start"]
    study.page(
        path,
        "# Where trained circuits lose",
        f"Swim, 6 links, {STARTS} starts that neither training nor any evaluation used. Every "
        "circuit begins its first cycle on the dorsal side or by posture (on the side that it is "
        "not bent to), with the same weights. Return: interquartile mean over training seeds (95 % "
        "interval) of the mean; then what is lost of the full return between control steps of "
        ".03 s, mean over seeds and starts. Again: `python -m scripts.swim.starts`",
        study.table([*heads, *(f"{low}–{high}" for low, high in pairwise(EDGES))], lines, words=2),
    )


if __name__ == "__main__":
    sys.exit(main())
