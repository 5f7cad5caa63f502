"""Gates that go to the target at once, without the progressive schedule.

The gates are those of `sparsify` with `selection: gates`, and the network has its identity
channels. A quarter to a half of the steps is spent on choosing.
"""

from __future__ import annotations

from typing import Any

from sparsectl.dynamics import MLPDynamics
from sparsectl.dynamics.fit import Batches
from sparsectl.errors import ConfigError, TrainingDiverged
from sparsectl.sparsify.baselines.base import Budget, Method, network
from sparsectl.sparsify.channels import with_channels
from sparsectl.sparsify.config import SparsifyConfig
from sparsectl.sparsify.losses import Objective
from sparsectl.sparsify.rounds import Trainer, choose, finetune

_CHOICE = 0.25
"""Share of the steps for choosing with gates, which may take up to twice as many."""


def reach(
    model: MLPDynamics, batches: Batches, count: int, budget: Budget, seed: int,
    rate: float | None = None,
) -> MLPDynamics:  # fmt: skip
    """Train gates and weights straight to the target, then fine-tune.

    Args:
        rate: peak learning rate of fine-tuning; None: that of `budget.train`.
    """
    if budget.left < 4:
        raise ConfigError(f"one_shot: {budget.left} steps are too few, expected at least 4")
    config = SparsifyConfig(
        counts=(count,), selection="gates", gate_steps=int(_CHOICE * budget.left), seed=seed
    )
    student, done = with_channels(model), list[str]()
    trainer = Trainer(batches, budget.train, config, Objective(budget.train.loss), done.append)
    rate = budget.train.learning_rate if rate is None else rate
    choose(student, count, trainer, rate, f"one_shot {count}")
    _finetune(student, trainer, rate, budget.left - len(done), f"one_shot {count} fine-tuning")
    return student


def _finetune(student: Any, trainer: Trainer, rate: float, steps: int, purpose: str) -> None:
    """As often again at a third of the rate as `sparsify` tries a diverging round again."""
    chosen = {k: v.detach().clone() for k, v in student.state_dict().items()}
    for attempt in range(1 + trainer.config.retries):
        try:
            finetune(student, trainer, rate / 3**attempt, steps, purpose)
            return
        except TrainingDiverged:
            if attempt == trainer.config.retries:
                raise
            student.load_state_dict(chosen)


one_shot = Method("one_shot", network, reach)
