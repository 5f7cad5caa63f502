"""Networks that learn one task after another, with one bit a weight or real weights.

sparsectl continual run --config continual_permuted_digits      every learner and seed → runs/...
sparsectl continual compare runs/continual_permuted_digits      table, figures and report.html
sparsectl continual control --config continual_swim_fluids      plan with what was learnt
sparsectl continual theory                                      mean-field theory of a perceptron

Each action has a --help of its own. A run that was interrupted goes on with the same command.
Example: sparsectl continual run --config continual_permuted_digits --learners field --seeds 0
"""

from __future__ import annotations

from importlib import import_module

ACTIONS = {name: f"continual_{name}" for name in ("run", "compare", "control", "theory")}


def main(argv: list[str]) -> int:
    """Parse the second word and hand on."""
    from sparsectl.cli.text import dedented
    from sparsectl.errors import ConfigError, nearest

    if not argv or argv[0] in ("-h", "--help"):
        print(dedented(__doc__))
        raise SystemExit(0 if argv else 2)
    if argv[0] not in ACTIONS:
        raise ConfigError(f"continual: unknown action '{argv[0]}'" + nearest(argv[0], ACTIONS))
    return import_module(f"sparsectl.cli.{ACTIONS[argv[0]]}").main(argv[1:])
