"""What is known about a model's structure before any data is seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from sparsectl.errors import ConfigError, one_of

ACTION = "action@0"
"""In the place of a part: the action itself. No part can be called so."""


@dataclass(frozen=True)
class StructureConfig:
    """Known structure of the dynamics, by name of state parts."""

    relative: dict[str, str] = field(default_factory=dict)
    """Parts the network sees relative to a reference part: `{links: gripper}` subtracts the
    gripper from every link. The reference itself is then no input (translation invariance)."""
    exact: dict[str, float] = field(default_factory=dict)
    """Parts that follow x' = x + gain * u exactly: `{gripper: 0.02}`. They are not learned and
    must be as large as the action."""
    points: list[str] = field(default_factory=list)
    """Parts that are planar points (x0, y0, x1, y1, ...): their error is reported as the mean
    distance over all of these points. Empty: the parts named in `relative` whose reference is
    one planar point."""
    copies: dict[str, str] = field(default_factory=dict)
    """Parts that are at the next step what another part, or the action (`action@0`), is now:
    `{before: pose, push: action@0}`. They are not learned. Those of `env.kwargs.history` are
    found."""


@dataclass(frozen=True)
class Structure:
    """A `StructureConfig` resolved for named state slices.

    Attributes:
        S: network's view of the state, `S @ x`. Shape (ns, nx).
        predicted: indices of the entries the network predicts. Shape (nd,).
        G: exact part, `x' = x + G @ u + ...`. Shape (nx, nu).
        K: change of the copied entries, `x' = x + K @ [x; u]`. Shape (nx, nx + nu).
        points: names of the parts that are planar points.
    """

    nx: int
    nu: int
    S: np.ndarray
    predicted: np.ndarray
    G: np.ndarray
    K: np.ndarray
    points: tuple[str, ...]


def resolve(config: StructureConfig, names: Mapping[str, slice], nx: int, nu: int) -> Structure:
    """Check names and sizes of a `StructureConfig`.

    Raises:
        ConfigError: unknown part, sizes that do not match, a reference that is itself
            relative, or nothing left to predict.
    """
    for where, keys in (
        ("relative", [*config.relative, *config.relative.values()]),
        ("exact", list(config.exact)),
        ("copies", [*config.copies, *(s for s in config.copies.values() if s != ACTION)]),
        ("points", config.points),
    ):
        for name in keys:
            one_of(name, names, f"structure {where}: unknown state part")
    eye, references = np.eye(nx), set(config.relative.values())
    rows = []
    for name, part in names.items():
        if name in config.relative:
            rows.append(eye[part] - _tiled(name, config.relative, names, eye))
        elif name not in references:
            rows.append(eye[part])
    exact, G = np.zeros(nx, dtype=bool), np.zeros((nx, nu))
    for name, gain in config.exact.items():
        size = names[name].stop - names[name].start
        if size != nu:
            raise ConfigError(
                f"structure exact: '{name}' has {size} entries, the action has {nu}: they must be "
                "equal for x' = x + gain * u"
            )
        if not np.isfinite(gain):
            raise ConfigError(f"structure exact: gain of '{name}' is {gain}")
        exact[names[name]] = True
        G[names[name]] = gain * np.eye(nu)
    K, known = _copied(config, names, nx, nu), exact.copy()
    for name in config.copies:
        if known[names[name]].any():
            raise ConfigError(f"structure: '{name}' is both exact and a copy, or overlaps")
        known[names[name]] = True
    if known.all():
        raise ConfigError("structure covers the whole state: nothing is left to learn")
    return Structure(
        nx, nu, np.concatenate(rows), np.flatnonzero(~known), G, K, _points(config, names)
    )


def _copied(config: StructureConfig, names: Mapping[str, slice], nx: int, nu: int) -> np.ndarray:
    """Change of the copied entries. Shape (nx, nx + nu)."""
    K, eye = np.zeros((nx, nx + nu)), np.eye(nx + nu)
    for name, source in config.copies.items():
        own, of = eye[:nx][names[name]], eye[nx:] if source == ACTION else eye[names[source]]
        if len(own) != len(of):
            raise ConfigError(
                f"structure copies: '{name}' has {len(own)} entries, '{source}' has {len(of)}: "
                "they must be equal"
            )
        K[names[name]] = of - own
    return K


def _tiled(
    name: str, relative: Mapping[str, str], names: Mapping[str, slice], eye: np.ndarray
) -> np.ndarray:
    """The reference's selection, repeated over the points of part `name`."""
    reference = relative[name]
    if reference in relative:
        raise ConfigError(f"structure relative: reference '{reference}' is itself relative")
    size = names[name].stop - names[name].start
    step = names[reference].stop - names[reference].start
    if size % step:
        raise ConfigError(
            f"structure relative: '{name}' has {size} entries, which is no multiple of the {step} "
            f"of its reference '{reference}'"
        )
    return np.tile(eye[names[reference]], (size // step, 1))


def _points(config: StructureConfig, names: Mapping[str, slice]) -> tuple[str, ...]:
    for name in config.points:
        if (names[name].stop - names[name].start) % 2:
            raise ConfigError(f"structure points: '{name}' has an odd number of entries")
    planar = [k for k, r in config.relative.items() if names[r].stop - names[r].start == 2]
    return tuple(config.points or planar)
