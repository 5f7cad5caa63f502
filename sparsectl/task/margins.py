"""Margins for the errors of a model: constraints drawn in by what held-out predictions miss.

Split conformal prediction (Vovk et al. 2005; for planning: Lindemann et al. 2023). Let e_t be the
state after t steps less the model's prediction, in n rollouts that training did not see, and q the
coverage. At planned step t every hard row g x <= h is drawn in by the ceil((n + 1) q)-th smallest
of the g e_t, and every face of a keep-out region is moved out by that of max_f -(A_f P e_t): the
most by which the point comes nearer to some face than predicted. Neither is ever let out. Rows
that are terminal are not drawn in: they say from where it is known how to go on, and that step is
planned again before it comes.

What that guarantees: where a plan keeps a drawn-in constraint at a step, the real state keeps the
task's own one there with probability q at least, whichever face the plan chose, if the plan's
start and actions are exchangeable with those of the rollouts that keep the limits as it does. It
holds for each constraint and
step by itself: for k of them at once ask for 1 - (1 - q) / k. On the way between two planned
points it says nothing beyond their ends. Controllers choose actions that the rollouts did not,
so in closed loop it has to be measured.

These are errors of an open loop. On an unstable plant they grow until nothing is left to plan in,
though nobody goes so far without deciding again. With `steps` k the promise is about planned steps
1..k only, and the others are drawn in as step k is: room for the decisions to come, no promise.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from sparsectl.errors import ConfigError
from sparsectl.task.constraints import Constraints, ConstraintsConfig

ROLLOUTS = 1000
"""Episodes that margins are taken from, each with one rollout: those of one episode are alike."""


def least(coverage: float) -> int:
    """Rollouts that a coverage needs: the smallest n with ceil((n + 1) q) <= n."""
    return math.ceil(coverage / (1 - coverage) * (1 - 1e-9))


def check(config: ConstraintsConfig) -> None:
    """Refuse a coverage that margins cannot give.

    Raises:
        ConfigError: outside (0, 1), too high for the number of rollouts, or of nothing.
    """
    q, steps, where = config.coverage, config.coverage_steps, "task.constraints.coverage"
    if steps is not None and steps < 1:
        raise ConfigError(f"{where}_steps is {steps}, expected 1 or more (1: to the next decision)")
    if q is None and steps is not None:
        raise ConfigError(f"{where}_steps is {steps} without a coverage, for example coverage: 0.9")
    if q is None:
        return
    if not 0 < q < 1:
        raise ConfigError(f"{where} is {q}, expected above 0 and below 1, for example 0.9")
    if least(q) > ROLLOUTS:
        raise ConfigError(
            f"{where} is {q}: {least(q)} held-out rollouts are needed and {ROLLOUTS} are made; ask "
            f"for {ROLLOUTS / (ROLLOUTS + 1):.4f} at most"
        )
    if None not in config.prices:
        raise ConfigError(f"{where} is {q}, and there is no hard constraint to draw in")


def quantile(scores: np.ndarray, coverage: float) -> np.ndarray:
    """The ceil((n + 1) q)-th smallest of n scores; inf where that is more than n. Shape (...).

    Args:
        scores: NaN where there is none. Shape (n, ...).
    """
    count = (~np.isnan(scores)).sum(axis=0)
    place = np.ceil((count + 1) * coverage - 1e-9).astype(int)
    ordered = np.sort(scores, axis=0)  # NaN comes last
    found = np.take_along_axis(ordered, np.minimum(place, len(scores))[None] - 1, axis=0)[0]
    return np.where(place <= count, found, np.inf)


@dataclass(frozen=True)
class Margins:
    """By how much constraints are drawn in, at every planned step.

    Attributes:
        errors: state after t = 1..H steps less the prediction, of every rollout; NaN from where
            its episode ends or it is like a plan no more. Shape (n, H, nx).
        steps: the first planned steps, which it is about; those after are drawn in as the last of
            these is. None: all.

    Raises:
        ConfigError: at some of these steps too few rollouts are left.
    """

    errors: np.ndarray
    coverage: float
    steps: int | None = None
    _known: dict[tuple[bytes, ...], np.ndarray] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        where = f"task.constraints.coverage is {self.coverage}"
        left = (~np.isnan(self.errors[:, : self.steps, 0])).sum(axis=0)
        few = np.flatnonzero(left < least(self.coverage))
        if len(few):
            raise ConfigError(
                f"{where}: {least(self.coverage)} held-out rollouts are needed at every planned "
                f"step, and {left[few[0]]} of {len(self.errors)} go on to step {few[0] + 1}, "
                "within the limits: ask for less, plan fewer steps, say how many steps it is about "
                "(`coverage_steps`), or record episodes (`data`) that last longer and keep the "
                "limits"
            )

    def of(self, constraints: Constraints) -> np.ndarray:
        """Margins at steps 1..H, ordered as the constraints' names. Shape (H, constraints)."""
        shapes = [constraints.G, *(m for r in constraints.keep_out for m in (r.P, r.A))]
        key = tuple(shape.tobytes() for shape in shapes)
        if key not in self._known:
            scores = misses(constraints, self.errors[:, : self.steps])
            found = quantile(scores, self.coverage).clip(min=0)
            later = self.errors.shape[1] - len(found)
            self._known[key] = np.pad(found, ((0, later), (0, 0)), mode="edge")
        return self._known[key]

    def draw_in(self, constraints: Constraints, horizon: int) -> Constraints:
        """Constraints of a plan that are drawn in.

        Raises:
            ConfigError: the rollouts are shorter than the plan.
        """
        if horizon > self.errors.shape[1]:
            raise ConfigError(
                f"margins of {self.errors.shape[1]} steps cannot be those of a plan of {horizon}"
            )
        rows, h = len(constraints.G), constraints.h
        margins = np.pad(self.of(constraints)[:horizon], ((1, 0), (0, 0)))  # none at the present
        if rows:
            h = constraints.sides(horizon)
            ends = constraints.terminal
            kept = False if ends is None or horizon == 1 else ends
            h = h - np.where(kept, 0.0, margins[1:, :rows])
        regions = tuple(
            replace(region, b=region.sides(horizon) + by[:, None])
            for region, by in zip(constraints.keep_out, margins.T[rows:], strict=True)
        )
        return replace(constraints, h=h, keep_out=regions)

    def by_name(self, constraints: Constraints) -> dict[str, list[float]]:
        """The margins of every constraint at steps 1..H, by its name."""
        margins = self.of(constraints).T.tolist()
        return dict(zip(constraints.names, margins, strict=True))


def misses(constraints: Constraints, errors: np.ndarray) -> np.ndarray:
    """How much nearer than predicted a state is to violating each constraint.

    Args:
        errors: see `Margins`. Shape (n, H, nx).

    Returns:
        Shape (n, H, constraints), ordered as the constraints' names.
    """
    nearer = [(errors @ -(r.A @ r.P).T).max(axis=-1, keepdims=True) for r in constraints.keep_out]
    return np.concatenate([errors @ constraints.G.T, *nearer], axis=-1)


def nothing_left(constraints: Constraints, horizon: int) -> str:
    """The first two opposite limits that no state satisfies together, in words; "" without any.

    Where margins do that, every decision is softened.
    """
    G, h = constraints.G, constraints.sides(horizon)
    for i, row in enumerate(G):
        for j in np.flatnonzero((G[:i] == -row).all(axis=1)):
            crossed = np.flatnonzero(h[:, i] + h[:, j] < 0)
            if len(crossed):
                return f"{constraints.labels[j]} at step {crossed[0] + 1}"
    return ""


def told(margins: Mapping[str, Sequence[float]]) -> str:
    """The largest margin of limits and of keep-out regions, in words."""
    parts = []
    for regions in (False, True):
        found = {n: v for n, v in margins.items() if n.startswith("keep-out") is regions}
        if found:
            name = max(found, key=lambda n: max(found[n]))
            most = max(found[name])
            parts.append(f"{name} by up to {most:.3g} at step {found[name].index(most) + 1}")
    return ", ".join(parts) or "nothing"
