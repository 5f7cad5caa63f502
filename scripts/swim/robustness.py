"""Return against lost sensors, noise, viscosity and number of links; resumable.

    python -m scripts.swim.robustness --runs runs/swim

Circuits are played with the weights that `swim_study.py` wrote down, networks with the policies
in its runs. What `swim_transfer.py` has played before is taken from there.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure

from scripts.study import RESULTS, RUNS
from scripts.swim.variants import SWIM, VARIANTS, trained
from sparsectl.circuits import learning
from sparsectl.circuits.experiment import policy
from sparsectl.circuits.policy import checkpoint
from sparsectl.circuits.policy.base import MotorPolicy
from sparsectl.circuits.policy.circuit import Circuit
from sparsectl.circuits.rollout import trials
from sparsectl.files import append_line, read_json_lines, write_atomic
from sparsectl.report import style

UNTRAINED = "untrained"
NAMES = {
    "posture_cma": "six parameters, trained",
    "circuit_cma": "paper's circuit, trained",
    UNTRAINED: "paper's circuit, untrained",
    "mlp256_td3": "MLP 256 + 256, TD3",
    "mlp64_clock_ppo": "MLP 64 + 64 with clock, PPO",
}
NETWORKS = ("mlp256_td3", "mlp64_clock_ppo")
AXES: dict[str, dict[float, str]] = {
    "lost sensor (joint; 0 at the head)": {j: f"sensor {j} lost" for j in range(5)},
    "sensor noise [rad]": {0.0: "as trained"}
    | {v: f"sensor noise {v:g} rad" for v in (0.05, 0.2, 0.4)},
    "viscosity [Pa s]": {0.0: "as trained"} | {v: f"viscosity {v:g}" for v in (0.001, 0.01, 0.1)},
    "links": {n: f"{n} links" if n != 6 else "as trained" for n in (4, 5, 6, 8, 10, 12, 14)},
}
TRIALS = trials.standard(
    links=(4, 5, 8, 10, 12, 14),
    viscosities=(0.001, 0.01, 0.1),
    lost=range(5),
    noise=(0.05, 0.2, 0.4),
)


def main(argv: list[str] | None = None) -> int:
    """Play what is missing, then draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    add = parser.add_argument
    add("--seeds", nargs="+", type=int, default=[0, 1, 2], help="training seeds")
    add("--episodes", type=int, default=5)
    add("--runs", type=Path, default=RUNS / "swim", help="of swim_study.py")
    add("--results", type=Path, default=RESULTS)
    add("--report-only", action="store_true")
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    out = options.results / "swim_robustness.jsonl"
    if not options.report_only:
        for name, seed, player in _players(options):
            _play(name, seed, player, options, out)
    told = _told(options, out)
    print(_figure(told, options.results / "swim_robustness.png"), file=sys.stderr)
    print(_table(told, options.results / "swim_robustness.md", options), file=sys.stderr)
    return 0


def _players(options: argparse.Namespace) -> Iterator[tuple[str, int, MotorPolicy]]:
    yield UNTRAINED, 0, policy(VARIANTS["circuit_cma"], 0)
    for run in read_json_lines(options.results / "swim.jsonl"):
        name, seed = run["variant"], run["seed"]
        if name not in NAMES or seed not in options.seeds:
            continue
        if name in NETWORKS:
            folder = options.runs / name / str(seed) / "policy"
            if folder.is_dir():
                yield name, seed, checkpoint.load(folder)[0]
            else:
                print(f"no policy in '{folder}': left out", file=sys.stderr)
        else:
            yield name, seed, trained(run)


def _play(
    name: str, seed: int, player: MotorPolicy, options: argparse.Namespace, out: Path
) -> None:
    known = set()
    for row in (*read_json_lines(options.results / "swim_transfer.jsonl"), *read_json_lines(out)):
        if (row["variant"], row["seed"]) == (name, seed):
            known |= set(row["returns"])
    wanted = [t for t in TRIALS if t.name not in known]
    if not isinstance(player, Circuit):  # a network fits one body only
        wanted = [t for t in wanted if "links" not in t.kwargs]
    if not wanted:
        return
    rows = trials.run(player, SWIM, wanted, episodes=options.episodes)
    told = {row["trial"]: row["return_mean"] for row in rows}
    keys = {"variant": name, "seed": seed, "episodes": options.episodes}
    append_line(out, json.dumps({**keys, "returns": told}))
    print(name, seed, {k: round(v or 0) for k, v in told.items()}, file=sys.stderr, flush=True)


def _told(options: argparse.Namespace, out: Path) -> dict[str, dict[str, list[float]]]:
    """Returns of each training seed, by policy and condition."""
    told: dict[str, dict[str, dict[int, float]]] = {name: {} for name in NAMES}
    for row in (*read_json_lines(options.results / "swim_transfer.jsonl"), *read_json_lines(out)):
        if row["variant"] in told and row["seed"] in options.seeds:
            for condition, value in row["returns"].items():
                told[row["variant"]].setdefault(condition, {})[row["seed"]] = value or 0.0
    return {n: {c: list(v.values()) for c, v in rows.items()} for n, rows in told.items() if rows}


def _figure(told: dict[str, dict[str, list[float]]], path: Path) -> Path:
    canvas = Figure(figsize=(10.0, 6.4), layout="constrained")
    axes = canvas.subplots(2, 2, sharey=True).ravel()
    kinds = ("mip", "mppi", "zero", "cem", "gradient")
    looks = style.looks(dict(zip(NAMES, kinds, strict=True)))
    for ax, (label, conditions) in zip(axes, AXES.items(), strict=True):
        for name, rows in told.items():
            shown = {x: rows[c] for x, c in conditions.items() if c in rows}
            if not shown:
                continue
            x, look = list(shown), looks[name]
            ax.plot(
                x, [np.mean(v) for v in shown.values()], ls=look.dash, marker=look.marker, ms=5,
                color=look.light, label=NAMES[name], lw=1.6,
            )  # fmt: skip
            low, high = [min(v) for v in shown.values()], [max(v) for v in shown.values()]
            ax.fill_between(x, low, high, color=look.light, alpha=0.15, lw=0)
        if label.startswith("viscosity"):
            ax.set_xscale("symlog", linthresh=0.001, linscale=0.4)
        if label.startswith("lost"):
            ax.set_xticks(range(5))
        ax.set(xlabel=label, ylim=(0, 1020))
        ax.grid(color=style.GRID, lw=0.6)
        ax.spines[["top", "right"]].set_visible(False)
    for ax in axes[::2]:
        ax.set_ylabel("return of an episode")
    handles, labels = axes[0].get_legend_handles_labels()
    canvas.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    canvas.suptitle("Trained on 6 links, all senses, no viscosity: mean and range of seeds")
    return write_atomic(path, learning.png(canvas))


def _table(
    told: dict[str, dict[str, list[float]]], path: Path, options: argparse.Namespace
) -> Path:
    counts = {n: max(len(v) for v in rows.values()) for n, rows in told.items()}
    heads = [f"{NAMES[n]} ({counts[n]})" for n in told]
    lines = [
        "# Robustness",
        "",
        f"Mean return of {options.episodes} episodes, mean over training seeds (least to largest); "
        "in brackets above how many seeds. Nothing was trained under these conditions; networks "
        "fit one number of links only. Again: `python -m scripts.swim.robustness`",
        "",
        "| condition | " + " | ".join(heads) + " |",
        "| --- | " + " | ".join("---:" for _ in heads) + " |",
    ]
    for trial in TRIALS:
        cells = []
        for rows in told.values():
            v = rows.get(trial.name)
            span = f" ({min(v):.0f}–{max(v):.0f})" if v and len(v) > 1 else ""
            cells.append(f"{np.mean(v):.0f}{span}" if v else "–")
        lines.append(f"| {trial.name} | " + " | ".join(cells) + " |")
    return write_atomic(path, "\n".join(lines) + "\n")


if __name__ == "__main__":
    sys.exit(main())
