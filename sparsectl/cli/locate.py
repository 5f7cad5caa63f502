"""Where checkpoints that a config names lie: as given, else in the run's folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sparsectl import control


def located(path: str, folder: Path) -> str:
    """A path as given; where nothing is there, in the run's folder if there is something."""
    inside = folder / path
    return str(inside) if not Path(path).exists() and inside.exists() else path


def controllers(
    entries: Mapping[str, Mapping[str, Any]], folder: Path
) -> dict[str, dict[str, Any]]:
    """Entries of controllers, with the checkpoints that they name located."""
    return {
        name: {
            **entry,
            **{k: located(p, folder) for k, p in control.checkpoints(name, entry).items()},
        }
        for name, entry in entries.items()
    }
