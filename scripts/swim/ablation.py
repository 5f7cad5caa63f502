"""What shared weights, fixed signs and equal initial weights are worth before and after learning.

    python -m scripts.swim.ablation

Every combination of the three is a variant of the paper's circuit. Untrained, many draws of the
initial weights are played; trained, a few seeds learn by CMA-ES. Resumable.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import torch

from scripts.study import RESULTS, RUNS
from scripts.swim import study
from scripts.swim.variants import ABLATIONS
from sparsectl.circuits.curve import evaluation_seeds
from sparsectl.circuits.experiment import SwimExperiment, policy
from sparsectl.circuits.policy.vector import flatten
from sparsectl.circuits.rollout import returns as rollout
from sparsectl.files import append_line, read_json_lines, write_atomic

STEPS = 1000


def main(argv: list[str] | None = None) -> int:
    """Play and train what is missing, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    add = parser.add_argument
    add("--seeds", nargs="+", type=int, default=[0, 1, 2])
    add("--draws", type=int, default=20)
    add("--episodes", type=int, default=3)
    add("--runs", type=Path, default=RUNS / "swim_ablation")
    add("--out", type=Path, default=RESULTS / "swim_ablation.jsonl")
    add("--report-only", action="store_true")
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    if not options.report_only:
        for variant in ABLATIONS.values():
            _untrained(variant, options)
            for seed in options.seeds:
                study.run(variant, seed, options.runs, options.out)
    _table(read_json_lines(options.out), options.out.with_suffix(".md"))
    return 0


def _untrained(variant: SwimExperiment, options: argparse.Namespace) -> None:
    """Returns of many draws of the initial weights."""
    name = f"{variant.name} (before learning)"
    if name in {r["variant"] for r in read_json_lines(options.out)}:
        return
    draws = [policy(variant, seed) for seed in range(options.draws)]
    vectors = np.stack([flatten(draw).detach().numpy() for draw in draws])
    seeds = evaluation_seeds(options.episodes)
    values = rollout.returns(draws[0], vectors, variant.env, seeds, STEPS).mean(1)
    keys = {"variant": name, "seed": None, "parameters": draws[0].count}
    row = {**keys, "returns": np.round(values, 1).tolist()}
    append_line(options.out, json.dumps(row))
    print(name, np.round(np.median(values)), file=sys.stderr)


def _table(rows: list[dict], path: Path) -> None:
    steps = max((r["curve"][-1]["steps"] for r in rows if "curve" in r), default=0)
    lines = [
        "# Signs, sharing and initial weights, before and after learning",
        "",
        "The paper's circuit on 6 links. *Shared*: one weight for each kind of synapse, else one "
        "for each joint and side; *signs*: excitatory synapses stay excitatory and inhibitory ones "
        "inhibitory, else free; *initial weights*: all of size 1 (of random sign where signs are "
        f"free), or uniform. Before learning: mean return of {_draws(rows)} draws (median; least "
        f"to largest). After {steps:,} steps of CMA-ES: mean return of 10 episodes for each seed. "
        "Again: `python -m scripts.swim.ablation`",
        "",
        "| weights | signs | initial weights | parameters | before learning | after | seeds |",
        "| --- | --- | --- | ---: | ---: | ---: | ---: |",
    ]
    for name, variant in ABLATIONS.items():
        c = variant.policy
        trained = [r for r in rows if r["variant"] == name]
        before = next((r for r in rows if r["variant"] == f"{name} (before learning)"), None)
        if before is None or not trained:
            continue
        values = np.array(before["returns"])
        after = sorted(r["curve"][-1]["return_mean"] for r in trained)
        lines.append(
            f"| {'shared' if c.sharing == 'shared' else 'per joint and side'} "  # type: ignore[union-attr]
            f"| {'fixed' if c.signed else 'free'} | {c.init} | {before['parameters']} "  # type: ignore[union-attr]
            f"| {values.mean():.0f} ({np.median(values):.0f}; {values.min():.0f}–"
            f"{values.max():.0f}) | {', '.join(f'{v:.0f}' for v in after)} | {len(after)} |"
        )
    print(write_atomic(path, "\n".join(lines) + "\n"), file=sys.stderr)


def _draws(rows: list[dict]) -> int:
    return max((len(r["returns"]) for r in rows if "returns" in r), default=0)


if __name__ == "__main__":
    sys.exit(main())
