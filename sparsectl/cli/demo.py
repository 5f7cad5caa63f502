"""Learn how a gate moves, and slip through it with MIP, MPPI and CEM.

This is `sparsectl run --config demo`: a few minutes on two cores, then a table and
runs/demo/compare/report.html.

Example: sparsectl demo --name demo2 --seed 2
"""

from __future__ import annotations

from sparsectl.cli import run


def main(argv: list[str]) -> int:
    """Parse and run."""
    return run.main(argv, command="demo", text=__doc__, default="demo")
