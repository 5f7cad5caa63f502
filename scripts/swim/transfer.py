"""Trained circuits on other bodies, in other fluids, with lost senses and cut parts; resumable.

    python -m scripts.swim.transfer

Takes the trained weights from the results of `swim_study.py`; nothing is trained here.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import torch

from scripts.study import RESULTS
from scripts.swim.variants import VARIANTS, trained
from sparsectl.circuits.rollout import trials
from sparsectl.files import append_line, read_json_lines, write_atomic
from sparsectl.report import statistics

CONDITIONS = trials.standard(
    links=(4, 5, 8, 10, 12, 14),
    viscosities=(0.001, 0.01, 0.1),
    lesions=(
        "proprioception",
        "oscillator",
        "reflex",
        "onset",
        "proprioceptor:0",
        "proprioceptor:2",
    ),
    lost=(1,),
    noise=(0.05, 0.2),
)


def main(argv: list[str] | None = None) -> int:
    """Play what is missing, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    add = parser.add_argument
    add("--variants", nargs="+", default=["circuit_cma", "stretch_cma", "long_cma", "posture_cma"])
    add("--episodes", type=int, default=5)
    add("--study", type=Path, default=RESULTS / "swim.jsonl")
    add("--out", type=Path, default=RESULTS / "swim_transfer.jsonl")
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    for run in read_json_lines(options.study):
        if run["variant"] in options.variants:
            _play(run, options)
    _table(read_json_lines(options.out), options)
    return 0


def _play(run: dict, options: argparse.Namespace) -> None:
    done = {(r["variant"], r["seed"]) for r in read_json_lines(options.out)}
    if (run["variant"], run["seed"]) in done:
        return
    study = VARIANTS[run["variant"]]
    circuit = trained(run)
    config = circuit.config
    there = {"reflex": config.reflex > 0, "onset": config.onset == "posture"}
    wanted = [t for t in CONDITIONS if all(there.get(part, True) for part in t.lesions)]
    rows = trials.run(circuit, study.env, wanted, episodes=options.episodes)
    told = {row["trial"]: row["return_mean"] for row in rows}
    keys = {"variant": run["variant"], "seed": run["seed"], "episodes": options.episodes}
    append_line(options.out, json.dumps({**keys, "returns": told}))
    print(run["variant"], run["seed"], {k: round(v) for k, v in told.items()}, file=sys.stderr)


def _table(rows: list[dict], options: argparse.Namespace) -> None:
    names = list(dict.fromkeys(r["variant"] for r in rows))
    lines = [
        "# Trained circuits under other conditions",
        "",
        f"Mean return of {options.episodes} episodes, interquartile mean over training seeds "
        "(least and largest); trained on 6 links only, without viscosity, with all senses. Again: "
        "`python -m scripts.swim.transfer`",
        "",
        "| condition | " + " | ".join(names) + " |",
        "| --- | " + " | ".join("---:" for _ in names) + " |",
    ]
    for trial in CONDITIONS:
        cells = []
        for name in names:
            values = [r["returns"].get(trial.name) for r in rows if r["variant"] == name]
            good = [v for v in values if v is not None]
            middle = float(statistics.iqm(good)) if good else 0.0
            cells.append(f"{middle:.0f} ({min(good):.0f}–{max(good):.0f})" if good else "–")
        lines.append(f"| {trial.name} | " + " | ".join(cells) + " |")
    path = write_atomic(options.out.with_suffix(".md"), "\n".join(lines) + "\n")
    print(path, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
