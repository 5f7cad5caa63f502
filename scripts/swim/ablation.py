"""What shared weights, fixed signs and equal initial weights are worth before and after learning.

    python -m scripts.swim.ablation

Every combination of the three is a variant of the paper's circuit. Untrained, many draws of the
initial weights are played; trained, a few seeds learn by CMA-ES. Resumable.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from scripts import study
from scripts.study import RESULTS, RUNS, Row
from scripts.swim.study import train
from scripts.swim.variants import ABLATIONS
from sparsectl.circuits.experiment import policy
from sparsectl.circuits.policy.vector import flatten
from sparsectl.circuits.rollout.returns import returns
from sparsectl.policies.rl.curve import evaluation_seeds

STEPS = 1000
BEFORE = " (before learning)"


@dataclass(frozen=True, kw_only=True)
class Options(study.Options):
    out: Path = RESULTS / "swim_ablation.jsonl"
    seeds: tuple[int, ...] = (0, 1, 2)
    draws: int = 20
    episodes: int = 3
    runs: Path = RUNS / "swim_ablation"


def main(argv: list[str] | None = None) -> int:
    """Play and train what is missing, then write the table."""
    options = study.parse(Options, __doc__, argv)
    units = (
        {"variant": f"{v}{BEFORE if s is None else ''}", "seed": s}
        for v in ABLATIONS for s in (None, *options.seeds)
    )  # fmt: skip
    _write(study.run(options, units, _row), options.out.with_suffix(".md"))
    return 0


def _row(unit: Row, options: Options) -> Row:
    variant = ABLATIONS[unit["variant"].removesuffix(BEFORE)]
    if unit["seed"] is not None:
        return train(variant, unit["seed"], options.runs)
    draws = [policy(variant, seed) for seed in range(options.draws)]
    vectors = np.stack([flatten(draw).detach().numpy() for draw in draws])
    seeds = evaluation_seeds(options.episodes)
    values = returns(draws[0], vectors, variant.env, seeds, STEPS).mean(1)
    return {"parameters": draws[0].count, "returns": np.round(values, 1).tolist()}


def _write(rows: list[Row], path: Path) -> None:
    steps = max((r["curve"][-1]["steps"] for r in rows if "curve" in r), default=0)
    draws = max((len(r["returns"]) for r in rows if "returns" in r), default=0)
    runs, lines = study.groups(rows, "variant"), []
    for name, variant in ABLATIONS.items():
        before, trained, c = runs.get((name + BEFORE,)), runs.get((name,)), variant.policy
        if before is None or trained is None:
            continue
        values = np.array(before[0]["returns"])
        after = sorted(r["curve"][-1]["return_mean"] for r in trained)
        lines.append([
            "shared" if c.sharing == "shared" else "per joint and side",  # type: ignore[union-attr]
            "fixed" if c.signed else "free", c.init, before[0]["parameters"],  # type: ignore[union-attr]
            f"{values.mean():.0f} ({np.median(values):.0f}; {values.min():.0f}–{values.max():.0f})",
            ", ".join(f"{v:.0f}" for v in after), len(after),
        ])  # fmt: skip
    heads = ["weights", "signs", "initial weights", "parameters", "before learning", "after"]
    study.page(
        path,
        "# Signs, sharing and initial weights, before and after learning",
        "The paper's circuit on 6 links. *Shared*: one weight for each kind of synapse, else one "
        "for each joint and side; *signs*: excitatory synapses stay excitatory and inhibitory ones "
        "inhibitory, else free; *initial weights*: all of size 1 (of random sign where signs are "
        f"free), or uniform. Before learning: mean return of {draws} draws (median; least to "
        f"largest). After {steps:,} steps of CMA-ES: mean return of 10 episodes for each seed. "
        "Again: `python -m scripts.swim.ablation`",
        study.table([*heads, "seeds"], lines, words=3),
    )


if __name__ == "__main__":
    sys.exit(main())
