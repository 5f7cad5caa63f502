"""Train a policy of a body, once for every seed; what is done is not done again.

Each seed has a folder `<runs>/<name>/<seed>` with its learning curve (curve.jsonl), the policy of
the last evaluation (policy/), the wiring of a circuit (wiring.png) and what is needed to go on
after Ctrl-C or a crash: the same command does.

Example: sparsectl swim train --config swim --seeds 0 1 2 --train.steps 200000
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from sparsectl.circuits import experiment as study
from sparsectl.cli import options
from sparsectl.config import dump_yaml, from_dict, load_yaml
from sparsectl.files import write_atomic


@dataclass(frozen=True, kw_only=True)
class Options:
    """What training takes beyond the experiment."""

    config: Path
    """YAML file of the experiment, or the name of a bundled one (for example `swim`)."""
    runs: Path = Path("runs")
    """Folder of all runs; seed s of this one is in `<runs>/<name>/<s>`."""
    force: bool = False
    """Drop runs that were made with other settings."""


def main(argv: list[str]) -> int:
    """Parse and train."""
    path = options.config_file(argv)
    read = load_yaml(path) if path is not None else {"name": "name"}
    base = from_dict(study.SwimExperiment, read, str(path))
    parsed, values = options.with_options(base, path, argv, "swim train", __doc__, Options)
    experiment = from_dict(study.SwimExperiment, values, str(path))
    study.check(experiment)
    for seed in experiment.seeds:
        folder = parsed.runs / experiment.name / str(seed)
        policy, curve = study.train(experiment, seed, folder, force=parsed.force)
        write_atomic(folder / "config.yaml", dump_yaml(experiment))
        _draw(policy, folder / "wiring.png")
        first, last = curve[0]["return_mean"], curve[-1]["return_mean"]
        print(
            f"{folder}: {policy.count} parameters, return {_shown(first)} before training, "
            f"{_shown(last)} after {curve[-1]['steps']} steps",
            file=sys.stderr,
        )
    return 0


def _draw(policy: object, path: Path) -> None:
    from sparsectl.circuits import Circuit
    from sparsectl.circuits.draw import drawing

    if isinstance(policy, Circuit):
        drawing.save(drawing.draw(policy), path, force=True)


def _shown(value: float | None) -> str:
    return "diverged" if value is None else f"{value:.1f}"
