"""A family of models on disk: one checkpoint per number of ReLUs, and a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from sparsectl.errors import CheckpointError, ConfigError
from sparsectl.files import csv_text, read_json, write_atomic, write_json

JSON, CSV = "family.json", "family.csv"
DONE, RETRIED, UNCHANGED, DIVERGED = "done", "retried", "unchanged", "diverged"
ADVICE = {
    DONE: "",
    RETRIED: "diverged and was done again at a lower learning rate",
    UNCHANGED: "the target is not below the ReLUs that were left: nothing was removed",
    DIVERGED: "diverged at every learning rate tried: no model; lower learning_rate",
}
"""What a member's status means."""


@dataclass(frozen=True)
class Member:
    """One model of a family.

    Attributes:
        status: key of `ADVICE`.
        path: checkpoint, relative to the family's folder; None when there is no model.
        relus: ReLUs that it has (of a graph network: of the shared networks).
        validation: root mean squared multi-step error on the validation episodes, in units of
            the one-step change's standard deviation.
        errors: open-loop errors after k steps, as `ModelErrors.to_dict`.
        facts: whatever `measure` found, for example modes.
        learning_rate: peak rate of its fine-tuning.
        cpu_seconds: CPU time of this round [s].
    """

    target: int
    status: str
    path: str | None = None
    relus: int = 0
    by_layer: list[int] = field(default_factory=list)
    identities: int = 0
    validation: float | None = None
    errors: list[dict[str, Any]] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    steps: int = 0
    learning_rate: float = 0.0
    cpu_seconds: float = 0.0

    def error(self, k: int, part: str | None = None) -> float | None:
        """Error after k steps of a part of the state; None: all points, or the first part."""
        rows = [row for row in self.errors if row["k"] == k and part in (None, row["part"])]
        return next((float(r["model"]) for r in rows if r["part"] == "points"),
                    float(rows[0]["model"]) if rows else None)  # fmt: skip


@dataclass(frozen=True)
class Family:
    """Members by falling number of ReLUs."""

    folder: Path | None
    members: tuple[Member, ...]

    def member(self, target: int) -> Member:
        """The member of a target.

        Raises:
            ConfigError: there is none.
        """
        for member in self.members:
            if member.target == target:
                return member
        known = ", ".join(str(m.target) for m in self.members)
        raise ConfigError(f"no member of {target} ReLUs in the family (there are: {known})")


def write(folder: Path, made_with: Mapping[str, Any], members: list[Member]) -> None:
    """Write table and record, the record last."""
    names = sorted({name for m in members for name in m.facts})
    ks = sorted({row["k"] for m in members for row in m.errors})
    first = ("target", "status", "relus", "identities", "validation")
    rows = [
        {k: getattr(m, k) for k in first}
        | {f"error_{k}": m.error(k) for k in ks}
        | {name: m.facts.get(name) for name in names}
        | {"steps": m.steps, "cpu_seconds": m.cpu_seconds}
        for m in members
    ]
    write_atomic(folder / CSV, csv_text(rows))
    write_json(folder / JSON, {"made_with": made_with, "members": [asdict(m) for m in members]})


def read(folder: str | Path) -> tuple[Family, dict[str, Any]]:
    """A family and what it was made with.

    Raises:
        FileError: there is none.
        CheckpointError: its record is not one.
    """
    folder = Path(folder)
    stored = read_json(folder / JSON)
    try:
        members = tuple(Member(**entry) for entry in stored["members"])
        return Family(folder, members), dict(stored["made_with"])
    except (TypeError, KeyError, ValueError) as error:
        expected = ", ".join(f.name for f in fields(Member))
        raise CheckpointError(
            f"{folder / JSON}: not the record of a family ({error}); members have {expected}"
        ) from error
