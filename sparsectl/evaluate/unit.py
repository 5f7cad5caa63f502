"""A work unit: everything a worker needs to play one episode, as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sparsectl import seeding
from sparsectl.control.base import ControllerState
from sparsectl.evaluate import trajectories
from sparsectl.evaluate.episode import run_episode
from sparsectl.evaluate.log import plain
from sparsectl.evaluate.player import Player
from sparsectl.report.clip import encode_clip, encode_filmstrip
from sparsectl.types import Plan


@dataclass(frozen=True)
class Unit:
    """One episode of one player.

    Attributes:
        visited: how many of the visited states the row keeps, evenly spaced.
        course: bytes that what was seen and done may take, before compression; 0: not kept.
    """

    player: Player
    episode: int
    key: str
    record: bool = False
    fps: float = 10.0
    visited: int = 0
    course: float = 0.0

    @property
    def names(self) -> dict[str, Any]:
        """The columns that identify the row."""
        player = self.player
        return {
            "model": player.model,
            "controller": player.controller,
            "episode": self.episode,
            "key": self.key,
        }


def play(unit: Unit) -> dict[str, Any]:
    """Play a unit. The clip's files, if any, are bytes by file name under `files`."""
    controller, is_new = controller_of(unit.player, unit.key)
    frames: list[np.ndarray] | None = [] if unit.record else None
    setting = unit.player.setting
    trail: list[dict[str, Any]] = []
    course: dict[str, np.ndarray] | None = {} if unit.course else None

    def keep(step: int, observation: np.ndarray, memory: ControllerState, _: Plan) -> None:
        previous = None if memory.plan is None else memory.plan.actions
        trail.append({"step": step, "observation": observation, "previous": previous})

    row = run_episode(
        setting.env_id,
        setting.env_kwargs,
        controller,
        seeding.EVALUATION_SEED + unit.episode,
        steps=setting.steps,
        until_success=setting.until_success,
        budget=setting.budget,
        controller_seed=seeding.integer(setting.seed, "controller", unit.episode),
        warm_up=is_new,
        record=frames,
        on_decision=keep if unit.visited else None,
        course=course,
    )
    picks = np.unique(np.linspace(0, len(trail) - 1, min(unit.visited, len(trail))).astype(int))
    visited = plain([trail[i] for i in picks])
    files = {trajectories.PART: trajectories.packed(course, unit.course)} if course else {}
    if frames:
        files |= {
            "clip.webp": encode_clip(frames, fps=unit.fps),
            "filmstrip.webp": encode_filmstrip(frames),
        }
    return {**unit.names, **row, "visited": visited, "files": files}


_built: dict[str, Any] = {}


def controller_of(player: Player, key: str) -> tuple[Any, bool]:
    """The player's controller, built once per process, and whether that was now."""
    if key in _built:
        return _built[key], False
    _built[key] = player.build()
    return _built[key], True
