"""Policies that are networks: learnt from a planner.

sparsectl policy imitate --config rope --controller cem    a planner's → runs/rope/imitation

Each action has a --help of its own. Example: sparsectl policy imitate --config rope --help
"""

from __future__ import annotations

from sparsectl.cli.text import act

ACTIONS = {"imitate": "policy_imitate"}


def main(argv: list[str]) -> int:
    """Parse the second word and hand on."""
    return act(argv, "policy", ACTIONS, __doc__)
