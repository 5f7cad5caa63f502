"""One study of a policy from one YAML file: environment, policy, training, evaluation."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from sparsectl.checks import different_seeds, run_name
from sparsectl.circuits.evolve.config import TrainConfig
from sparsectl.circuits.policy.body import Body, BodyConfig, body_of
from sparsectl.circuits.policy.config import CircuitConfig, MLPPolicyConfig
from sparsectl.circuits.rl.config import RLConfig
from sparsectl.circuits.rollout.env_spec import EnvSpec, open_env
from sparsectl.config import to_dict
from sparsectl.errors import TrainingDiverged
from sparsectl.policies.rl.curve import Row

if TYPE_CHECKING:
    from sparsectl.circuits.policy.base import MotorPolicy


@dataclass(frozen=True)
class SwimExperiment:
    """Everything that `sparsectl swim train` needs to know."""

    name: str
    """Name of the run: seed s is in `<runs>/<name>/<s>`."""
    env: EnvSpec = field(default_factory=EnvSpec)
    body: BodyConfig = field(default_factory=BodyConfig)
    """What the environment does not tell of its body itself."""
    policy: CircuitConfig | MLPPolicyConfig = field(default_factory=CircuitConfig)
    """`kind: circuit` or `kind: mlp`."""
    train: TrainConfig | RLConfig = field(default_factory=TrainConfig)
    """`kind: evolution` or `kind: rl`."""
    seeds: tuple[int, ...] = (0,)
    """One training each: initial weights, candidates, exploration and starts follow from it."""

    def __post_init__(self) -> None:
        run_name(self.name)
        different_seeds(self.seeds)


def body(experiment: SwimExperiment) -> Body:
    """Body of the experiment's environment.

    Raises:
        ConfigError, MissingExtra: the environment cannot be made, or does not fit a motor policy.
    """
    with open_env(experiment.env) as env:
        found = body_of(env, experiment.body)
    return found


def policy(experiment: SwimExperiment, seed: int) -> MotorPolicy:
    """The untrained policy of one seed.

    Raises:
        ConfigError, MissingExtra: see `body`, and the policy's own complaints.
    """
    from sparsectl.circuits.policy.checkpoint import build

    config = replace(experiment.policy, seed=seed)
    return build({"kind": config.kind, "config": to_dict(config)}, body(experiment))


def train(
    experiment: SwimExperiment, seed: int, folder: str | Path | None = None, *, force: bool = False
) -> tuple[MotorPolicy, list[Row]]:
    """Train one seed, or go on with it.

    Args:
        folder: of this seed's run; None: nothing is written.
        force: drop a run of other settings that is there.

    Raises:
        TrainingDiverged: weights or returns are no longer finite; what was good is kept.
        ConfigError, FileError, CheckpointError, MissingExtra: see `train.train`, `rl.train_rl`.
    """
    untrained, config = policy(experiment, seed), replace(experiment.train, seed=seed)
    if isinstance(config, RLConfig):
        from sparsectl.circuits.rl.train import train_rl

        learned = train_rl(untrained, experiment.env, config, folder, force=force)
        if learned.outcome == "diverged":
            raise TrainingDiverged(learned.message)
        return learned.policy, learned.curve
    from sparsectl.circuits.evolve.train import train as evolve

    evolved = evolve(untrained, experiment.env, config, folder, force=force)
    return evolved.policy, evolved.curve


def check(experiment: SwimExperiment) -> None:
    """Fit an experiment to its environment before anything is started or written.

    Raises:
        ConfigError, MissingExtra: see `policy`.
    """
    policy(experiment, experiment.seeds[0])
