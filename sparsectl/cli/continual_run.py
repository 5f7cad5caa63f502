"""Train every learner, protocol and seed of an experiment; what is done is not done again.

Each has a folder `<runs>/<name>/<learner>/<protocol>/<seed>` with its scores after every task
(rows.jsonl) and the learner itself (learner/). After Ctrl-C or a crash the same command goes on.

Example: sparsectl continual run --config continual_permuted_digits --learners field --seeds 0 1
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sparsectl.cli import text
from sparsectl.cli.continual import Part
from sparsectl.config import from_dict, load_yaml, parse, put
from sparsectl.errors import ConfigError, SparsectlError
from sparsectl.report.screen import console


@dataclass(frozen=True, kw_only=True)
class Options(Part):
    """Experiment, and which part of it."""

    set: tuple[str, ...] = ()
    """Values that replace the file's, by dotted name: `learners.field.gamma=0.1 epochs=5`."""
    workers: int = 1
    """Units at once."""
    engine: Literal["serial", "process", "ray"] = "process"
    """Of several workers."""
    force: bool = False
    """Drop results that were made with other settings, of the learners and seeds that run."""


def main(argv: list[str]) -> int:
    """Parse and run."""
    options = text.options(Options, argv, "continual run", __doc__)

    from sparsectl.cli.options import find
    from sparsectl.continual.experiment import ContinualExperiment
    from sparsectl.continual.run import run

    path = find(str(options.config))
    values = load_yaml(path)
    for entry in options.set:
        _replace(values, entry)
    if options.name is not None:
        values["name"] = options.name
    experiment = from_dict(ContinualExperiment, values, str(path))
    folder = options.runs / experiment.name
    failures = run(
        experiment,
        folder,
        learners=options.learners or None,
        seeds=options.seeds or None,
        workers=options.workers,
        engine=options.engine,
        force=options.force,
    )
    _tell(folder, options.learners)
    for failure in failures:
        print(f"{failure.unit}: {failure.error}\n{failure.trace}", file=sys.stderr)
    if failures:
        names = ", ".join(f.unit for f in failures)
        raise SparsectlError(f"{len(failures)} units failed: {names}; the others are kept")
    print(folder)
    return 0


def _tell(folder: Path, labels: tuple[str, ...]) -> None:
    """A table of what is finished."""
    from sparsectl.continual import results, tables

    found = [u for u in results.read(folder) if not labels or u.label in labels]
    if found:
        console().print(tables.terminal(results.summarise(found)))


def _replace(values: dict[str, Any], entry: str) -> None:
    name, sign, text = entry.partition("=")
    if not (sign and name):
        raise ConfigError(f"--set '{entry}': expected name=value, for example epochs=5")
    put(values, name, parse(text))
