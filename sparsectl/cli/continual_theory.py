"""Mean-field theory of a perceptron with binary weights, and experiments to hold against it.

Solves the replica-symmetric theory of one task, with both branches where the generalisation error
jumps, and the Franz-Parisi theory of a second task; with --descent, --descent2 and --sampled also
learns and samples real perceptrons. Writes to --out: points.jsonl, one CSV for each kind of point,
one_task.png and two_tasks.png. What is there is kept: the same command goes on after Ctrl-C.

Example: sparsectl continual theory --descent 0.5 1.0 --experiment.trials 4 --out runs/theory
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sparsectl.cli.options import with_options
from sparsectl.config import from_dict
from sparsectl.files import csv_text, write_atomic
from sparsectl.theory import curves


@dataclass(frozen=True, kw_only=True)
class Options:
    """Where to write."""

    out: Path = Path("runs/theory")
    """Folder of points, tables and figures."""
    force: bool = False
    """Drop points that were made with other settings."""


def main(argv: list[str]) -> int:
    """Parse, compute, draw."""
    from sparsectl.theory import study

    parsed, values = with_options(
        study.StudyConfig(), None, argv, "continual theory", __doc__, Options
    )
    config = from_dict(study.StudyConfig, values, "options")

    from sparsectl.theory import figures

    rows = study.run(config, parsed.out, force=parsed.force)
    kinds: dict[str, list] = {name: [] for name in study.KINDS}
    for row in rows:
        if row["kind"] in kinds:
            kinds[row["kind"]].append({k: v for k, v in row.items() if k not in study.INTERNAL})
    for kind, found in kinds.items():
        if found:
            print(write_atomic(parsed.out / f"{kind}.csv", csv_text(found)))
    label = f"theory, inverse temperature {config.gibbs.beta:g}"
    if kinds["curve"]:
        one = figures.one_task({label: kinds["curve"]}, kinds["descent"])
        print(write_atomic(parsed.out / "one_task.png", figures.png(one)))
    if kinds["two"]:
        two = figures.two_tasks(kinds["two"], kinds["descent2"])
        print(write_atomic(parsed.out / "two_tasks.png", figures.png(two)))
    jump = curves.jump(kinds["curve"])
    if jump:
        print(
            f"two branches for alpha {jump.low:.3f} to {jump.high:.3f}, equally likely at "
            f"{jump.alpha:.3f}"
        )
    lost = [r for r in kinds["two"] if not r["converged"]]
    if lost:
        print(f"{len(lost)} points of two tasks did not converge: see `residual` in two.csv")
    return 0
