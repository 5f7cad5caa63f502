"""What trained circuits lose of the full return, and when, from starts of their own; resumable.

    python -m scripts.swim.starts

Takes the trained weights from the results of `swim_study.py`; nothing is trained here. The starts
are neither those of evaluations, by which the circuits were designed, nor those of training.
"""

from __future__ import annotations

import argparse
import json
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch

from scripts.study import RESULTS
from scripts.swim.variants import SWIM, VARIANTS, trained
from sparsectl.circuits.policy.base import MotorPolicy
from sparsectl.circuits.rollout.batch import open_batch
from sparsectl.files import append_line, read_json_lines, write_atomic
from sparsectl.report import statistics

FIRST = 2**31
"""Reset seeds from here on: beyond those of evaluation and of training."""
STARTS, STEPS = 100, 1000
EDGES = (0, 10, 20, 40, 80, 200, STEPS)
"""Control steps between which losses are added up."""
ONSETS = {"dorsal": "always dorsal", "posture": "by posture"}
"""Every circuit is played with both, whichever it was trained with."""


def main(argv: list[str] | None = None) -> int:
    """Play what is missing, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    add = parser.add_argument
    names = ["circuit_cma", "stretch_cma", "posture_cma"]
    add("--variants", nargs="+", choices=list(VARIANTS), default=names)
    add("--study", type=Path, default=RESULTS / "swim.jsonl")
    add("--out", type=Path, default=RESULTS / "swim_starts.jsonl")
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    for run in read_json_lines(options.study):
        if run["variant"] in options.variants:
            for onset in ONSETS:
                _play(run, onset, options.out)
    path = options.out.with_suffix(".md")
    print(write_atomic(path, _table(read_json_lines(options.out))), file=sys.stderr)
    return 0


def _play(run: dict[str, Any], onset: str, out: Path) -> None:
    keys = {"variant": run["variant"], "seed": run["seed"], "onset": onset}
    if any(keys.items() <= row.items() for row in read_json_lines(out)):
        return
    rewards = _rewards(trained(run, onset=onset))
    lost = [float((1 - rewards[a:b]).sum(0).mean()) for a, b in pairwise(EDGES)]
    totals = rewards.sum(0)
    told = {"return": float(totals.mean()), "worst": float(totals.min()), "lost": lost}
    append_line(out, json.dumps({**keys, **told}))
    print(keys, round(told["return"], 1), file=sys.stderr, flush=True)


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


def _table(rows: list[dict[str, Any]]) -> str:
    spans = [f"{low}–{high}" for low, high in pairwise(EDGES)]
    lines = [
        "# Where trained circuits lose",
        "",
        f"Swim, 6 links, {STARTS} starts that neither training nor any evaluation used. Every "
        "circuit begins its first cycle on the dorsal side or by posture (on the side that it is "
        "not bent to), with the same weights. Return: interquartile mean over training seeds (95 % "
        "interval) of the mean; then what is lost of the full return between control steps of "
        ".03 s, mean over seeds and starts. Again: `python -m scripts.swim.starts`",
        "",
        "| trained as | begins | seeds | return | worst start | " + " | ".join(spans) + " |",
        "| --- | --- |" + " ---: |" * (3 + len(spans)),
    ]
    for name, onset in dict.fromkeys((r["variant"], r["onset"]) for r in rows):
        mine = [r for r in rows if (r["variant"], r["onset"]) == (name, onset)]
        told = statistics.bootstrap([[r["return"] for r in mine]])
        lost = " | ".join(f"{v:.1f}" for v in np.mean([r["lost"] for r in mine], axis=0))
        value = f"{told.value:.0f} ({told.low:.0f}–{told.high:.0f})"
        worst = min(r["worst"] for r in mine)
        lines.append(f"| {name} | {ONSETS[onset]} | {len(mine)} | {value} | {worst:.0f} | {lost} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
