"""What verification found, as values."""

from __future__ import annotations

import enum
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sparsectl.verify.search import Map
from sparsectl.verify.starts import Starts
from sparsectl.verify.worst import Worst


class Verdict(enum.StrEnum):
    """Answer to whether a controller keeps all constraints from every start."""

    SAFE = "safe"
    COUNTEREXAMPLE = "counterexample"
    UNDECIDED = "undecided"
    SAMPLED = "sampled"
    UNCONSTRAINED = "unconstrained"

    @property
    def advice(self) -> str:
        """What it means, and what to do about it."""
        return _ADVICE[self]


_ADVICE = {
    Verdict.SAFE: "proved under the model: from every start all constraints are kept at all steps",
    Verdict.COUNTEREXAMPLE: "a start from which a constraint is violated under the model is known",
    Verdict.UNDECIDED: "no start that was tried violates a constraint, and some boxes are not "
    "proved: allow more time, fewer steps or a smaller box of starts",
    Verdict.SAMPLED: "no start that was drawn violates a constraint; nothing else is known",
    Verdict.UNCONSTRAINED: "the task has no hard constraints: only costs are bounded",
}


@dataclass(frozen=True)
class Result:
    """Answers about a controller over a box of starts and H steps, under a model.

    Attributes:
        proved: bounds hold for all starts; else only those drawn were looked at.
        map: boxes and what is known of each; None without constraints or without a proof.
        cost, violation, regret: the worst of each; None where it was not asked for.
        notes: what was left out, and why.
    """

    starts: Starts
    steps: int
    proved: bool
    map: Map | None = None
    cost: Worst | None = None
    violation: Worst | None = None
    regret: Worst | None = None
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    checks: list[dict[str, Any]] = field(default_factory=list)

    @property
    def verdict(self) -> Verdict:
        """Whether all constraints are kept."""
        if self.violation is None:
            return Verdict.UNCONSTRAINED
        if self.violation.value > 0:
            return Verdict.COUNTEREXAMPLE
        if not self.proved:
            return Verdict.SAMPLED
        proved = self.map is not None and (self.map.kind == 0).all()
        return Verdict.SAFE if proved else Verdict.UNDECIDED

    def facts(self) -> dict[str, Any]:
        """All of it as plain values, without infinities."""
        names = ("cost", "violation", "regret")
        found = {name: getattr(self, name) for name in names}
        return {
            "verdict": str(self.verdict), "proved": self.proved, "steps": self.steps,
            "starts": {n: [float(low), float(high)] for n, low, high in zip(
                self.starts.names, self.starts.low, self.starts.high, strict=True)},
            "map": None if self.map is None else _of_map(self.map),
            **{name: None if w is None else _of_worst(w) for name, w in found.items()},
            "checks": self.checks, "notes": list(self.notes),
            "seconds": self.seconds, "cpu_seconds": self.cpu_seconds,
        }  # fmt: skip


def _of_map(found: Map) -> dict[str, Any]:
    return {
        "shares": found.shares, "boxes": found.boxes, "finished": found.finished,
        "seconds": found.seconds,
    }  # fmt: skip


def _of_worst(worst: Worst) -> dict[str, Any]:
    return {
        "value": worst.value, "start": worst.start.tolist(), "bound": _finite(worst.bound),
        "gap": worst.gap, "closed": worst.closed, "boxes": worst.boxes, "seconds": worst.seconds,
        "trace": [[t, _finite(v), _finite(b)] for t, v, b in worst.trace],
    }  # fmt: skip


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


@dataclass
class Clock:
    """Shares of a time; what one question leaves is there for the next."""

    seconds: float
    began: float = field(default_factory=time.perf_counter)
    cpu: float = field(default_factory=time.process_time)

    def until(self, share: float) -> float:
        """`time.perf_counter()` value when a share of the time is over."""
        return self.began + share * self.seconds

    @property
    def spent(self) -> tuple[float, float]:
        """Wall-clock and processor time of this process so far [s]."""
        return time.perf_counter() - self.began, time.process_time() - self.cpu
