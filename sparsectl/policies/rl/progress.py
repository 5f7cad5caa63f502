"""Where training stands, in a run's folder, and how it ended."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import ClassVar, Generic, TypeVar

from sparsectl import checkpoint, files, runs
from sparsectl.bar import Bar
from sparsectl.policies.rl.curve import CURVE, Row

Policy = TypeVar("Policy")

STATE, POLICY = "training", "policy"
"""Folders within a run's: where training stands, and the policy of the last evaluation."""
_DERIVED = ("config.yaml", "wiring.png", "eval.csv", "clip_*.webp")
"""What the command line writes of a policy: it goes with it."""


@dataclasses.dataclass
class Progress(runs.Progress):
    """Where training stands, whatever the way of training.

    Attributes:
        cpu_seconds: processor time used; None where an older version did not save it.
        diverged: training episodes without a return so far.
    """

    changed_names: ClassVar = {"policy.weights": "the policy's first weights"}
    steps: int = 0
    seconds: float = 0.0
    cpu_seconds: float | None = None
    diverged: int = 0
    rows: list[Row] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True)
class TrainResult(Generic[Policy]):
    """Outcome of training a policy.

    Attributes:
        policy: a copy of the policy, trained: after evolution with the last mean as its
            parameters, after reinforcement learning in float64.
        curve: rows of `curve.point`, and further columns: of evolution generation, train_mean,
            train_max (over the candidates of the last generation), diverged (training episodes so
            far) and those of the strategy; of reinforcement learning train_mean (return of an
            episode's length of exploration since the row before), updates, diverged and, for PPO,
            std. Of a run that diverged, the last row has no returns.
        steps: environment steps that training used.
        seconds: wall-clock time over all calls [s].
        resumed_from: environment steps already used when this call started.
        outcome: `finished`, or `diverged`: weights became non-finite. Then `policy` is that of
            the last evaluation before.
        message: what happened, of a run that diverged.
    """

    policy: Policy
    curve: list[Row]
    steps: int
    seconds: float
    resumed_from: int = 0
    already_done: bool = False
    outcome: str = "finished"
    message: str = ""


def bar(what: str, steps: int, first: int, shown: bool | None) -> Bar:
    """Bar over the environment steps of a training that starts at `first`."""
    return Bar(shown=shown, desc=what, total=steps, initial=first, unit="step", unit_scale=True)


def prepare(folder: Path, force: bool) -> None:
    """Make the folder usable for a new run.

    Raises:
        FileError: it holds something else than a run, or cannot be written.
    """
    if force:
        for name in (STATE, POLICY):
            checkpoint.remove(folder / name)
        for pattern in (CURVE, *_DERIVED):
            for path in folder.glob(pattern):
                path.unlink()
    if not checkpoint.exists(folder / STATE):
        # Hidden names are what a save that was killed leaves behind.
        left = folder.is_dir() and any(not p.name.startswith(".") for p in folder.iterdir())
        files.fresh_folder(folder, force=force or not left)
