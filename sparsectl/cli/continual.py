"""Networks that learn one task after another, with one bit a weight or real weights.

sparsectl continual run --config continual_permuted_digits      every learner and seed → runs/...
sparsectl continual compare runs/continual_permuted_digits      table, figures and report.html
sparsectl continual control --config continual_swim_fluids      plan with what was learnt
sparsectl continual theory                                      mean-field theory of a perceptron

Each action has a --help of its own. A run that was interrupted goes on with the same command.
Example: sparsectl continual run --config continual_permuted_digits --learners field --seeds 0
"""

from __future__ import annotations

from sparsectl.cli.text import act

ACTIONS = {name: f"continual_{name}" for name in ("run", "compare", "control", "theory")}


def main(argv: list[str]) -> int:
    """Parse the second word and hand on."""
    return act(argv, "continual", ACTIONS, __doc__)
