"""Motor circuits and networks that learn to swim: train, eval, compare.

sparsectl swim train --config swim                 one run for every seed → runs/swim/<seed>
sparsectl swim eval runs/swim/0 --links 4 8 14     other bodies, fluids, lesions, lost senses
sparsectl swim compare runs/swim runs/swim_mlp     curves and table of several experiments

Each action has a --help of its own. Example: sparsectl swim train --config swim --seeds 0 1 2
"""

from __future__ import annotations

from importlib import import_module

ACTIONS = {"train": "swim_train", "eval": "swim_eval", "compare": "swim_compare"}


def main(argv: list[str]) -> int:
    """Parse the second word and hand on."""
    from sparsectl.cli.text import dedented
    from sparsectl.errors import ConfigError, nearest

    if not argv or argv[0] in ("-h", "--help"):
        print(dedented(__doc__))
        raise SystemExit(0 if argv else 2)
    if argv[0] not in ACTIONS:
        raise ConfigError(f"swim: unknown action '{argv[0]}'" + nearest(argv[0], ACTIONS))
    return import_module(f"sparsectl.cli.{ACTIONS[argv[0]]}").main(argv[1:])
