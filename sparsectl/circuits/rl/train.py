"""Training of a policy by reinforcement learning, with Stable-Baselines3."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from sparsectl.bar import Bar
from sparsectl.circuits import curve
from sparsectl.circuits.policy.base import MotorPolicy
from sparsectl.circuits.rl.config import RLConfig
from sparsectl.circuits.rollout.env_spec import EnvSpec
from sparsectl.dynamics.threads import one_thread
from sparsectl.errors import MissingExtra
from sparsectl.runs import held


@dataclass(frozen=True)
class RLResult:
    """Outcome of `train_rl`.

    Attributes:
        policy: a copy of the policy with the trained weights, in float64.
        curve: rows of `curve.point`, and the columns train_mean (return of an episode's length of
            exploration since the row before), updates, episodes, diverged and, for PPO, std. Of a
            run that diverged, the last row has no returns.
        outcome: `finished`, or `diverged`: weights became non-finite. Then `policy` is that of
            the last evaluation before.
        message: what happened, of a run that diverged.
        steps: environment steps that training used.
        seconds: wall-clock time over all calls [s].
        resumed_from: environment steps already used when this call started.
        already_done: nothing was left to do.
    """

    policy: MotorPolicy
    curve: list[curve.Row]
    outcome: str
    message: str
    steps: int
    seconds: float
    resumed_from: int = 0
    already_done: bool = False


def train_rl(
    policy: MotorPolicy,
    spec: EnvSpec,
    config: RLConfig,
    folder: str | Path | None = None,
    *,
    force: bool = False,
    progress: bool | None = None,
) -> RLResult:
    """Train a policy as the actor of PPO, TD3 or DDPG; `policy` itself is not changed.

    The actor reads the policy's phase from the observation, so a learned period stays at its
    initial value; everything else learns. MLPs see observations normalised by running
    statistics, which end up in the policy's own `mean` and `scale`; circuits see raw ones.

    A run that was killed is continued from its last evaluation. With PPO and segments of whole
    episodes, the result is that of a run that was not killed (but for times). With TD3 and
    DDPG, the replay buffer is first filled again: the present policy explores for as many steps
    as came before the first update, without learning, and those steps count.

    Files of `folder`: curve.jsonl, policy/ (at the last evaluation) and training/ (where training
    stands).

    Args:
        policy: `Circuit` or `MLPPolicy`, whose parameters are the first actor's.
        spec: environment.
        config: see `RLConfig`.
        folder: of this run; None: nothing is written.
        force: drop a run that is in the folder instead of continuing it.
        progress: show a bar on stderr; None: when stderr is a terminal.

    Raises:
        ConfigError: a policy with nothing to learn or of another body, or the folder's run was
            started with other settings.
        FileError: the folder holds something else than a run, or cannot be written.
        CheckpointError: the folder's run is damaged, or of another kind.
        MissingExtra: Stable-Baselines3 is not installed.
    """
    _require()
    from sparsectl.circuits.rl.run import Run

    with _random_numbers_kept(), one_thread(), held(folder):
        run = Run(policy, spec, config, None if folder is None else Path(folder), force)
        first, already = run.state.steps, run.state.outcome != "running"
        with (
            contextlib.closing(run),
            Bar(
                shown=progress,
                desc="train",
                total=config.steps,
                initial=first,
                unit="step",
                unit_scale=True,
            ) as bar,
        ):
            run.everything(bar)
            trained = run.policy()
    state = run.state
    return RLResult(
        trained,
        state.rows,
        state.outcome,
        state.message,
        state.steps,
        state.seconds,
        first,
        already,
    )


def _require() -> None:
    """Import Stable-Baselines3.

    Raises:
        MissingExtra: it is not installed.
    """
    try:
        import stable_baselines3  # noqa: F401
    except ImportError as error:
        raise MissingExtra(
            f"reinforcement learning needs Stable-Baselines3, which cannot be imported ({error}): "
            "pip install sparsectl[rl]"
        ) from error


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
