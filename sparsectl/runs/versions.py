"""Versions and machine that a result was made with."""

from __future__ import annotations

import os
import platform

from sparsectl.checkpoint import git, installed

_PACKAGES = (
    "sparsectl", "torch", "mujoco", "gymnasium", "pyscipopt", "highspy", "numpy", "ray"
)  # fmt: skip


def versions() -> dict[str, str]:
    """Names and versions: Python, platform, cores, packages, and the commit of a checkout."""
    found = {
        "python": platform.python_version(),
        "platform": platform.platform(terse=True),
        "cores": str(os.cpu_count()),
        **installed(_PACKAGES),
    }
    commit = git("describe", "--always", "--dirty")
    return {**found, "commit": commit} if commit else found
