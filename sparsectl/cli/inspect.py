"""Say what a checkpoint holds: sizes, ReLUs, errors, provenance, and how many modes it can meet.

Modes (activation patterns) are what planning costs, not ReLUs; they are counted exactly where that
is possible, for the models of runs, whose configs say where episodes start.

Example: sparsectl inspect runs/rope
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import tyro
from rich.table import Table

from sparsectl import dynamics
from sparsectl.cli import text
from sparsectl.cli.tables import print_errors
from sparsectl.errors import ConfigError, SparsectlError
from sparsectl.report.screen import console

if TYPE_CHECKING:
    from sparsectl.dynamics import Dynamics
    from sparsectl.program import Programs


@dataclass(frozen=True)
class Options:
    """What to look at."""

    checkpoint: tyro.conf.Positional[Path]
    """Folder of a trained model, or of a run."""
    cap: int = 2000
    """Modes are counted up to this many; 0: not at all."""
    seconds: float = 10.0
    """Time for counting modes [s]."""


def main(argv: list[str]) -> int:
    """Parse and print."""
    options = text.options(Options, argv, "inspect", __doc__)

    from sparsectl.cli import mode_table, stages

    if options.cap < 0 or not options.seconds > 0:
        raise ConfigError("inspect needs --cap of at least 0 and --seconds above 0")
    path = options.checkpoint
    path = path / "model" if (path / "model").is_dir() else path
    program, relus = _print(path)
    if options.cap == 0 or relus == 0:
        return 0
    config = path.parent / "config.yaml"
    if not config.is_file():
        stages.say(f"inspect: no modes, '{path.parent}' has no config.yaml of a run")
        return 0
    try:
        mode_table.print_modes(program, config, cap=options.cap, seconds=options.seconds)
    except SparsectlError as error:  # the model itself was shown all the same
        stages.say(f"inspect: no modes: {error}")
    return 0


def _print(path: Path) -> tuple[Programs, int]:
    from sparsectl.dynamics.lower import lower, programs
    from sparsectl.mip.search.hull.stage import effective_inputs

    model, meta = dynamics.load(path)
    program = lower(model)
    config = model.config
    facts = {
        "checkpoint": str(path),
        "environment": f"{meta.get('env_id', 'unknown')} {meta.get('env_kwargs') or ''}",
        "state": f"{model.nx}: "
        + ", ".join(f"{name} {part.start}:{part.stop}" for name, part in model.names.items()),
        "action": str(model.nu),
        "hidden": " x ".join(map(str, config.hidden)) or "none (affine)",
        "networks": str(config.members),
        "weights": str(sum(v.numel() for v in model.parameters())),
        "ReLUs": f"{program.m} (each one binary a step, where its sign is not proved)"
        + _graph(model),
        "directions": f"{len(effective_inputs(program))} of {program.n_in} inputs are what the "
        "ReLUs see",
        "dataset": f"none here, read from '{meta['imported'].get('from')}'"
        if isinstance(meta.get("imported"), dict)
        else f"{meta.get('dataset_id') or 'unknown'}, {meta.get('transitions', '?')} transitions",
        "seed": str(meta.get("seed", "unknown")),
        "training": f"{meta.get('train_seconds', '?')} s, {meta.get('created', '?')}",
        "commit": str(meta.get("git_commit")),
        "versions": ", ".join(f"{k} {v}" for k, v in meta.get("versions", {}).items()),
    }
    table = Table(show_header=False, box=None)
    for name, value in facts.items():
        table.add_row(name, value)
    console().print(table)
    metrics = meta.get("metrics")
    if isinstance(metrics, dict) and metrics.get("errors"):
        print_errors(metrics["errors"])
    return programs(model), program.m


def _graph(model: Dynamics) -> str:
    """What the number of ReLUs refers to, for a graph network."""
    from sparsectl.dynamics import GraphDynamics

    if not isinstance(model, GraphDynamics):
        return ""
    config = model.config
    return (
        f" if all objects are neighbours: {sum(config.edge)} a pair nearer than {config.radius:g} "
        f"and {sum(config.node)} an object"
    )
