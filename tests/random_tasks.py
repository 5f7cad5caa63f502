"""Random `task:` configs with levels, so few plans that all can be tried."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from task_oracle import Case, levels

FEATURES = (
    "levels", "integer", "semi", "rate", "blocks", "late", "list", "preview", "sincos", "dead",
    "linf", "l2sq", "action", "box", "limits", "terminal", "window", "door", "half", "price",
    "region", "wall", "goals", "drift", "path", "points", "soft",
)  # fmt: skip
_STATE = {"position": "0:2", "speed": "2"}
_ANGLE = {"angle": {"entries": "3", "encode": "sincos"}}


def case(seed: int, features: tuple[str, ...]) -> Case:
    """A random decision with these features."""
    rng, has = np.random.default_rng(seed), set(features)
    horizon = int(rng.integers(2, 5))
    step, late = int(rng.integers(0, 4)), int(rng.integers(1, 3)) if "late" in has else 0
    position = rng.normal(size=2) * 0.3
    angle = rng.normal()
    nx = 5 if "sincos" in has else 3
    layers = _network(rng, nx, has)
    parts = {
        "goal": position + 0.5 * rng.normal(size=2),
        "preview": (position + 0.4 * rng.normal(size=(horizon, 2))).ravel(),
        "door": np.array(_windows(rng, horizon + late), float).ravel(),
        "obstacles": _boxes(rng, position).ravel(),
        "drift": (0.2 * rng.normal(size=(horizon + 1, 2))).ravel(),
        "limit": np.tile(position[:1], horizon) + rng.uniform(0.0, 0.5, horizon),
        "heading": np.array([angle + 0.5 * rng.normal()]),
    }
    entries, start = {}, 4
    for name, value in parts.items():
        entries[name] = f"{start}:{start + len(value)}"
        start += len(value)
    entries["heading"] = {"entries": entries["heading"], "encode": "sincos"}
    observation = np.concatenate([position, [0.2 * rng.normal(), angle], *parts.values()])
    parts["heading"] = np.array([np.sin(parts["heading"][0]), np.cos(parts["heading"][0])])
    state = {**_STATE, **(_ANGLE if "sincos" in has else {})}
    task: dict[str, Any] = {
        "observation": {"state": state, "goal": entries},
        "cost": {"terms": _terms(rng, has, horizon, step + late, position)},
        "action": _action(rng, has, horizon),
        "constraints": _constraints(rng, has, horizon, step + late, position),
    }
    if "action" in has:
        norm = str(rng.choice(["l1", "linf", "l2sq"]))
        task["cost"]["action"] = {"norm": norm, "weight": float(rng.uniform(0.05, 0.5))}
    last = None
    if "rate" in has and rng.random() < 0.8:
        last = np.array([float(rng.choice(levels(task["action"])))])
    penalty = float(10.0 ** rng.uniform(-1, 2)) if "soft" in has else None
    return Case(task, horizon, observation, layers, step, late, last, penalty, parts)


def _network(rng, nx: int, has: set) -> list[tuple[np.ndarray, np.ndarray]]:
    m = int(rng.integers(1, 4))
    W, b = rng.normal(size=(m, nx + 1)) / np.sqrt(nx), 0.2 * rng.normal(size=m)
    W[:, -1] *= 2
    return [(W, b), (0.4 * rng.normal(size=(nx, m)), 0.1 * rng.normal(size=nx))]


def _windows(rng, horizon: int) -> list[list[int]]:
    first = rng.integers(-1, horizon + 1, 2)
    return [[int(f), int(f + rng.integers(-1, 3))] for f in first]


def _boxes(rng, position: np.ndarray) -> np.ndarray:
    corner = position + 0.3 * rng.normal(size=(2, 2))
    return np.concatenate([corner, corner + rng.uniform(-0.05, 0.3, (2, 2))], axis=1)


def _terms(rng, has: set, horizon: int, now: int, position: np.ndarray) -> list[dict[str, Any]]:
    norm = next((n for n in ("linf", "l2sq") if n in has), "l1")
    term: dict[str, Any] = {"of": "position", "norm": norm, "weight": float(rng.uniform(0, 1))}
    term["target"] = "goal"
    if "preview" in has:
        term["target"] = "preview"
    elif "list" in has:
        rows = int(rng.integers(horizon, horizon + now + 3))
        term["target"] = (position + 0.4 * rng.normal(size=(rows, 2))).tolist()
    if rng.random() < 0.7:
        term["terminal_weight"] = float(rng.uniform(0, 3))
    if "dead" in has and norm != "l2sq":
        term["dead_zone"] = float(rng.uniform(0.05, 0.4))
    terms = [term]
    if "points" in has:
        of = "position[0] - 0.5*speed"
        terms.append({"of": of, "norm": str(rng.choice(["l1", "l2sq"])), "weight": 0.7})
    if "sincos" in has:
        target = "heading" if rng.random() < 0.5 else float(rng.uniform(-3, 3))
        terms.append({"of": "angle", "target": target, "weight": 0.5, "norm": norm})
    return terms


def _action(rng, has: set, horizon: int) -> dict[str, Any]:
    action: dict[str, Any] = {"levels": [-1.0, -0.3, 0.4, 1.0]}
    if "integer" in has:
        action = {"integer": True}
    if "levels" in has:
        action = {"levels": np.round(rng.uniform(-1, 1, int(rng.integers(2, 5))), 2).tolist()}
    if "semi" in has:
        action = {"levels": np.linspace(-1, 1, 9).tolist(), "semicontinuous": 0.6}
    if "rate" in has:
        action["rate"] = float(rng.uniform(0.3, 1.5))
    if "blocks" in has:
        if rng.random() < 0.5:
            action["blocks"] = int(rng.integers(1, horizon + 1))
        else:
            ends = np.flatnonzero(rng.random(horizon - 1) < 0.5) + 1
            action["blocks"] = np.diff([0, *ends, horizon]).tolist()
    return action


def _when(rng, has: set, horizon: int, now: int) -> str | list[list[int]]:
    if "terminal" in has and rng.random() < 0.7:
        return "terminal"
    if "door" in has and rng.random() < 0.7:
        return "door"
    if "window" in has:
        first = max(int(now + rng.integers(-1, horizon + 1)), 1)
        return [[first, first + int(rng.integers(0, 3))]]
    return "always"


def _constraints(rng, has: set, horizon: int, now: int, position: np.ndarray) -> dict[str, Any]:
    found: dict[str, list[Any]] = {"boxes": [], "half_spaces": [], "keep_out": []}

    def add(kind: str, **fields: Any) -> None:
        fields["when"] = _when(rng, has, horizon, now)
        if "price" in has and rng.random() < 0.7:
            fields["price"] = float(10.0 ** rng.uniform(-1, 1.5))
        found[kind].append(fields)

    if "box" in has:
        room = rng.uniform(0.1, 0.8, 4)
        low, high = position - room[:2], position + room[2:]
        add("boxes", of="position", low=low.tolist(), high=high.tolist())
    if "limits" in has:
        if rng.random() < 0.5:
            add("boxes", of="position[0]", low=-10.0, high="limit")
        else:
            high = position[1] + rng.uniform(-0.1, 0.6, (horizon + int(rng.integers(0, 4)), 1))
            low = (high - rng.uniform(0.2, 1.0, high.shape)).tolist()
            add("boxes", of="position[1]", low=low, high=high.tolist())
    if "half" in has:
        normal = rng.normal(size=2)
        offset = float(normal @ position + rng.uniform(-0.1, 0.5))
        add("half_spaces", of="position", normal=normal.tolist(), offset=offset)
    fields: dict[str, Any] = {"of": "position"}
    if rng.random() < 0.5:
        fields["between"] = bool(rng.random() < 0.3)
    if "drift" in has:
        fields["path"] = "drift"
    elif "path" in has:
        rows = int(rng.integers(horizon, horizon + now + 3))
        fields["path"] = (0.3 * rng.normal(size=(rows, 2))).tolist()
    if "region" in has or (has & {"drift", "path"} and "goals" not in has):
        center = position + 0.25 * rng.normal(size=2)
        turn = np.sort(rng.uniform(0, 2 * np.pi, 1)) + np.arange(3) * 2 * np.pi / 3
        corners = center + rng.uniform(0.1, 0.3) * np.stack([np.cos(turn), np.sin(turn)], axis=1)
        polygon = corners[:: int(rng.choice([-1, 1]))].tolist()
        add("keep_out", polygon=polygon, margin=float(rng.uniform(0, 0.1)), **fields)
    if "wall" in has:
        x, y = position + 0.2 * rng.normal(size=2)
        for low, high in ((-5.0, y), (y + 0.3, 5.0)):
            add("keep_out", box=[float(x), float(low), float(x) + 0.02, float(high)], **fields)
    if "goals" in has:
        add("keep_out", boxes="obstacles", **fields)
    return found


def drawn(seed: int) -> Case:
    """A case with a pair of features, every pair in turn, and up to three more."""
    pairs = list(itertools.combinations(FEATURES, 2))
    rng = np.random.default_rng([5, seed])
    more = rng.choice(FEATURES, int(rng.integers(0, 4)))
    return case(seed, (*pairs[seed % len(pairs)], *more))
