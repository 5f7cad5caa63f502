"""Table and figure of `swim_study.py`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sparsectl.circuits import learning
from sparsectl.cli.swim_compare import markdown
from sparsectl.files import write_atomic

COMMAND = "python -m scripts.swim.study --report-only"
LEVELS = (798, 865, 950, 975)
"""The untrained circuit of the paper, and the levels that were set as goals."""
FIGURE = ("posture_cma", "stretch_cma", "circuit_cma", "circuit_es", "circuit_td3",
          "mlp64_ppo", "mlp64_clock_ppo", "mlp256_td3")  # fmt: skip


def write(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Write `<path>.md` and `<path>.png`."""
    curves: dict[str, list] = {}
    for row in rows:
        curves.setdefault(row["variant"], []).append(row["curve"])
    sizes = {row["variant"]: row["parameters"] for row in rows}
    swim = {k: v for k, v in curves.items() if not k.startswith("swimmer")}
    other = {k: v for k, v in curves.items() if k.startswith("swimmer")}
    parts = [_HEAD, _section("Swim, 6 links (at most 1000)", swim, sizes, LEVELS)]
    if other:
        parts.append(_section("Gymnasium's Swimmer-v5", other, sizes, (340,)))
    write_atomic(path.with_suffix(".md"), "\n".join(parts))
    shown = {f"{k}, {sizes[k]} parameters": swim[k] for k in FIGURE if k in swim}
    chance = [point["return_mean"] for seed in swim.get("random", []) for point in seed]
    levels = {"random actions": sum(chance) / len(chance)} if chance else {}
    title = "Swim with 6 links: IQM over training seeds, 95 %"
    canvas = learning.figure(shown, title, top=1000, levels=levels)
    write_atomic(path.with_suffix(".png"), learning.png(canvas))


_HEAD = f"""# Learning to swim

Interquartile mean over training seeds (95 % bootstrap interval) of the mean return of 10
evaluation episodes by the deterministic policy; starts are the same for all and not those of
training. Steps are environment steps of training; *steps to 50, 80, 90 %* of the best return of
any run in the table, and to given returns, in brackets how many seeds got there (an evaluation
every 4 000 to 40 000 steps limits how early that can be seen). Seeds differ in number. What the
names stand for: `scripts/swim/variants.py`; *random* draws its actions uniformly. Again:
`{COMMAND}`
"""


def _section(title: str, curves: dict, sizes: dict[str, int], levels: Sequence[float]) -> str:
    rows = learning.table(curves, levels)
    for row in rows:
        row["name"] += f" ({sizes[row['name']]})"
    return f"## {title}\n\n{markdown(rows)}"
