"""Stage and terminal cost: one definition, read by numpy, torch and the MIP.

    J(x, u) = sum_k sum_{t=1..H} w_k(t) max(0, |E_k x_t - g_k| - dead_zone_k)
              + sum_{t=0..H-1} w_u |u_t|

with |.| the L1 norm, the L-infinity norm or the squared L2 norm, and w_k(H) the terminal
weight. `x_0` is constant in a plan and not counted.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from sparsectl.errors import ConfigError, nearest
from sparsectl.task.expression import matrix

Norm = Literal["l1", "l2sq", "linf"]


@dataclass(frozen=True)
class TermConfig:
    """Weighted distance of state entries to a target."""

    of: str
    """Expression of state names: `points`, `pusher - mean(keypoints)`, `angle + 0.2*spin`."""
    target: float | list[float] | str = 0.0
    """A number, a list of numbers, or the name of a goal part of the observation. Of a part that
    is encoded as `sincos`: an angle [rad], or one for each angle of the part."""
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
        target: Shape (k,).
    """

    E: np.ndarray
    target: np.ndarray
    norm: Norm
    weight: float
    terminal_weight: float
    dead_zone: float = 0.0

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

    def action_form(self, nu: int) -> tuple[np.ndarray, np.ndarray]:
        """(E, g) of the action cost |E u - g|."""
        return self.action_map or (np.eye(nu), np.zeros(nu))

    def __call__(self, states: Any, actions: Any) -> Any:
        """Total cost.

        Args:
            states: Shape (..., H + 1, nx), numpy or torch.
            actions: Shape (..., H, nu), same kind.

        Returns:
            Shape (...).
        """
        later = states[..., 1:, :]
        horizon = actions.shape[-2]
        applied = actions
        if self.action_map is not None:
            E, g = self.action_map
            applied = actions @ _like(E.T, actions) - _like(g, actions)
        total = self.action_weight * _norm(applied, self.action_norm).sum(-1)
        for term in self.terms:
            error = later @ _like(term.E.T, later) - _like(term.target, later)
            distance = _norm(error, term.norm)
            if term.dead_zone:
                distance = (distance - term.dead_zone).clip(min=0)
            total = total + (distance * _like(term.weights(horizon), later)).sum(-1)
        return total


def bind(
    config: CostConfig,
    names: Mapping[str, slice],
    nx: int,
    goal: Mapping[str, np.ndarray],
    angles: Collection[str] = (),
) -> Cost:
    """Resolve names and targets of a `CostConfig` for the goal of one observation.

    Args:
        config: terms by name.
        names: slices of the state by name.
        nx: size of the state.
        goal: values of the goal parts by name.
        angles: names of the parts that are sines and cosines of angles.

    Raises:
        ConfigError: unknown names, a target of another size than its expression, or a number
            that is no target of sines and cosines.
    """
    terms = []
    for term in config.terms:
        E = matrix(term.of, names, nx)
        if isinstance(term.target, str):
            if term.target not in goal:
                raise ConfigError(
                    f"cost term '{term.of}': unknown goal '{term.target}'"
                    + nearest(term.target, goal)
                )
            target = np.asarray(goal[term.target], dtype=np.float64)
        else:
            target = np.asarray(term.target, dtype=np.float64)
        target = _of_angles(term, E, target, [names[name] for name in angles])
        if target.ndim == 0:
            target = np.full(len(E), float(target))
        if target.shape != (len(E),):
            raise ConfigError(
                f"cost term '{term.of}' has {len(E)} entries, its target has shape {target.shape}"
            )
        if not np.isfinite(target).all():
            raise ConfigError(f"cost term '{term.of}': its target is not finite")
        last = term.weight if term.terminal_weight is None else term.terminal_weight
        terms.append(Term(E, target, term.norm, term.weight, last, term.dead_zone))
    return Cost(tuple(terms), config.action.norm, config.action.weight)


def _of_angles(
    term: TermConfig, E: np.ndarray, target: np.ndarray, parts: list[slice]
) -> np.ndarray:
    """Angles [rad] as the sines and cosines that a term reads; any other target as it is.

    One number for both would be no target: sin^2 + cos^2 is 1 wherever the angle is.
    """
    for part in parts:
        read = E[:, part]
        count = read.shape[1] // 2
        both = (read[:, :count].any(0) & read[:, count:].any(0)).any()
        if not both or (target.ndim and len(target) != count):
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
    magnitude = abs(values)
    return magnitude.amax(-1) if hasattr(magnitude, "amax") else magnitude.max(-1)


def _like(array: np.ndarray, other: Any) -> Any:
    """`array` as the same kind (numpy or torch), dtype and device as `other`."""
    return array if isinstance(other, np.ndarray) else other.new_tensor(array)
