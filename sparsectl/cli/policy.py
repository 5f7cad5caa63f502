"""Policies and values that are networks: learnt by reinforcement, from a planner, or converted.

sparsectl policy train --config rope                       PPO, SAC or TD3 → runs/rope/policy
sparsectl policy convert model.zip --config rope --out p   from Stable-Baselines3's zip
sparsectl policy imitate --config rope --controller cem    a planner's → runs/rope/imitation
sparsectl policy value --config cartpole --controller cem  of a plan's end → runs/cartpole/value

Each action has a --help of its own. Example: sparsectl policy imitate --config rope --help
"""

from __future__ import annotations

from sparsectl.cli.text import act

ACTIONS = {
    "train": "policy_train",
    "convert": "policy_convert",
    "imitate": "policy_imitate",
    "value": "policy_value",
}


def main(argv: list[str]) -> int:
    """Parse the second word and hand on."""
    return act(argv, "policy", ACTIONS, __doc__)
