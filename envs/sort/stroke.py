"""From actions to strokes of the plate: where it is put down, which way, and how far it goes."""

from __future__ import annotations

from typing import NamedTuple

import mujoco
import numpy as np

from ..simulator import Simulator
from .scene import PLATE, RADIUS, WALL

START = 0.19
"""Start of a stroke at action 1, per axis [m]."""
REACH = 0.07
"""Displacement of a stroke at action 1, per axis [m]: at most 0.099 m in all."""
SHORTEST = 0.005
"""A shorter stroke has no direction: nothing happens [m]."""
RETRACTION = 0.06
"""A start is moved back by at most this [m]."""
MOVING = 50
"""Simulation steps of motion (0.5 s)."""
SETTLING = 10
"""Simulation steps of rest after it (0.1 s)."""
PARKED = np.array([0.0, -0.23, np.pi / 2])
"""Pose of the plate where it does not touch anything: x, y [m], angle [rad]."""

_MARGIN = 2e-4


class Strokes(NamedTuple):
    """N strokes as they are executed.

    Attributes:
        start: where the plate is put down. Shape (N, 2) [m].
        direction: unit vectors. Shape (N, 2).
        length: from there to the end. Shape (N,) [m].
        retraction: of which is from moving the start back. Shape (N,) [m].
        moves: whether there is a stroke at all. Shape (N,).
        rejected: whether there is none because its start could not be freed. Shape (N,).
    """

    start: np.ndarray
    direction: np.ndarray
    length: np.ndarray
    retraction: np.ndarray
    moves: np.ndarray
    rejected: np.ndarray


def strokes(discs: np.ndarray, actions: np.ndarray) -> Strokes:
    """Strokes of actions (N, 4) among discs (N, n, 2); see `env` for the rules."""
    actions = np.clip(actions, -1.0, 1.0)
    step = REACH * actions[:, 2:]
    asked = np.linalg.norm(step, axis=-1)
    long_enough = asked >= SHORTEST
    direction = np.where(
        long_enough[:, None], step / np.maximum(asked, SHORTEST)[:, None], [1.0, 0.0]
    )
    limit = WALL - np.abs(direction) * PLATE[0] - np.abs(direction[:, ::-1]) * PLATE[1]
    start = np.clip(START * actions[:, :2], -limit, limit)
    ahead = (np.sign(direction) * limit - start) / np.where(direction == 0.0, np.inf, direction)
    room = np.where(direction == 0.0, np.inf, ahead).min(-1)
    length = np.minimum(asked, room)
    back = _retraction(discs - start[:, None], direction)
    start = start - back[:, None] * direction
    free = (back <= RETRACTION) & (np.abs(start) <= limit + 1e-9).all(-1)
    return Strokes(start, direction, length + back, back, long_enough & free, long_enough & ~free)


def _retraction(discs: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """Smallest way back along the stroke to where the plate overlaps no disc. Shape (N,) [m].

    Args:
        discs: relative to the start. Shape (N, n, 2).
        direction: Shape (N, 2).
    """
    along = (discs * direction[:, None]).sum(-1)
    across = np.abs(discs[..., 1] * direction[:, None, 0] - discs[..., 0] * direction[:, None, 1])
    beside = np.maximum(across - PLATE[1], 0.0)
    touching = PLATE[0] + np.sqrt(np.maximum(RADIUS**2 - beside**2, 0.0)) + _MARGIN
    touching[beside >= RADIUS] = 0.0
    back = np.zeros(len(discs))
    for _ in range(discs.shape[1]):  # behind one disc there may be the next
        inside = np.abs(along + back[:, None]) < touching - 1e-9
        back = np.maximum(back, np.where(inside, touching - along, 0.0).max(-1))
    return back


class StrokeSimulator(Simulator):
    """A control step is a whole stroke; qpos begins with the plate's x, y and angle.

    Args:
        model: the plate's velocity servos (x, y, angle) are its three actuators.
    """

    action_size = 4

    def __init__(self, model: mujoco.MjModel) -> None:
        super().__init__(model, MOVING + SETTLING)

    def strokes(self, qpos: np.ndarray, actions: np.ndarray) -> Strokes:
        """Strokes of actions (N, 4) at qpos (N, nq)."""
        return strokes(qpos[:, 3:].reshape(len(qpos), -1, 2), actions)

    def executable(self, qpos: np.ndarray, action: np.ndarray) -> np.ndarray:
        """The action in its box: moving a start back is part of the dynamics."""
        return np.clip(action, -1.0, 1.0)

    def drive(self, qpos: np.ndarray, action: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The plate put down, and its velocities."""
        stroke = self.strokes(qpos, action)
        moves = stroke.moves[:, None]
        angle = np.arctan2(stroke.direction[:, 1], stroke.direction[:, 0])
        qpos = qpos.copy()
        qpos[:, :3] = np.where(moves, np.column_stack([stroke.start, angle]), PARKED)
        seconds = MOVING * self.model.opt.timestep
        velocity = stroke.direction * (stroke.length / seconds)[:, None]
        control = np.zeros((len(qpos), MOVING + SETTLING, 3))
        control[:, :MOVING, :2] = np.where(moves, velocity, 0.0)[:, None]
        return qpos, control
