"""Training of a policy by reinforcement learning, with Stable-Baselines3."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from sparsectl.policies.rl import progress as rl_progress
from sparsectl.policies.rl.config import PolicyTraining, RLConfig
from sparsectl.policies.rl.extra import require
from sparsectl.runs import held
from sparsectl.task import Task
from sparsectl.threads import one_thread

if TYPE_CHECKING:
    from sparsectl.policies.network import PolicyNetwork
    from sparsectl.policies.rl.trainee import Trainee


def train(
    make: Callable[[], Trainee],
    config: RLConfig,
    folder: str | Path | None = None,
    *,
    force: bool = False,
    progress: bool | None = None,
) -> rl_progress.TrainResult[Any]:
    """Train a policy as the actor of PPO, SAC, TD3 or DDPG.

    A run that was killed is continued from its last evaluation. With PPO and segments of whole
    episodes, the result is that of a run that was not killed (but for times). With the others, the
    replay buffer is first filled again: the present policy explores for as many steps as came
    before the first update, without learning, and those steps count.

    Files of `folder`: curve.jsonl, policy/ (at the last evaluation) and training/ (where training
    stands).

    Args:
        make: what is trained, made once Stable-Baselines3 is known to be there.
        folder: of this run; None: nothing is written.
        progress: show a bar on stderr; None: when stderr is a terminal.

    Raises:
        ConfigError: the folder's run was started with other settings.
        FileError: the folder holds something else than a run, or cannot be written.
        CheckpointError: the folder's run is damaged, or of another kind.
        MissingExtra: Stable-Baselines3 is not installed.
    """
    require()
    from sparsectl.policies.rl.run import Run

    with _random_numbers_kept(), one_thread(), held(folder):
        run = Run(make(), config, None if folder is None else Path(folder), force)
        first, already = run.state.steps, run.state.outcome != "running"
        with (
            contextlib.closing(run),
            rl_progress.bar("train", config.steps, first, progress) as bar,
        ):
            run.everything(bar)
            trained = run.policy()
    state = run.state
    return rl_progress.TrainResult(
        trained, state.rows, state.steps, state.seconds, first, already, state.outcome,
        state.message,
    )  # fmt: skip


def train_policy(
    env_id: str,
    env_kwargs: Mapping[str, Any] | None,
    task: Task,
    config: PolicyTraining,
    *,
    seed: int = 0,
    path: str | Path | None = None,
    folder: str | Path | None = None,
    steps: int | None = None,
    force: bool = False,
    progress: bool | None = None,
) -> rl_progress.TrainResult[PolicyNetwork]:
    """Train a policy network on a task.

    Args:
        seed: of initial weights, start states and exploration.
        path: folder of the policy's checkpoint; None: it is not written.
        folder, force, progress: see `train`.
        steps: length of an episode; None: the environment's own.

    Raises:
        ConfigError: no limit on the length of an episode, an action without a choice; and more,
            see `train`.
    """

    def made() -> Trainee:
        from sparsectl.policies.rl.learn import Learner

        target = None if path is None else Path(path)
        return Learner(env_id, env_kwargs or {}, task, config, seed=seed, path=target, steps=steps)

    return train(made, config, folder, force=force, progress=progress)


@contextlib.contextmanager
def _random_numbers_kept() -> Iterator[None]:
    """Stable-Baselines3 draws from the process's generators: give them back as they were."""
    numpy_state, python_state = np.random.get_state(), random.getstate()  # noqa: NPY002
    with torch.random.fork_rng(devices=[]):
        try:
            yield
        finally:
            np.random.set_state(numpy_state)  # noqa: NPY002
            random.setstate(python_state)
