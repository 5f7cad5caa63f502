"""Policies that know no limits, to be shielded: see `shield.py`."""

from __future__ import annotations

import numpy as np

from scripts.closed_loop import wallpole_paper

GAIN = wallpole_paper.gain()[0]


def pole(observation: np.ndarray) -> np.ndarray:
    """Linear feedback that balances the upright pole of WallPole and knows no walls or limits."""
    return np.clip(GAIN @ observation, -1.0, 1.0)


def disc(observation: np.ndarray) -> np.ndarray:
    """Flies the Flyer straight to its goal, whatever is in between."""
    position, velocity, goal = observation[:2], observation[2:4], observation[4:6]
    wanted = np.clip(0.6 * (goal - position), -0.18, 0.18)
    return np.clip(np.round((wanted - velocity) / 0.09), -1.0, 1.0)
