"""Small experiments; as a script, one unit that kills itself (SIGKILL) at a given epoch."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from sparsectl.config import from_dict
from sparsectl.continual import training
from sparsectl.continual.experiment import ContinualExperiment, Unit, units
from sparsectl.continual.streams import build

SMALL = {
    "name": "small",
    "stream": {"kind": "permuted_digits", "tasks": 3},
    "learners": {"real": {"kind": "finetune"}, "binary": {"kind": "straight_through"}},
    "network": {"hidden": [16]},
    "epochs": 2,
    "batch_size": 64,
    "draws": 2,
}


def experiment(**changes) -> ContinualExperiment:
    """Two learners of three tasks."""
    return from_dict(ContinualExperiment, {**SMALL, **changes}, "test")


def unit(label: str, protocol: str) -> Unit:
    """One unit of it."""
    return units(experiment(protocols=[protocol]), [label])[0]


def main() -> None:
    """Arguments: folder, label, protocol, number of epochs before the kill."""
    folder, label, protocol, count = sys.argv[1:]
    left, real = [int(count)], training._Session._epoch
    training.SAVE_SECONDS = 0.0

    def epoch(self, *given):
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)
        left[0] -= 1
        return real(self, *given)

    training._Session._epoch = epoch
    chosen = unit(label, protocol)
    training.train(chosen, build(chosen.stream, chosen.stream_seed), Path(folder))


if __name__ == "__main__":
    main()
