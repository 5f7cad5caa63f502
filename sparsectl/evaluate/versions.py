"""Versions and machine that a result was made with."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path

_PACKAGES = (
    "sparsectl",
    "torch",
    "mujoco",
    "gymnasium",
    "pyscipopt",
    "highspy",
    "numpy",
    "ray",
)


def versions() -> dict[str, str]:
    """Names and versions: Python, platform, cores, packages, and the commit of a checkout."""
    found = {
        "python": platform.python_version(),
        "platform": platform.platform(terse=True),
        "cores": str(os.cpu_count()),
    }
    for name in _PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    commit = _commit()
    return {**found, "commit": commit} if commit else found


def _commit() -> str | None:
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None
