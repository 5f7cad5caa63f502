"""What a task is, as it stands in a file."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sparsectl.task import margins
from sparsectl.task.action import ActionConfig
from sparsectl.task.constraints import ConstraintsConfig
from sparsectl.task.cost import CostConfig
from sparsectl.task.observation import ObservationConfig
from sparsectl.task.reference import changes


@dataclass(frozen=True)
class TaskConfig:
    """What to achieve: which entries of the observation matter, cost and constraints."""

    observation: ObservationConfig = field(default_factory=ObservationConfig)
    cost: CostConfig = field(default_factory=CostConfig)
    constraints: ConstraintsConfig = field(default_factory=ConstraintsConfig)
    action: ActionConfig = field(default_factory=ActionConfig)

    def __post_init__(self) -> None:
        margins.check(self.constraints)

    @property
    def longest(self) -> int:
        """Rows of the longest list for steps of an episode, at least 1."""
        limits = [v for b in self.constraints.boxes for v in (b.low, b.high)]
        paths = [k.path for k in self.constraints.keep_out]
        values: list[Any] = [*(t.target for t in self.cost.terms), *limits, *paths]
        return max((len(v) for v in values if changes(v) and not isinstance(v, str)), default=1)

    @property
    def distance_weight(self) -> float | None:
        """Cost of one unit of distance at a plan's end, where the cost is nothing but that.

        None where steps before the last count, actions cost something, constraints have prices,
        terms have different weights or dead zones, or a norm is squared.
        """
        terms = self.cost.terms
        weights = {term.terminal_weight for term in terms}
        pure = (
            len(weights) == 1
            and all(t.weight == 0 and t.dead_zone == 0 and t.norm != "l2sq" for t in terms)
            and self.cost.action.weight == 0
            and self.cost.value is None
            and not any(self.constraints.prices)
        )
        return (weights.pop() or None) if pure else None
