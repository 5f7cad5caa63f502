"""Convert a policy of Stable-Baselines3 (PPO, A2C, SAC, TD3 or DDPG) into a checkpoint of ours.

Nothing in the zip is run: weights are read as tensors only, a zip with anything else is refused.
The policy acts as Stable-Baselines3's own `predict(deterministic=True)`.

Example: sparsectl policy convert model.zip --config rope --out runs/rope/ppo
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from sparsectl import checkpoint, environment
from sparsectl.cli import options, stages
from sparsectl.cli.options import RunOptions
from sparsectl.errors import ConfigError
from sparsectl.files import FileError


@dataclass(frozen=True, kw_only=True)
class ConvertOptions(RunOptions):
    """What conversion takes beyond the experiment."""

    zip: tyro.conf.Positional[Path]
    """What Stable-Baselines3's `save` wrote."""
    out: Path
    """Folder of the checkpoint to write."""


def main(argv: list[str]) -> int:
    """Parse, convert, write."""
    parsed = options.parse(argv, "policy convert", __doc__, own=ConvertOptions)

    from sparsectl.policies import checkpoint as networks
    from sparsectl.policies.convert import convert

    given, out, env = parsed.options.zip, parsed.options.out, parsed.experiment.env
    if checkpoint.exists(out) and not parsed.force:
        raise FileError(f"'{out}' is there already: choose another --out, or pass --force")
    with environment.make(env.id, env.kwargs) as made:
        box: Any = made.action_space
        size = made.observation_space.shape[0]  # type: ignore[index]
    network, facts = convert(given, box.low.astype(float), box.high.astype(float))
    if network.observation_size != size:
        raise ConfigError(
            f"'{given}' takes observations of {network.observation_size} numbers, '{env.id}' has "
            f"{size}: name the config of the environment that it was trained on"
        )
    meta = {"env_id": env.id, "env_kwargs": env.kwargs, **facts, "source": given.name}
    networks.save(network, out, meta)
    shape = "x".join(map(str, network.config.hidden)) or "no"
    stages.say(f"policy: {facts['made_by']}, {shape} {network.config.activation} ({out})")
    return 0
