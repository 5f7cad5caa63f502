"""Motor circuits and networks that learn to swim: train, eval, compare.

sparsectl swim train --config swim                 one run for every seed → runs/swim/<seed>
sparsectl swim eval runs/swim/0 --links 4 8 14     other bodies, fluids, lesions, lost senses
sparsectl swim compare runs/swim runs/swim_mlp     curves and table of several experiments

Each action has a --help of its own. Example: sparsectl swim train --config swim --seeds 0 1 2
"""

from __future__ import annotations

from sparsectl.cli.text import act

ACTIONS = {"train": "swim_train", "eval": "swim_eval", "compare": "swim_compare"}


def main(argv: list[str]) -> int:
    """Parse the second word and hand on."""
    return act(argv, "swim", ACTIONS, __doc__)
