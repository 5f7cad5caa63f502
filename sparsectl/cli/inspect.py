"""Say what a checkpoint holds: sizes, ReLUs, errors, provenance.

Example: sparsectl inspect runs/rope/model
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro


@dataclass(frozen=True)
class Options:
    """What to look at."""

    checkpoint: tyro.conf.Positional[Path]
    """Folder of a trained model, or of a run."""


def main(argv: list[str]) -> int:
    """Parse and print."""
    from sparsectl.cli.text import dedented

    path = tyro.cli(
        Options, args=argv, prog="sparsectl inspect", description=dedented(__doc__)
    ).checkpoint
    _print(path / "model" if (path / "model").is_dir() else path)
    return 0


def _print(path: Path) -> None:
    from rich.console import Console
    from rich.table import Table

    from sparsectl import dynamics
    from sparsectl.cli.tables import print_errors
    from sparsectl.program.lower import lower

    model, meta = dynamics.load(path)
    program = lower(model)
    config = model.config
    facts = {
        "checkpoint": str(path),
        "environment": f"{meta.get('env_id', 'unknown')} {meta.get('env_kwargs') or ''}",
        "state": f"{model.nx}: " + _parts(model.names),
        "action": str(model.nu),
        "hidden": " x ".join(map(str, config.hidden)) or "none (affine)",
        "networks": str(config.members),
        "weights": str(sum(v.numel() for v in model.parameters())),
        "ReLUs": f"{program.m} (each one binary a step, where its sign is not proved)",
        "dataset": f"{meta.get('dataset_id') or 'unknown'}, {meta.get('transitions', '?')} "
        "transitions",
        "seed": str(meta.get("seed", "unknown")),
        "training": f"{meta.get('train_seconds', '?')} s, {meta.get('created', '?')}",
        "commit": str(meta.get("git_commit")),
        "versions": ", ".join(f"{k} {v}" for k, v in meta.get("versions", {}).items()),
    }
    table = Table(show_header=False, box=None)
    for name, value in facts.items():
        table.add_row(name, value)
    Console().print(table)
    errors = _errors(meta)
    if errors:
        print_errors(errors)


def _parts(names: Mapping[str, slice]) -> str:
    return ", ".join(f"{name} {part.start}:{part.stop}" for name, part in names.items())


def _errors(meta: Mapping[str, Any]) -> list[dict[str, Any]]:
    metrics = meta.get("metrics")
    return metrics.get("errors", []) if isinstance(metrics, dict) else []
