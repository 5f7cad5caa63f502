"""A decision as a user states it, and what its plans cost: plain loops, from the documentation.

Read from the config and the observation, without the package's task, rollout or encoder.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sparsectl import config
from sparsectl.program import algebra
from sparsectl.task import Task, TaskConfig


@dataclass
class Case:
    """A decision as a user states it."""

    task: dict[str, Any]
    horizon: int
    observation: np.ndarray
    layers: list[tuple[np.ndarray, np.ndarray]]
    step: int = 0
    late: int = 0
    last: np.ndarray | None = None
    penalty: float | None = None
    goal: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def program(self):
        nx = len(self.layers[-1][1])
        return algebra.add_linear(
            algebra.from_layers(*zip(*self.layers, strict=True)), np.eye(nx, nx + 1)
        )

    def problem(self):
        parsed = config.from_dict(TaskConfig, self.task)
        task = Task(parsed, len(self.observation), -np.ones(1), np.ones(1))
        return task.problem(
            self.observation, self.horizon, step=self.step, late=self.late, last=self.last
        )


def levels(action: dict[str, Any]) -> list[float]:
    values = action.get("levels", [-1.0, 0.0, 1.0])
    if "semicontinuous" in action:
        values = [v for v in values if v == 0 or abs(v) >= action["semicontinuous"]]
    return sorted(set(values))


def plans(item: Case) -> np.ndarray:
    """All plans that keep the rules for actions. Shape (n, H, 1)."""
    action, horizon = item.task["action"], item.horizon
    blocks = action.get("blocks", 1)
    if isinstance(blocks, int):
        blocks = [blocks] * (horizon // blocks) + [horizon % blocks] * (horizon % blocks > 0)
    found = []
    for chosen in itertools.product(levels(action), repeat=len(blocks)):
        before = [] if item.last is None else [float(item.last[0])]
        moves = abs(np.diff([*before, *chosen]))
        if "rate" not in action or (moves <= action["rate"] + 1e-9).all():
            found.append(np.repeat(chosen, blocks))
    return np.array(found).reshape(-1, horizon, 1)


def states(item: Case, plan: np.ndarray) -> list[np.ndarray]:
    """x_0..x_H of one plan."""
    o = item.observation
    x = [*o[:3], *([np.sin(o[3]), np.cos(o[3])] if len(item.layers[-1][1]) == 5 else [])]
    found = [np.array(x)]
    (W, b), (V, c) = item.layers
    for u in plan:
        v = np.concatenate([found[-1], u])
        found.append(found[-1] + V @ np.maximum(W @ v + b, 0) + c)
    return found


def cost(item: Case, plan: np.ndarray) -> tuple[float, float, float]:
    """Cost of a plan with prices, its summed violation of hard constraints, and the largest."""
    x, total, hard, worst = states(item, plan), 0.0, 0.0, 0.0
    for term in item.task["cost"]["terms"]:
        for t in range(1, item.horizon + 1):
            error = _read(term["of"], x[t]) - _row(item, term.get("target", 0.0), t, 1)
            weight = term["weight"]
            if t == item.horizon:
                weight = term.get("terminal_weight", weight)
            size = _norm(error, term["norm"])
            total += weight * max(size - term.get("dead_zone", 0.0), 0.0)
    action = item.task["cost"].get("action")
    if action is not None:
        total += action["weight"] * sum(_norm(u, action["norm"]) for u in plan)
    for price, by in _violations(item, x):
        if price is None:
            hard, worst = hard + by, max(worst, by)
        else:
            total += price * by
    return total, hard, worst


def _read(of: str, x: np.ndarray) -> np.ndarray:
    known = {
        "position": x[:2], "position[0]": x[:1], "position[1]": x[1:2], "angle": x[3:5],
        "position[0] - 0.5*speed": x[:1] - 0.5 * x[2:3],
    }  # fmt: skip
    return known[of]


def _row(item: Case, value: Any, t: int, first: int) -> np.ndarray:
    """Value at planned step t; goals of several steps begin with planned step `first`."""
    if isinstance(value, str):
        goal = item.goal[value]
        size = {"goal": 2, "preview": 2, "drift": 2, "limit": 1, "heading": 2}[value]
        rows = goal.reshape(-1, size)
        return rows[min(t - first + item.late, len(rows) - 1)] if len(rows) > 1 else rows[0]
    if isinstance(value, list) and isinstance(value[0], list):
        return np.array(value[min(item.step + item.late + t, len(value) - 1)])
    if isinstance(value, float) and item.task["cost"]["terms"][-1].get("target") is value:
        return np.array([np.sin(value), np.cos(value)])
    return np.array(value)


def _norm(error: np.ndarray, norm: str) -> float:
    kinds = {"l1": abs(error).sum(), "linf": abs(error).max(), "l2sq": (error**2).sum()}
    return float(kinds[norm])


def _there(item: Case, when: Any, t: int) -> bool:
    if when in ("always", "terminal"):
        return when == "always" or t == item.horizon
    if when == "door":  # counts from the observation
        return any(a <= t + item.late <= b for a, b in item.goal["door"].reshape(-1, 2))
    return any(a <= item.step + item.late + t <= b for a, b in when)


def _violations(item: Case, x: list[np.ndarray]):
    """(price or None, by how much) of every constraint and step."""
    given = item.task["constraints"]
    for t in range(1, item.horizon + 1):
        for box in given["boxes"]:
            if _there(item, box["when"], t):
                v = _read(box["of"], x[t])
                low, high = (_row(item, box[end], t, 1) for end in ("low", "high"))
                for by in (*(v - high), *(low - v)):
                    yield box.get("price"), max(float(by), 0.0)
        for half in given["half_spaces"]:
            if _there(item, half["when"], t):
                by = float(np.dot(half["normal"], _read(half["of"], x[t])) - half["offset"])
                yield half.get("price"), max(by, 0.0)
        for region in given["keep_out"]:
            for corners in _polygons(item, region):
                yield region.get("price"), _depth(item, region, corners, x, t)


def _polygons(item: Case, region: dict[str, Any]) -> list[np.ndarray]:
    if "polygon" in region:
        return [np.array(region["polygon"])]
    boxes = [region["box"]] if "box" in region else item.goal["obstacles"].reshape(-1, 4)
    return [np.array([[a, b], [c, b], [c, d], [a, d]]) for a, b, c, d in boxes if a < c and b < d]


def _depth(item: Case, region: dict[str, Any], corners: np.ndarray, x: list, t: int) -> float:
    """How deep a point is at a step, or on the way to it: of its best face."""
    middle, faces = corners.mean(axis=0), []
    for p, q in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        normal = np.array([q[1] - p[1], p[0] - q[0]]) / np.linalg.norm(q - p)
        faces.append((normal, p) if normal @ (p - middle) > 0 else (-normal, p))

    def inside(k: int, normal: np.ndarray, p: np.ndarray) -> float:
        if not _there(item, region["when"], k):
            return -np.inf
        moved = _row(item, region["path"], k, 0) if "path" in region else np.zeros(2)
        return float(normal @ (p + moved) + region.get("margin", 0.0) - normal @ x[k][:2])

    before = [-np.inf] * len(faces)
    if region.get("between", True):
        before = [inside(t - 1, *face) for face in faces]
        if t == 1:
            before = [b - max(min(before), 0.0) for b in before]
    return max(min(max(b, inside(t, *f)) for b, f in zip(before, faces, strict=True)), 0.0)
