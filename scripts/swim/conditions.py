"""Trained swimmers on other bodies, in other fluids, with lost senses and cut parts; resumable.

    python -m scripts.swim.conditions --runs runs/swim

Circuits are played with the weights that `swim/study.py` wrote down, networks with the policies in
its runs; nothing is trained here. Two pages: `swim_transfer.md`, circuits only, and
`swim_robustness.md` with its figure, circuits and networks.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from scripts import study
from scripts.study import RESULTS, RUNS, Row
from scripts.swim.variants import SWIM, VARIANTS, trained
from sparsectl.circuits.experiment import policy
from sparsectl.circuits.policy import checkpoint
from sparsectl.circuits.policy.base import MotorPolicy
from sparsectl.circuits.policy.circuit import Circuit
from sparsectl.circuits.rollout import trials
from sparsectl.files import read_json_lines, write_atomic
from sparsectl.report import statistics, style
from sparsectl.report.figure import png

LINKS, VISCOSITIES = (4, 5, 8, 10, 12, 14), (0.001, 0.01, 0.1)
TRANSFER = ("stretch_cma", "long_cma", "circuit_cma", "posture_cma")
CUT = ("proprioception", "oscillator", "reflex", "onset", "proprioceptor:0", "proprioceptor:2")
CONDITIONS = trials.standard(
    links=LINKS, viscosities=VISCOSITIES, lesions=CUT, lost=(1,), noise=(0.05, 0.2)
)
"""Of the circuits."""
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
    "viscosity [Pa s]": {0.0: "as trained"} | {v: f"viscosity {v:g}" for v in VISCOSITIES},
    "links": {n: f"{n} links" if n != 6 else "as trained" for n in (4, 5, 6, 8, 10, 12, 14)},
}
TRIALS = trials.standard(
    links=LINKS, viscosities=VISCOSITIES, lost=range(5), noise=(0.05, 0.2, 0.4)
)
"""Of circuits and networks."""
Returns = dict[str, dict[int, float]]
"""Of each training seed, by condition."""


@dataclass(frozen=True, kw_only=True)
class Options(study.Options):
    out: Path = RESULTS / "swim_conditions.jsonl"
    seeds: tuple[int, ...] = (0, 1, 2)
    """Training seeds of the robustness page; all that are there are on the other one."""
    episodes: int = 5
    runs: Path = RUNS / "swim"
    """Of `swim/study.py`."""
    study: Path = RESULTS / "swim.jsonl"
    """Rows with the trained weights."""


def main(argv: list[str] | None = None) -> int:
    """Play what is missing, then write both pages."""
    options = study.parse(Options, __doc__, argv)
    told: dict[str, Returns] = {}
    for row in study.run(options, _units(options), _play):
        returns = told.setdefault(row["variant"], {})
        for condition, value in row["returns"].items():
            returns.setdefault(condition, {})[row["seed"]] = value or 0.0
    _transfer(told, options)
    _robustness(told, options)
    return 0


def _units(options: Options) -> Iterator[Row]:
    """One of each condition."""
    rows = read_json_lines(options.out)
    done = {(r["variant"], r["seed"], c) for r in rows for c in r["returns"]}
    runs = [(UNTRAINED, 0)]
    runs += [(r["variant"], r["seed"]) for r in read_json_lines(options.study)]
    for name, seed in runs:
        wanted = {t.name for t in CONDITIONS} if name in TRANSFER else set()
        if name in NAMES and seed in options.seeds:
            wanted |= {t.name for t in TRIALS}
        missing = sorted(c for c in wanted if (name, seed, c) not in done)
        if missing:
            yield {"variant": name, "seed": seed, "conditions": missing}


def _player(name: str, seed: int, options: Options) -> MotorPolicy:
    if name == UNTRAINED:
        return policy(VARIANTS["circuit_cma"], 0)
    if name in NETWORKS:
        return checkpoint.load(options.runs / name / str(seed) / "policy")[0]
    wanted = {"variant": name, "seed": seed}
    return trained(next(r for r in read_json_lines(options.study) if study.has(wanted, r)))


def _play(unit: Row, options: Options) -> Row | list[Row]:
    """Returns under the conditions that there can be: a network fits one body only."""
    player = _player(unit["variant"], unit["seed"], options)
    every = {t.name: t for t in (*CONDITIONS, *TRIALS)}
    wanted = [every[name] for name in unit["conditions"]]
    if isinstance(player, Circuit):
        config = player.config
        there = {"reflex": config.reflex > 0, "onset": config.onset == "posture"}
        wanted = [t for t in wanted if all(there.get(part, True) for part in t.lesions)]
    else:
        wanted = [t for t in wanted if "links" not in t.kwargs]
    if not wanted:
        return []
    rows = trials.run(player, SWIM, wanted, episodes=options.episodes)
    told = {row["trial"]: row["return_mean"] for row in rows}
    return {"episodes": options.episodes, "returns": told}


def _transfer(told: dict[str, Returns], options: Options) -> None:
    names, lines = [n for n in TRANSFER if n in told], []
    for trial in CONDITIONS:
        values = [list(told[name].get(trial.name, {}).values()) for name in names]
        lines.append([trial.name, *(
            f"{float(statistics.iqm(v)):.0f} ({min(v):.0f}–{max(v):.0f})" if v else "–"
            for v in values
        )])  # fmt: skip
    study.page(
        options.out.with_name("swim_transfer.md"),
        "# Trained circuits under other conditions",
        f"Mean return of {options.episodes} episodes, interquartile mean over training seeds "
        "(least and largest); trained on 6 links only, without viscosity, with all senses. Again: "
        "`python -m scripts.swim.conditions`",
        study.table(["condition", *names], lines),
    )


def _robustness(told: dict[str, Returns], options: Options) -> None:
    shown = {
        NAMES[n]: {c: [v for s, v in seeds.items() if s in options.seeds]
                   for c, seeds in told[n].items()}
        for n in NAMES if n in told
    }  # fmt: skip
    path = options.out.with_name("swim_robustness.md")
    write_atomic(path.with_suffix(".png"), png(_figure(shown)))
    counts = (f"{n} ({max(len(v) for v in rows.values())})" for n, rows in shown.items())
    lines = []
    for trial in TRIALS:
        cells = []
        for rows in shown.values():
            v = rows.get(trial.name)
            span = f" ({min(v):.0f}–{max(v):.0f})" if v and len(v) > 1 else ""
            cells.append(f"{np.mean(v):.0f}{span}" if v else "–")
        lines.append([trial.name, *cells])
    study.page(
        path,
        "# Robustness",
        f"Mean return of {options.episodes} episodes, mean over training seeds (least to largest); "
        "in brackets above how many seeds. Nothing was trained under these conditions; networks "
        "fit one number of links only. Again: `python -m scripts.swim.conditions`",
        study.table(["condition", *counts], lines),
    )


def _figure(told: dict[str, dict[str, list[float]]]) -> Figure:
    canvas = Figure(figsize=(10.0, 6.4), layout="constrained")
    axes = canvas.subplots(2, 2, sharey=True).ravel()
    kinds = ("mip", "mppi", "zero", "cem", "gradient")
    looks = style.looks(dict(zip(NAMES.values(), kinds, strict=True)))
    for ax, (label, conditions) in zip(axes, AXES.items(), strict=True):
        for name, rows in told.items():
            shown = {x: rows[c] for x, c in conditions.items() if c in rows}
            if not shown:
                continue
            x, look, values = list(shown), looks[name], list(shown.values())
            ax.plot(
                x, [np.mean(v) for v in values], ls=look.dash, marker=look.marker, ms=5,
                color=look.light, label=name, lw=1.6,
            )  # fmt: skip
            low, high = [min(v) for v in values], [max(v) for v in values]
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
    return canvas


if __name__ == "__main__":
    sys.exit(main())
