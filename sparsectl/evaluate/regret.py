"""Regret bounds, and when a decision counts as proved, in the unit that a comparison tells them in.

A plan of cost J under a bound B costs at most J - B more than the best one. Where the cost is
nothing but a distance at the plan's end times a weight, no plan can end closer by more than
(J - B) / weight under the model, whatever the gap relative to J is. Closer is meant in the norm of
the cost, which need not be that of the task error, and `error_scale` is taken to hold for both.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

PROVED_GAP = 0.01
"""A decision counts as proved when its relative gap is at most this, or nothing but rounding."""


@dataclass(frozen=True)
class Regret:
    """How regret bounds are told.

    Attributes:
        factor: from the unit of the cost to what is told.
        unit: of what is told; "" where that is the unit of the cost.
        within: a decision counts as proved, too, where its regret is at most this, as told.
        distance: whether a regret is a distance at the plan's end.
    """

    factor: float = 1.0
    unit: str = ""
    within: float | None = None
    distance: bool = False

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Regret:
        """That of a comparison with these settings."""
        evaluate, weight = settings["evaluate"], settings.get("distance_weight")
        within = evaluate.get("proved_within")
        if weight is None:
            return cls(within=within)
        named = re.search(r"[\[(]([^\])]+)[\])]\s*$", evaluate["error_label"])
        unit = named[1] if named else ""
        return cls(float(evaluate["error_scale"]) / weight, unit, within, True)

    def told(self, cost: float | None, bound: float | None) -> float | None:
        """The regret bound of a plan; None without one."""
        if cost is None or bound is None:
            return None
        return max(0.0, cost - bound) * self.factor

    def proved(self, gap: float, optimal: bool, regret: float | None = None) -> bool:
        """Whether a decision with a bound counts as proved.

        Args:
            optimal: nothing but rounding is open (`Plan.closed`): a cost of nearly 0 makes every
                relative gap large.
        """
        near = self.within is not None and regret is not None and regret <= self.within
        return gap <= PROVED_GAP or optimal or near

    def words(self, cost: float | None, bound: float | None) -> str:
        """ "no plan can end more than 1.3 mm closer ..."; "" without a bound."""
        told = self.told(cost, bound)
        if told is None:
            return ""
        if self.distance:
            far = f"{told:.2g} {self.unit}".strip()
            return f"no plan can end more than {far} closer, by the cost's distance"
        return f"no plan can cost less by more than {told:.2g}"

    @property
    def heading(self) -> str:
        """Of a column of regret bounds."""
        return f"regret [{self.unit}]" if self.unit else "regret"

    @property
    def meaning(self) -> str:
        """What that column says."""
        if self.distance:
            return "no plan can end closer, by the cost's distance, by more than this, mean"
        return "no plan can cost less by more than this under the model, mean"

    @property
    def criterion(self) -> str:
        """What counts as proved, in words."""
        near = "" if self.within is None else f" or {self.within:g} {self.unit or 'in cost'}"
        return f"within {100 * PROVED_GAP:g} %{near}"
