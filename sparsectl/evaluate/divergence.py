"""Notice a simulator that has blown up, although it may go on returning finite numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sparsectl.evaluate.log import plain


def dump(
    outcome: str, env: Any, trail: Sequence[tuple[np.ndarray, np.ndarray]], last: np.ndarray
) -> dict[str, Any] | None:
    """The last ten observations and actions, and the simulator's state where it has one.

    None where the outcome needs no explanation.
    """
    if outcome not in ("diverged", "bad_action"):
        return None
    read = getattr(env.unwrapped, "get_state", None)
    return {
        "observations": plain([o for o, _ in trail[-10:]] + [last]),
        "actions": plain([a for _, a in trail[-10:]]),
        "state": plain(np.asarray(read(), dtype=np.float64)) if callable(read) else None,
    }


class Watch:
    """Watches one episode of an environment.

    MuJoCo resets itself to its default pose after a non-finite acceleration, position or
    velocity (mjWARN_BADQACC, _BADQPOS, _BADQVEL) and only counts a warning; the counters of the
    environment's `data` (as Gymnasium's MuJoCo environments name it, or `_data`) are compared
    with those at the start.
    """

    def __init__(self, env: Any, used: Sequence[int] | None = None) -> None:
        """Entries of the observation that are not in `used` (None: all) may be infinite or NaN."""
        self._env, self._used = env, used
        self._start = self._counts()

    def reason(self, observation: np.ndarray, reward: float = 0.0) -> str | None:
        """Why the last step is no longer to be trusted, or None."""
        read = observation if self._used is None else observation[list(self._used)]
        if not np.isfinite(read).all():
            return "the observation is not finite"
        if not np.isfinite(reward):
            return "the reward is not finite"
        for name, count in self._counts().items():
            if count > self._start.get(name, 0):
                return f"MuJoCo warning {name}: the simulation diverged and reset itself"
        return None

    def _counts(self) -> dict[str, int]:
        inner = getattr(self._env, "unwrapped", self._env)
        data = getattr(inner, "data", None) or getattr(inner, "_data", None)
        warning = getattr(data, "warning", None)
        if warning is None:
            return {}
        try:
            from mujoco import mjtWarning

            names = ("mjWARN_BADQPOS", "mjWARN_BADQVEL", "mjWARN_BADQACC")
            return {n: int(warning[int(getattr(mjtWarning, n))].number) for n in names}
        except (ImportError, AttributeError, TypeError, IndexError, KeyError):
            return {}
