"""Gates that go to the target at once, without the progressive schedule."""

from __future__ import annotations

from typing import Any

from sparsectl.data import Episodes
from sparsectl.dynamics import MLPConfig, MLPDynamics
from sparsectl.dynamics.kinds import count_relus
from sparsectl.errors import ConfigError, TrainingDiverged
from sparsectl.sparsify.baselines.base import (
    Budget,
    Clock,
    Member,
    check_count,
    network,
)
from sparsectl.sparsify.config import SparsifyConfig
from sparsectl.sparsify.lanes import with_lanes
from sparsectl.sparsify.losses import Objective
from sparsectl.sparsify.rounds import Workshop, choose, finetune
from sparsectl.task import StateMap

_CHOICE = 0.25
"""Share of the steps for choosing with gates, which may take up to twice as many."""


def one_shot(
    model: MLPConfig | MLPDynamics,
    episodes: Episodes,
    state_map: StateMap,
    count: int,
    budget: Budget,
    seed: int,
    *,
    rate: float | None = None,
) -> Member:
    """Train gates and weights from the dense model straight to the target, then fine-tune.

    The gates are those of `sparsify` with `selection: gates`, and the network has its lanes.

    Args:
        model: trained network; left as it is.
        episodes, state_map: data.
        count: ReLUs to keep.
        budget: `budget.left` steps are spent, a quarter to a half of them on choosing.
        seed: of split, batches and gates.
        rate: peak learning rate of fine-tuning; None: that of `budget.train`.

    Raises:
        ConfigError: a count above what there is, or fewer than four steps left.
        TrainingDiverged: a non-finite loss or gradient, at lower rates too.
    """
    clock, student = Clock(), with_lanes(network(model, "one_shot"))
    check_count(count, count_relus(student), "one_shot")
    if budget.left < 4:
        raise ConfigError(f"one_shot: {budget.left} steps are too few, expected at least 4")
    config = SparsifyConfig(
        counts=(count,), selection="gates", gate_steps=int(_CHOICE * budget.left), seed=seed
    )
    batches = budget.batches(episodes, state_map, seed)
    done: list[str] = []
    shop = Workshop(batches, budget.train, config, Objective(budget.train.loss), done.append)
    rate = budget.train.learning_rate if rate is None else rate
    choose(student, count, shop, rate, f"one_shot {count}")
    _finetune(student, shop, rate, budget.left - len(done), f"one_shot {count} fine-tuning")
    return Member(student, count, budget.steps, clock.seconds)


def _finetune(student: Any, shop: Workshop, rate: float, steps: int, purpose: str) -> None:
    """As often again at a third of the rate as `sparsify` tries a diverging round again."""
    chosen = {k: v.detach().clone() for k, v in student.state_dict().items()}
    for attempt in range(1 + shop.config.retries):
        try:
            finetune(student, shop, rate / 3**attempt, steps, purpose)
            return
        except TrainingDiverged:
            if attempt == shop.config.retries:
                raise
            student.load_state_dict(chosen)
