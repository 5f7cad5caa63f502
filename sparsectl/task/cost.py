"""Stage and terminal cost: one definition, read by numpy, torch and the MIP.

    J(x, u) = sum_k sum_{t=1..H} w_k(t) max(0, |E_k x_t - g_k| - dead_zone_k)
              + sum_{t=0..H-1} w_u |u_t|

with |.| the L1 norm, the L-infinity norm or the squared L2 norm, and w_k(H) the terminal
weight. `x_0` is constant in a plan and not counted. Constraints with a price add what their
violation costs, and a network may add what the last state is worth.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from sparsectl.errors import ConfigError
from sparsectl.task.arrays import like, most
from sparsectl.task.constraints import Constraints
from sparsectl.task.expression import matrix, whole_angles
from sparsectl.task.reference import Decision, Reference, resolve
from sparsectl.task.value import Value

Norm = Literal["l1", "l2sq", "linf"]


@dataclass(frozen=True)
class TermConfig:
    """Weighted distance of state entries to a target."""

    of: str
    """Expression of state names: `points`, `pusher - mean(keypoints)`, `angle + 0.2*spin`."""
    target: Reference = 0.0
    """A number, a list of numbers, the name of a goal part of the observation, or a list of these
    for every step of the episode. Of a part that is encoded as `sincos`: an angle [rad], or one
    for each angle of the part."""
    norm: Norm = "l1"
    """`l1`, `linf` or `l2sq` (squared Euclidean)."""
    weight: float = 1.0
    """Weight at every step before the last."""
    terminal_weight: float | None = None
    """Weight at the last step; None: the same as `weight`."""
    dead_zone: float = 0.0
    """Distance that costs nothing (`l1` and `linf` only)."""


@dataclass(frozen=True)
class ActionCostConfig:
    """Cost of actions, in the environment's action units."""

    norm: Norm = "l2sq"
    """`l1`, `linf` or `l2sq` (squared Euclidean)."""
    weight: float = 0.0
    """Weight at every step."""


@dataclass(frozen=True)
class CostConfig:
    """Sum of distance terms plus an action cost."""

    terms: list[TermConfig] = field(default_factory=list)
    action: ActionCostConfig = field(default_factory=ActionCostConfig)
    value: str | None = None
    """Folder of a network (of `sparsectl policy value`) that says what the end of a plan is worth;
    it is added to the terms. None: nothing comes after the horizon."""

    def __post_init__(self) -> None:
        for term in self.terms:
            weights = (term.weight, term.terminal_weight or 0.0, term.dead_zone)
            if not all(0 <= w < np.inf for w in weights):
                raise ConfigError(f"cost term '{term.of}': weights and dead_zone must be >= 0")
            if term.norm == "l2sq" and term.dead_zone > 0:
                raise ConfigError(f"cost term '{term.of}': dead_zone needs norm l1 or linf")
        if not 0 <= self.action.weight < np.inf:
            raise ConfigError(f"cost action: weight is {self.action.weight}, expected >= 0")


@dataclass(frozen=True)
class Term:
    """A bound term: everything a reader needs, as arrays.

    Attributes:
        E: Shape (k, nx).
        target: Shape (k,), or (H, k) for steps 1..H.
    """

    E: np.ndarray
    target: np.ndarray
    norm: Norm
    weight: float
    terminal_weight: float
    dead_zone: float = 0.0

    def targets(self, horizon: int) -> np.ndarray:
        """Target of steps t = 1..H. Shape (H, k)."""
        return np.broadcast_to(self.target, (horizon, len(self.E)))

    def weights(self, horizon: int) -> np.ndarray:
        """Weight of steps t = 1..H. Shape (H,)."""
        weights = np.full(horizon, self.weight)
        weights[-1:] = self.terminal_weight
        return weights


@dataclass(frozen=True)
class Cost:
    """The cost of one decision: targets are numbers. Callable on numpy arrays and torch tensors."""

    terms: tuple[Term, ...]
    action_norm: Norm = "l2sq"
    action_weight: float = 0.0
    action_map: tuple[np.ndarray, np.ndarray] | None = None
    """(E, g) of an action cost |E u - g|, shapes (nu, nu) and (nu,); None: |u|."""
    priced: Constraints | None = None
    """Constraints whose violation costs its weight."""
    value: Value | None = None
    """What the last state costs besides the terms."""

    def action_form(self, nu: int) -> tuple[np.ndarray, np.ndarray]:
        """(E, g) of the action cost |E u - g|."""
        return self.action_map or (np.eye(nu), np.zeros(nu))

    def __call__(self, states: Any, actions: Any) -> Any:
        """Total cost. Shape (...).

        Args:
            states: Shape (..., H + 1, nx), numpy or torch.
            actions: Shape (..., H, nu), same kind.
        """
        later = states[..., 1:, :]
        horizon = actions.shape[-2]
        applied = actions
        if self.action_map is not None:
            E, g = self.action_map
            applied = actions @ like(E.T, actions) - like(g, actions)
        total = self.action_weight * _norm(applied, self.action_norm).sum(-1)
        for term in self.terms:
            error = later @ like(term.E.T, later) - like(term.target, later)
            distance = _norm(error, term.norm)
            if term.dead_zone:
                distance = (distance - term.dead_zone).clip(min=0)
            total = total + (distance * like(term.weights(horizon), later)).sum(-1)
        if self.priced is not None:
            total = total + self.priced.violation(states)
        if self.value is not None:
            total = total + self.value(later[..., -1, :])
        return total


def bind(
    config: CostConfig,
    names: Mapping[str, slice],
    nx: int,
    now: Decision,
    angles: Collection[str] = (),
    priced: Constraints | None = None,
    encoded: Collection[str] = (),
    value: Value | None = None,
) -> Cost:
    """Resolve names and targets of a `CostConfig` for one decision.

    Args:
        names: slices of the state by name.
        now: goal, step and horizon of the decision.
        angles: names of the parts that are sines and cosines of angles.
        priced: constraints whose violation is part of the cost.
        encoded: names of the goal parts that are sines and cosines of angles.

    Raises:
        ConfigError: unknown names, a target of another size than its expression, or a number
            that is no target of sines and cosines.
    """
    terms = []
    parts = [names[name] for name in angles]
    for term in config.terms:
        E, where = matrix(term.of, names, nx), f"cost term '{term.of}'"
        given = (
            _by_step(term, len(E), now)
            if isinstance(term.target, str) and term.target in encoded
            else now
        )
        target = _target(term, E, given, parts, where)
        if not np.isfinite(target).all():
            raise ConfigError(f"{where}: its target is not finite")
        last = term.weight if term.terminal_weight is None else term.terminal_weight
        terms.append(Term(E, target, term.norm, term.weight, last, term.dead_zone))
    return Cost(tuple(terms), config.action.norm, config.action.weight, priced=priced, value=value)


def _by_step(term: TermConfig, size: int, now: Decision) -> Decision:
    """With the sines and cosines of every planned step together: a part has all sines first."""
    value = now.part(str(term.target), f"cost term '{term.of}'")
    if size % 2 or value.size <= size or value.size % size:
        return now
    rows = value.reshape(2, -1, size // 2).swapaxes(0, 1).ravel()
    return replace(now, goal={**now.goal, str(term.target): rows})


def _target(
    term: TermConfig, E: np.ndarray, now: Decision, parts: list[slice], where: str
) -> np.ndarray:
    """Target of a term, angles as the sines and cosines that it reads."""
    if isinstance(term.target, str):
        value = now.part(term.target, where)
    elif isinstance(term.target, list | tuple) and any(
        isinstance(row, list | tuple) for row in term.target
    ):
        rows: Any = term.target
        known = [_of_angles(term, E, np.asarray(row, dtype=np.float64), parts) for row in rows]
        return resolve([row.tolist() for row in known], len(E), now, f"{where}: target")
    else:
        value = np.asarray(term.target, dtype=np.float64)
    read = _of_angles(term, E, value, parts)
    goal = isinstance(term.target, str)
    sizes = {len(E), len(E) * now.horizon if goal and not now.loose else len(E)}
    several = goal and now.loose and len(E) and read.ndim and len(read) % len(E) == 0
    if read.ndim and len(read) not in sizes and not several:
        steps = f": expected {len(E)}, or {max(sizes)} for {now.horizon} planned steps"
        raise ConfigError(
            f"{where} has {len(E)} entries, its target has shape {read.shape}"
            + (steps if goal else "")
        )
    if goal and read is value:
        return resolve(str(term.target), len(E), now, f"{where}: target")
    array: Any = read.tolist()
    return resolve(array, len(E), now, f"{where}: target")


def _of_angles(
    term: TermConfig, E: np.ndarray, target: np.ndarray, parts: list[slice]
) -> np.ndarray:
    """Angles [rad] as the sines and cosines that a term reads; any other target as it is.

    One number for both would be no target: sin^2 + cos^2 is 1 wherever the angle is.
    """
    for part in parts:
        read = E[:, part]
        count = read.shape[1] // 2
        if not whole_angles(E, [part]) or (target.ndim and len(target) != count):
            continue
        if E.shape[0] != 2 * count or not np.array_equal(E, np.eye(E.shape[1])[part]):
            alike = [E[:, p] for p in parts if p.stop - p.start == 2 * count]
            if target.ndim == 0 and (
                target or np.sum(alike, axis=0).any()
            ):  # differences may have target 0
                raise ConfigError(
                    f"cost term '{term.of}' mixes sines and cosines with other entries, which one "
                    "number cannot be the target of: give a list of one number for each entry"
                )
            continue
        if not isinstance(term.target, str) and (np.abs(target) > 2 * np.pi).any():
            raise ConfigError(
                f"cost term '{term.of}': target {term.target} is more than a turn: angles are in "
                f"radians (180 degrees are {np.pi:.4f})"
            )
        angle = np.broadcast_to(target, count)
        return np.concatenate([np.sin(angle), np.cos(angle)])
    return target


def _norm(values: Any, norm: Norm) -> Any:
    if norm == "l1":
        return abs(values).sum(-1)
    if norm == "l2sq":
        return (values * values).sum(-1)
    return most(abs(values))
