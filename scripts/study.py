"""What the studies share."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RESULTS, RUNS = ROOT / "scripts" / "results", ROOT / "runs"
