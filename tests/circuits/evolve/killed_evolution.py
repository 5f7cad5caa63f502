"""A small run of evolution that kills itself (SIGKILL) before a given generation, or never (-1)."""

from __future__ import annotations

import os
import signal
import sys

from sparsectl.circuits import Circuit, CircuitConfig, body_of
from sparsectl.circuits.evolve.train import TrainConfig, TrainResult, train
from sparsectl.circuits.rollout.env_spec import EnvSpec, open_env

SPEC = EnvSpec("sparsectl/Swim-v0", {"links": 4})
SETTINGS = {
    "population": 4,
    "sigma": 0.1,
    "steps": 1200,
    "episode_steps": 25,
    "eval_every": 250,
    "eval_episodes": 2,
    "decay": 0.5,
}


def run(folder: str | None, method: str) -> TrainResult:
    """Train the smallest circuit."""
    env = open_env(SPEC)
    policy = Circuit(CircuitConfig(), body_of(env))
    env.close()
    return train(policy, SPEC, TrainConfig(method=method, **SETTINGS), folder)


def main() -> None:
    """Arguments: folder, method, generation."""
    module = sys.modules[train.__module__]
    real = module._Run._generation

    def generation(self, rollouts, bar):
        if self.strategy.generation == int(sys.argv[3]):
            os.kill(os.getpid(), signal.SIGKILL)
        return real(self, rollouts, bar)

    module._Run._generation = generation
    run(sys.argv[1], sys.argv[2])


if __name__ == "__main__":
    main()
