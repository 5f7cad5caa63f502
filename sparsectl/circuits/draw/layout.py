"""Where the parts of a drawn circuit are. The head is on the left, the dorsal side up."""

from __future__ import annotations

from typing import Any

import networkx as nx
import numpy as np

PITCH = 1.6
"""Distance of two joints; the muscles are at +-2."""
HEIGHT = {"sensor": 0.5, "neuron": 1.05, "muscle": 2.0, "input": 1.05}
SHIFT = {"sensor": 0.68, "oscillator": -0.62}
RADIUS = {"sensor": 0.12, "oscillator": 0.19, "neuron": 0.17, "muscle": 0.13, "input": 0.1}
BUS = 1.5
"""Height of the line that brings the speed input to the neurons."""
LEFT = -2.1
"""Where the inputs are."""


def place(data: dict[str, Any], name: str) -> tuple[float, float]:
    """Position of a node."""
    side = {"dorsal": 1, "ventral": -1, "": {"right": 1, "left": -1}.get(name, 0)}[data["side"]]
    if data["kind"] == "input":
        return LEFT, side * HEIGHT["input"]
    return data["joint"] * PITCH + SHIFT.get(data["kind"], 0.0), side * HEIGHT.get(data["kind"], 0)


def bend(graph: nx.DiGraph, start: str, end: str) -> float:
    """Curvature of an edge: its height over its chord, half of that of the control point."""
    group, target = graph.edges[start, end]["group"], graph.nodes[end]
    side = 1 if target["side"] == "dorsal" else -1
    if group == "contralateral":
        return 0.2
    if group == "proprioception":
        return 0.035 * side * max(target["joint"] - graph.nodes[start]["joint"] - 2, 0)
    if group == "reflex":
        return 0.06 * side * (graph.nodes[start]["joint"] - target["joint"])
    return -0.12 * side * target["joint"] if group == "turn" else 0.0


def curve(graph: nx.DiGraph, start: str, end: str) -> tuple[np.ndarray, float]:
    """Start, control point and end of an edge's parabola, and its bend. Shape (3, 2).

    Both synapses on a muscle end side by side.
    """
    a, b = (np.array(place(graph.nodes[n], n)) for n in (start, end))
    if graph.edges[start, end]["group"] == "contralateral":
        b[0] += 0.22 if b[1] > 0 else -0.22
    if start == "speed":
        a = np.array([b[0] - 0.42, np.sign(b[1]) * BUS])
    curvature, across = bend(graph, start, end), b - a
    control = (a + b) / 2 + curvature * np.array([across[1], -across[0]])
    return np.stack([a, control, b]), curvature


def label(graph: nx.DiGraph, start: str, end: str) -> tuple[float, float]:
    """Where an edge's weight is printed: beside its line."""
    points, _ = curve(graph, start, end)
    up = 1 if points[2, 1] > 0 else -1
    t, dx, dy = {
        "contralateral": (0.42, -0.29 * up, 0.0),
        "ipsilateral": (0.66, -0.27 * up, 0.0),
        "oscillator": (0.5, -0.22, -0.02),
        "speed": (0.0, -0.2, -0.18),
        "turn": (0.3, 0.0, 0.0),
        "proprioception": (0.42, -0.14, 0.17),
        "reflex": (0.5, -0.17, -0.19),
    }[graph.edges[start, end]["group"]]
    x, y = (1 - t) ** 2 * points[0] + 2 * t * (1 - t) * points[1] + t**2 * points[2]
    return float(x + dx), float(y + up * dy)


def told(graph: nx.DiGraph) -> list[tuple[str, str]]:
    """Edges whose weight is printed beside them.

    Those that differ from the same synapse one joint nearer to the head and from the dorsal one of
    the same joint; those from farther than the next joint are in rows of their own.
    """
    keys = {}
    for start, end, data in graph.edges(data=True):
        target = graph.nodes[end]
        if data["group"] != "proprioception" or distance(graph, start, end) == 1:
            keys[start, end] = (data["group"], target["side"], target["joint"])
    weights = {key: graph.edges[edge]["weight"] for edge, key in keys.items()}
    found = []
    for edge, (group, side, joint) in keys.items():
        data = graph.edges[edge]
        beside = (group, side, joint - 1) if side == "dorsal" else (group, "dorsal", joint)
        same = beside in weights and abs(weights[beside] - data["weight"]) < 5e-3
        if not same and not data["cut"] and data["sign"] != "none":
            found.append(edge)
    return found


def rows(graph: nx.DiGraph) -> dict[int, dict[int, list[float]]]:
    """Weights [dorsal, ventral] of proprioception from 2 and more joints ahead: distance -> joint
    -> weights; those of one side if they are equal."""
    found: dict[int, dict[int, list[float]]] = {}
    for start, end, data in graph.edges(data=True):
        far = distance(graph, start, end)
        if data["group"] == "proprioception" and far > 1:
            joint = graph.nodes[end]["joint"]
            pair = found.setdefault(far, {}).setdefault(joint, [])
            if not pair or abs(pair[0] - data["weight"]) >= 5e-3:
                pair.append(data["weight"])
    return dict(sorted(found.items()))


def distance(graph: nx.DiGraph, start: str, end: str) -> int:
    """Joints between the ends of an edge."""
    return graph.nodes[end]["joint"] - graph.nodes[start]["joint"]


def outline(joints: int) -> np.ndarray:
    """A worm: blunt head, tapered tail. Shape (points, 2)."""
    left, right = -1.35, joints * PITCH + 0.35
    x = np.linspace(0, 1, 400)
    along = left + (right - left) * x
    head = np.clip((along - left) / 1.3, 0, 1)
    tail = np.clip((right - along) / 2.0, 0, 1)
    half = 2.4 * np.sqrt(1 - (1 - head) ** 2.4) * np.sqrt(1 - (1 - tail) ** 2.2)
    return np.concatenate([np.stack([along, half], 1), np.stack([along, -half], 1)[::-1]])
