"""Learning curves of circuits and networks that learn to swim; resumable.

    python -m scripts.swim.study --variants circuit_cma stretch --seeds 0 1 2 3 4
    python -m scripts.swim.study --report-only

Every (variant, seed) is a run of its own in `--runs`, saved at every evaluation: the same command
goes on. Curves of finished runs go to `--out`, and from there to the table and the figure.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import torch

from scripts.study import RESULTS, RUNS
from scripts.swim import report
from scripts.swim.variants import RANDOM, VARIANTS
from sparsectl.circuits import RandomPolicy, curve, experiment
from sparsectl.circuits.experiment import SwimExperiment
from sparsectl.circuits.policy.vector import flatten
from sparsectl.circuits.rollout.env_spec import EnvSpec, episode_steps
from sparsectl.circuits.rollout.returns import Rollouts
from sparsectl.errors import SparsectlError
from sparsectl.files import append_line, read_json_lines


def main(argv: list[str] | None = None) -> int:
    """Run what is missing, then report."""
    options = _parse(argv)
    torch.set_num_threads(1)
    started = time.perf_counter()
    for seed in [] if options.report_only else options.seeds:
        for name in options.variants:
            if options.budget_seconds and time.perf_counter() - started > options.budget_seconds:
                print("budget spent; start again to go on", file=sys.stderr)
                break
            if name in RANDOM:
                play_random(name, seed, options.out)
            else:
                run(VARIANTS[name], seed, options.runs, options.out)
    order = [*VARIANTS, *RANDOM]
    rows = [r for r in read_json_lines(options.out) if r["variant"] in order]
    rows.sort(key=lambda r: order.index(r["variant"]))
    if not rows:
        print(f"no finished runs in {options.out}", file=sys.stderr)
        return 1
    report.write(rows, options.out.with_suffix(""))
    print(options.out.with_suffix(".md"), file=sys.stderr)
    return 0


def run(variant: SwimExperiment, seed: int, runs: Path, out: Path) -> None:
    """Train one seed of a variant, unless it is in `out`; what was started goes on."""
    name, folder = variant.name, runs / variant.name / str(seed)
    if (name, seed) in {(r["variant"], r["seed"]) for r in read_json_lines(out)}:
        return
    try:
        policy, rows = experiment.train(variant, seed, folder)
    except SparsectlError as error:
        print(f"{name} seed {seed}: {error}", file=sys.stderr)
        return
    weights = flatten(policy).tolist() if policy.count <= 100 else None
    keys = ("steps", "return_mean", "return_min", "return_max")
    spent = rows[-1].get("cpu_seconds")
    row = {
        "variant": name,
        "seed": seed,
        "parameters": policy.count,
        "curve": [{k: point[k] for k in keys} for point in rows],
        "weights": weights,
        "period": getattr(policy, "steps_per_cycle", lambda: None)(),
        "cpu_seconds": None if spent is None else round(spent, 1),
    }
    append_line(out, json.dumps(row))
    last = rows[-1]
    print(
        f"{name} seed {seed}: {rows[0]['return_mean']:.0f} -> {last['return_mean']:.1f} after "
        f"{last['steps']} steps, CPU s: {row['cpu_seconds']}",
        file=sys.stderr,
        flush=True,
    )


def play_random(name: str, seed: int, out: Path) -> None:
    """Returns of uniformly random actions, which no training changes."""
    if (name, seed) in {(r["variant"], r["seed"]) for r in read_json_lines(out)}:
        return
    spec: EnvSpec = RANDOM[name]
    policy = RandomPolicy(experiment.body(SwimExperiment(name, env=spec)), seed)
    with Rollouts(spec, episode_steps(spec)) as rollouts:
        played = rollouts.returns(policy, flatten(policy).numpy()[None], curve.evaluation_seeds(10))
    point = curve.point(0, 0.0, played.values[0])
    keys = ("steps", "return_mean", "return_min", "return_max")
    row = {"variant": name, "seed": seed, "parameters": 0, "curve": [{k: point[k] for k in keys}]}
    append_line(out, json.dumps(row))


def _parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--variants", nargs="+", choices=[*VARIANTS, *RANDOM], default=[*VARIANTS, *RANDOM])
    add("--seeds", nargs="+", type=int, default=[0, 1, 2, 3, 4])
    add("--runs", type=Path, default=RUNS / "swim")
    add("--out", type=Path, default=RESULTS / "swim.jsonl")
    add("--budget-seconds", type=float, help="start no new run after this long")
    add("--report-only", action="store_true")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
