"""Learning curves of circuits and networks that learn to swim; resumable.

    python -m scripts.swim.study --variants circuit_cma stretch_cma --seeds 0 1 2 3 4
    python -m scripts.swim.study --report-only

Every (variant, seed) is a run of its own in `--runs`, saved at every evaluation: the same command
goes on. Curves of finished runs go to `--out`, and from there to the table and the figure.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from scripts import study
from scripts.study import RESULTS, RUNS, Row
from scripts.swim.variants import RANDOM, VARIANTS
from sparsectl.circuits import RandomPolicy, experiment, learning
from sparsectl.circuits.experiment import SwimExperiment
from sparsectl.circuits.policy.vector import flatten
from sparsectl.circuits.rollout.env_spec import EnvSpec, episode_steps
from sparsectl.circuits.rollout.returns import Rollouts
from sparsectl.files import write_atomic
from sparsectl.policies.rl import curve
from sparsectl.report.figure import png
from sparsectl.report.table import markdown

NAMES = (*VARIANTS, *RANDOM)
LEVELS = (798, 865, 950, 975)
"""The untrained circuit of the paper, and the levels that were set as goals."""
FIGURE = ("posture_cma", "stretch_cma", "circuit_cma", "circuit_es", "circuit_td3",
          "mlp64_ppo", "mlp64_clock_ppo", "mlp256_td3")  # fmt: skip
_POINT = ("steps", "return_mean", "return_min", "return_max")


@dataclass(frozen=True, kw_only=True)
class Options(study.Options):
    out: Path = RESULTS / "swim.jsonl"
    variants: tuple[Literal[NAMES], ...] = NAMES
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    runs: Path = RUNS / "swim"


def main(argv: list[str] | None = None) -> int:
    """Run what is missing, then report."""
    options = study.parse(Options, __doc__, argv)
    units = ({"variant": v, "seed": s} for s in options.seeds for v in options.variants)
    rows = [r for r in study.run(options, units, learn) if r["variant"] in NAMES]
    rows.sort(key=lambda r: NAMES.index(r["variant"]))
    if not rows:
        print(f"no finished runs in {options.out}", file=sys.stderr)
        return 1
    write(rows, options.out)
    return 0


def learn(unit: Row, options: Options) -> Row:
    """Curve of a variant's seed, and the weights if they are few; what was started goes on."""
    name, seed = unit["variant"], unit["seed"]
    return _random(name, seed) if name in RANDOM else train(VARIANTS[name], seed, options.runs)


def train(variant: SwimExperiment, seed: int, runs: Path) -> Row:
    """One seed of a variant, trained."""
    policy, rows = experiment.train(variant, seed, runs / variant.name / str(seed))
    spent = rows[-1].get("cpu_seconds")
    return {
        "parameters": policy.count,
        "curve": [{k: point[k] for k in _POINT} for point in rows],
        "weights": flatten(policy).tolist() if policy.count <= 100 else None,
        "period": getattr(policy, "steps_per_cycle", lambda: None)(),
        "cpu_seconds": None if spent is None else round(spent, 1),
    }


def _random(name: str, seed: int) -> Row:
    """Returns of uniformly random actions, which no training changes."""
    spec: EnvSpec = RANDOM[name]
    policy = RandomPolicy(experiment.body(SwimExperiment(name, env=spec)), seed)
    with Rollouts(spec, episode_steps(spec)) as rollouts:
        played = rollouts.returns(policy, flatten(policy).numpy()[None], curve.evaluation_seeds(10))
    point = curve.point(0, 0.0, played.values[0])
    return {"parameters": 0, "curve": [{k: point[k] for k in _POINT}]}


def write(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Write the page and the figure."""
    curves = {v: [r["curve"] for r in mine] for (v,), mine in study.groups(rows, "variant").items()}
    sizes = {row["variant"]: row["parameters"] for row in rows}
    swim = {k: v for k, v in curves.items() if not k.startswith("swimmer")}
    other = {k: v for k, v in curves.items() if k.startswith("swimmer")}
    parts = ["# Learning to swim", _HEAD]
    for title, some, levels in (
        ("Swim, 6 links (at most 1000)", swim, LEVELS), ("Gymnasium's Swimmer-v5", other, (340,))
    ):  # fmt: skip
        if some:
            lines = learning.table(some, levels)
            for line in lines:
                line["name"] += f" ({sizes[line['name']]})"
            parts += [f"## {title}", markdown(learning.columns(lines), lines)]
    study.page(path.with_suffix(".md"), *parts)
    shown = {f"{k}, {sizes[k]} parameters": swim[k] for k in FIGURE if k in swim}
    chance = [point["return_mean"] for seed in swim.get("random", []) for point in seed]
    levels = {"random actions": sum(chance) / len(chance)} if chance else {}
    title = "Swim with 6 links: IQM over training seeds, 95 %"
    canvas = learning.figure(shown, title, top=1000, levels=levels)
    write_atomic(path.with_suffix(".png"), png(canvas))


_HEAD = """Interquartile mean over training seeds (95 % bootstrap interval) of the mean return of 10
evaluation episodes by the deterministic policy; starts are the same for all and not those of
training. Steps are environment steps of training; *steps to 50, 80, 90 %* of the best return of
any run in the table, and to given returns, in brackets how many seeds got there (an evaluation
every 4 000 to 40 000 steps limits how early that can be seen). Seeds differ in number. What the
names stand for: `scripts/swim/variants.py`; *random* draws its actions uniformly. Again:
`python -m scripts.swim.study --report-only`"""


if __name__ == "__main__":
    sys.exit(main())
