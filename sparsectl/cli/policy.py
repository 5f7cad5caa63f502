"""Policies that are networks: learnt by reinforcement, from a planner, or converted.

sparsectl policy train --config rope                       PPO, SAC or TD3 → runs/rope/policy
sparsectl policy convert model.zip --config rope --out p   from Stable-Baselines3's zip
sparsectl policy imitate --config rope --controller cem    a planner's → runs/rope/imitation

Each action has a --help of its own. Example: sparsectl policy imitate --config rope --help
"""

from __future__ import annotations

from sparsectl.cli.text import act

ACTIONS = {"train": "policy_train", "convert": "policy_convert", "imitate": "policy_imitate"}


def main(argv: list[str]) -> int:
    """Parse the second word and hand on."""
    return act(argv, "policy", ACTIONS, __doc__)
