"""What differs from episode to episode: start, goal, boxes, the door and when it is closed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .paths import Ways, inside

HALF = np.array([1.83, 1.37])
"""Half the sides of the arena, whose middle is the origin [m]."""
RADIUS = 0.1
"""Of the disc [m]."""
MOST_BOXES, FEWEST_BOXES = 11, 7
"""Boxes of a scene."""
WINDOWS = 3
"""Intervals in which the door is closed."""
ROOM = 0.13
"""Margin with which there must be a way from start to goal [m]."""
NEVER = 1000
"""A step that no episode reaches."""

_THICK = 0.1
_FREE = 0.25
_DOORWAY = (0.42, 0.54)
_SLIT = (0.32, 0.4)
_SIDES = (0.18, 0.6)
_WAY = (1.5, 2.3)
_WORTH = 0.4
_STEP = 0.105
"""What a flight covers in a control step, about [m]."""
_STARTS = 60
_INNER = HALF - RADIUS - 0.05
_NOTHING = np.zeros(4)
_NO_WINDOW = np.array([0.0, -1.0])


@dataclass(frozen=True)
class Layout:
    """One scene; lengths in metres.

    Attributes:
        start: of the disc, at rest. Shape (2,).
        goal: Shape (2,).
        boxes: x0, y0, x1, y1; those not there are zeros. Shape (MOST_BOXES, 4).
        door: as a box; zeros if there is none. Shape (4,).
        closed: first and last step of every interval in which the door is closed; an interval that
            is not there is 0, -1. Shape (WINDOWS, 2).
    """

    start: np.ndarray
    goal: np.ndarray
    boxes: np.ndarray
    door: np.ndarray
    closed: np.ndarray

    def vector(self) -> np.ndarray:
        """All of it. Shape (SIZE,)."""
        parts = (self.start, self.goal, self.boxes, self.door, self.closed)
        return np.concatenate([np.ravel(p) for p in parts])

    @classmethod
    def of(cls, vector: np.ndarray) -> Layout:
        """What `vector` gave."""
        start, goal, boxes, door, closed = np.split(vector, np.cumsum(_SIZES)[:-1])
        return cls(start, goal, boxes.reshape(-1, 4), door, closed.reshape(-1, 2))

    def shut(self, step: int) -> bool:
        """Whether the door is closed at a step."""
        return bool(((self.closed[:, 0] <= step) & (step <= self.closed[:, 1])).any())


_SIZES = (2, 2, 4 * MOST_BOXES, 4, 2 * WINDOWS)
SIZE = sum(_SIZES)
"""Numbers of a layout."""


def draw_layout(rng: np.random.Generator, boxes: int, door: bool) -> Layout:
    """A scene with so many boxes in which there is a way, which is not straight.

    With a door, three of the boxes are a wall with the doorway and a narrow gap that is always
    open: the way through it is longer.
    """
    while True:
        wall, gaps = _wall(rng) if door else (np.zeros((0, 4)), np.zeros((1, 4)))
        others = [_box(rng, gaps) for _ in range(boxes - len(wall))]
        everything = np.stack([*wall, *others, *np.zeros((MOST_BOXES - boxes, 4))])
        goal, *starts = rng.uniform(-_INNER, _INNER, (_STARTS + 1, 2))
        start = _start(np.array(starts), goal, everything, gaps[0])
        if start is not None:
            closed = np.tile(_NO_WINDOW, (WINDOWS, 1))
            if door:
                middle = (gaps[0, :2] + gaps[0, 2:]) / 2
                closed = _windows(rng, float(np.linalg.norm(middle - start)) / _STEP)
            return Layout(start, goal, everything, gaps[0], closed)


def _box(rng: np.random.Generator, gaps: np.ndarray) -> np.ndarray:
    """A box that leaves the gaps of the wall free. Shape (4,)."""
    while True:
        half, centre = rng.uniform(*_SIDES, 2) / 2, rng.uniform(-HALF, HALF)
        low, high = np.clip([centre - half, centre + half], -HALF, HALF)
        apart = (low > gaps[:, 2:] + _FREE).any(1) | (high < gaps[:, :2] - _FREE).any(1)
        if apart.all() or not gaps.any():
            return np.concatenate([low, high])


def _start(
    starts: np.ndarray, goal: np.ndarray, boxes: np.ndarray, door: np.ndarray
) -> np.ndarray | None:
    """The first of some starts from which there is a way as it should be, or None."""
    everything = np.stack([*boxes, door])
    if inside(goal, everything, ROOM + 0.02):
        return None
    ways = Ways(boxes, goal, HALF, ROOM)(starts)
    good = (_WAY[0] < ways) & (ways < _WAY[1]) & ~inside(starts, everything, ROOM + 0.02)
    if door.any() and good.any():
        around = Ways(everything, goal, HALF, ROOM)(starts)
        good &= (ways + _WORTH < around) & (around < np.inf)
    for start in starts[good]:
        line = start + np.linspace(0.0, 1.0, 60)[:, None] * (goal - start)
        if inside(line, boxes, RADIUS).any():
            return np.array(start)
    return None


def _wall(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Three boxes across the arena, and between them the doorway and the gap."""
    x = rng.uniform(-0.4, 0.4)
    width, slit = rng.uniform(*_DOORWAY), rng.uniform(*_SLIT)
    y = rng.uniform(-0.95, 0.05)
    gap = rng.uniform(y + width + 0.3, HALF[1] - slit - 0.05)
    ends = np.array([-HALF[1], y, y + width, gap, gap + slit, HALF[1]])
    if rng.random() < 0.5:  # upside down
        ends = -ends
    parts = np.array([[x - _THICK / 2, *ends[k : k + 2], x + _THICK / 2] for k in range(5)])
    parts[:, 1:3].sort(axis=1)
    parts = parts[:, [0, 1, 3, 2]]
    return parts[::2], parts[1::2]


def _windows(rng: np.random.Generator, arrival: float) -> np.ndarray:
    """The door opens twice: about when a disc could be there, and later once more."""
    first = max(2, round(arrival + rng.uniform(-5.0, 5.0)))
    last = first + int(rng.integers(3, 7))
    again = last + int(rng.integers(7, 13))
    end = again + int(rng.integers(4, 8))
    return np.array([[0, first - 1], [last + 1, again - 1], [end + 1, NEVER]], dtype=np.float64)
