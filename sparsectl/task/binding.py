"""The constraints of one decision: names and times of a `ConstraintsConfig` resolved."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from sparsectl.errors import ConfigError
from sparsectl.task import keep_out
from sparsectl.task.constraints import (
    BoxConfig,
    Constraints,
    ConstraintsConfig,
    HalfSpaceConfig,
)
from sparsectl.task.expression import matrix, whole_angles
from sparsectl.task.keep_out import KeepOut
from sparsectl.task.reference import Decision, active, resolve


def bind(
    config: ConstraintsConfig,
    names: Mapping[str, slice],
    nx: int,
    now: Decision,
    angles: Collection[str] = (),
) -> tuple[Constraints, Constraints | None]:
    """Resolve names and times of a `ConstraintsConfig`.

    Args:
        names: slices of the state by name.
        now: goal, step and horizon of the decision.
        angles: names of the parts that are sines and cosines of angles.

    Returns:
        The hard constraints, and those that have a price, which is their weight (None: none has).

    Raises:
        ConfigError: unknown names, sizes that do not match, an empty box, one number as the limit
            of sines and cosines, a non-convex polygon.
    """
    hard, priced = _Rows(nx, now.horizon), _Rows(nx, now.horizon)
    for box in config.boxes:
        where = f"box of '{box.of}'"
        E, there = matrix(box.of, names, nx), active(box.when, now, where)
        low = resolve(box.low, len(E), now, f"{where}: low")
        high = resolve(box.high, len(E), now, f"{where}: high")
        # Goals may leave no room at a step: then no plan keeps it, which is no fault of the task.
        told = isinstance(box.low, str) or isinstance(box.high, str)
        one = [v for v in (box.low, box.high) if isinstance(v, int | float) and np.isfinite(v)]
        if one and whole_angles(E, [names[name] for name in angles]):
            raise ConfigError(
                f"{where}: {one[0]} would limit sines and cosines alike, not the angle: give a "
                "list of one number for each entry, sines first"
            )
        over = low > high
        if over.any() and not told:
            a, b = (np.broadcast_to(v, over.shape)[over][0] for v in (low, high))
            raise ConfigError(f"{where}: low {a} is above high {b}")
        if (low == np.inf).any() or (high == -np.inf).any():
            raise ConfigError(f"{where}: low is inf or high is -inf, which no number keeps")
        rows = hard if box.price is None else priced
        for sign, limit, word in ((1.0, high, "high"), (-1.0, -low, "low")):
            finite = np.isfinite(np.atleast_2d(limit)).any(axis=0)
            labels = [f"{word} limit of '{box.of}'[{i}]" for i in np.flatnonzero(finite)]
            rows.add(sign * E[finite], limit[..., finite], labels, there, box)
    for half in config.half_spaces:
        where = f"half-space of '{half.of}'"
        E = matrix(half.of, names, nx)
        normal = resolve(half.normal, len(E), now, f"{where}: normal")
        if not (normal.any() and np.isfinite([*normal, half.offset]).all()):
            raise ConfigError(f"{where}: normal is zero or not finite")
        rows = hard if half.price is None else priced
        there = active(half.when, now, where)
        rows.add((normal @ E)[None], np.array([half.offset]), [where], there, half)
    for region in config.keep_out:
        rows = hard if region.price is None else priced
        rows.regions += keep_out.bind(region, names, nx, now)
    soft = priced.constraints()
    return hard.constraints(), None if soft.empty else soft


class _Rows:
    """Collects rows and regions."""

    def __init__(self, nx: int, horizon: int) -> None:
        self.horizon = horizon
        self.G = [np.zeros((0, nx))]
        self.h = [np.zeros(0)]
        self.labels: list[str] = []
        self.prices: list[float] = []
        self.terminal: list[bool] = []
        self.regions: list[KeepOut] = []

    def add(
        self,
        G: np.ndarray,
        h: np.ndarray,
        labels: list[str],
        there: np.ndarray | None,
        config: BoxConfig | HalfSpaceConfig,
    ) -> None:
        """Rows `G x <= h` at the steps `there` of 0..H."""
        if there is not None:
            h = np.where(there[1:, None], h, np.inf)
        self.G.append(G)
        self.h.append(h)
        self.labels += labels
        self.prices += [config.price or 1.0] * len(G)
        self.terminal += [config.when == "terminal"] * len(G)

    def constraints(self) -> Constraints:
        """Constraints of all rows; those that never hold are left out."""
        G, sides = np.concatenate(self.G), self.h
        if any(side.ndim > 1 for side in sides):
            sides = [np.broadcast_to(side, (self.horizon, side.shape[-1])) for side in sides]
        h, prices = np.concatenate(sides, axis=-1), np.array(self.prices)
        kept = np.flatnonzero(np.isfinite(np.atleast_2d(h)).any(axis=0))
        labels = tuple(self.labels[k] for k in kept)
        prices = prices[kept]
        weights = None if (prices == 1.0).all() else prices
        last = np.array(self.terminal, dtype=bool)[kept]
        ends = last if last.any() else None
        return Constraints(G[kept], h[..., kept], tuple(self.regions), labels, weights, ends)
