"""Networks that learn one task after another, with one bit a weight or real weights.

sparsectl continual run --config continual_permuted_digits      every learner and seed → runs/...
sparsectl continual compare runs/continual_permuted_digits      table, figures and report.html
sparsectl continual control --config continual_swim_fluids      plan with what was learnt
sparsectl continual theory                                      mean-field theory of a perceptron

Each action has a --help of its own. A run that was interrupted goes on with the same command.
Example: sparsectl continual run --config continual_permuted_digits --learners field --seeds 0
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sparsectl.cli.text import act

ACTIONS = {name: f"continual_{name}" for name in ("run", "compare", "control", "theory")}


@dataclass(frozen=True, kw_only=True)
class Part:
    """Experiment, and which part of it."""

    config: Path
    """YAML file of the experiment, or the name of a bundled one."""
    learners: tuple[str, ...] = ()
    """Labels of the learners; none: all."""
    seeds: tuple[int, ...] = ()
    """Seeds; none: the file's."""
    name: str | None = None
    """Of the run, where it is not the file's: changed settings have a folder of their own."""
    runs: Path = Path("runs")
    """Folder of all runs; this one's is `<runs>/<name>`."""


def main(argv: list[str]) -> int:
    """Parse the second word and hand on."""
    return act(argv, "continual", ACTIONS, __doc__)
