"""From an environment's observation to the state that is planned with."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from sparsectl.environment import Entries
from sparsectl.errors import ConfigError, NonFiniteError, ShapeError, nearest


@dataclass(frozen=True)
class EntriesConfig:
    """Entries of a flat observation: `0:26`, `1`, or a list such as `"0:2,5,7:9"`.

    Those of a Dict by name, `position`, or some of them, `"position[0:2]"`.
    """

    entries: str | int
    """Indices, half-open ranges and names, separated by commas."""
    encode: Literal["raw", "sincos"] = "raw"
    """`sincos` replaces every angle [rad] by its sine and cosine (all sines first)."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "entries", _text(self.entries))


@dataclass(frozen=True)
class ObservationConfig:
    """Named parts of the observation. Empty: the whole observation is the state `observation`."""

    state: dict[str, str | int | EntriesConfig] = field(default_factory=dict)
    """What the model predicts, in order."""
    goal: dict[str, str | int | EntriesConfig] = field(default_factory=dict)
    """What cost targets may refer to; constant over a plan."""
    delay: int | Literal["auto"] = 0
    """Latency [steps] from an action to the first observation that it changes, beyond the usual
    one. Models learn with actions of that much earlier, and plans begin where the actions under
    way will have led. `auto`: as found in the collected data."""

    def __post_init__(self) -> None:
        if self.delay != "auto" and self.delay < 0:
            raise ConfigError(f"delay is {self.delay}, expected at least 0, or auto")
        for kind in ("state", "goal"):
            parts = {name: _text(entries) for name, entries in getattr(self, kind).items()}
            object.__setattr__(self, kind, parts)


def _text(entries: Any) -> Any:
    """`2` of a file means the same as `"2"`: one form, so that the two are one config."""
    return str(entries) if type(entries) is int else entries


@dataclass(frozen=True)
class _Part:
    index: np.ndarray
    sincos: bool

    @property
    def size(self) -> int:
        return len(self.index) * (2 if self.sincos else 1)

    def read(self, observation: np.ndarray) -> np.ndarray:
        values = observation[..., self.index]
        if self.sincos:
            values = np.concatenate([np.sin(values), np.cos(values)], axis=-1)
        return values

    def write(self, observation: np.ndarray, values: np.ndarray) -> None:
        """Put values (..., size) back into an observation (..., observation_size)."""
        if self.sincos:
            sine, cosine = np.split(values, 2, axis=-1)
            old = observation[..., self.index]
            turn = np.arctan2(sine, cosine) - old
            values = old + (turn + np.pi) % (2 * np.pi) - np.pi
        observation[..., self.index] = values


class StateMap:
    """Resolved `ObservationConfig` for observations of a given size.

    Attributes:
        delay: steps from an action to what it changes, beyond one; 0 while it is not known.
        angles: names of the parts that are sines and cosines.
        goals: names of the goal parts; `encoded`: of those that are sines and cosines.
        copies: parts that are what another part was a step before, by its name, or `action@0`.
        entries: those of the observation that have a name.
        used: entries of the observation that state or goal read; others may be infinite or NaN.
    """

    def __init__(
        self,
        config: ObservationConfig,
        observation_size: int,
        entries: Entries | None = None,
    ) -> None:
        """Resolve a config.

        Raises:
            ConfigError: a part that is no part of such observations.
        """
        self.observation_size = observation_size
        self.delay = 0 if config.delay == "auto" else config.delay
        state = config.state or _all_of_it(observation_size, entries)
        self.entries = {} if entries is None else dict(entries.names)
        known = {n: r for n, r in self.entries.items() if not n.isdigit()}  # 1 is an entry
        whole = {"": range(observation_size), **known}
        self._state = {k: _part(k, v, whole) for k, v in state.items()}
        self._goal = {k: _part(k, v, whole) for k, v in config.goal.items()}
        self.names: dict[str, slice] = {}
        self.nx = 0
        for name, part in self._state.items():
            self.names[name] = slice(self.nx, self.nx + part.size)
            self.nx += part.size
        self.copies = {} if entries is None else self._copies(entries)
        self.angles = tuple(name for name, part in self._state.items() if part.sincos)
        self.goals = tuple(self._goal)
        self.encoded = tuple(name for name, part in self._goal.items() if part.sincos)
        parts = (*self._state.values(), *self._goal.values())
        self.used = sorted({int(i) for part in parts for i in part.index})

    def state(self, observation: np.ndarray) -> np.ndarray:
        """State. Shape (..., nx), float64, of observations of shape (..., observation_size)."""
        observation = self._checked(observation)
        return np.concatenate([p.read(observation) for p in self._state.values()], axis=-1)

    def goal(self, observation: np.ndarray) -> dict[str, np.ndarray]:
        """Goal parts by name. Shape (..., size of the part)."""
        observation = self._checked(observation)
        return {k: p.read(observation) for k, p in self._goal.items()}

    def observation(self, state: np.ndarray, near: np.ndarray) -> np.ndarray:
        """Observation of a state: entries that are no state are those of another observation.

        Args:
            state: Shape (..., nx).
            near: the other observation; angles of `sincos` parts are less than half a turn from
                its own. Shape (observation_size,).

        Returns:
            Shape (..., observation_size).
        """
        seen = np.array(np.broadcast_to(near, (*state.shape[:-1], self.observation_size)))
        for name, part in self._state.items():
            part.write(seen, state[..., self.names[name]])
        return seen

    def _copies(self, entries: Entries) -> dict[str, str]:
        before, names = entries.before.copy(), entries.names
        if self.delay and "action@1" in names:
            # What a model is given has been under way for so long; what came after is not known.
            acts = before[list(names["action@1"])]
            before[list(names["action@1"])] = -1
            if late := names.get(f"action@{self.delay + 1}"):
                before[list(late)] = acts
        now = {(*part.index, part.sincos): name for name, part in self._state.items()}
        nu = int((before >= self.observation_size).sum())
        now[*range(self.observation_size, self.observation_size + nu), False] = "action@0"
        sources = {n: now.get((*before[p.index], p.sincos)) for n, p in self._state.items()}
        return {name: source for name, source in sources.items() if source is not None}

    def _checked(self, observation: np.ndarray) -> np.ndarray:
        observation = np.asarray(observation, dtype=np.float64)
        if observation.shape[-1:] != (self.observation_size,):
            raise ShapeError(
                f"observation has shape {observation.shape}, expected (..., "
                f"{self.observation_size}): flatten Dict and Tuple observations first"
            )
        finite = np.isfinite(observation[..., self.used])
        if not finite.all():
            *place, entry = (int(i) for i in np.argwhere(~finite)[0])
            where = (*place, self.used[entry])
            raise NonFiniteError(f"observation is not finite at index {where}")
        return observation


def _all_of_it(size: int, entries: Entries | None) -> dict[str, str]:
    """The whole observation as the state; what it was earlier are parts of their own."""
    if entries is None or not (entries.before >= 0).any():
        return {"observation": f"0:{size}"}
    now = int((entries.before < 0).sum())
    nu = int((entries.before >= size).sum())
    first = entries.names["action@1"].start if nu else size
    found = {"observation": f"0:{now}"}
    for k in range(1, first // now):
        found[f"observation_{k}"] = f"{k * now}:{(k + 1) * now}"
    for k in range((size - first) // max(nu, 1)):
        found[f"action_{k + 1}"] = f"{first + k * nu}:{first + (k + 1) * nu}"
    return found


def _part(name: str, config: str | int | EntriesConfig, known: Mapping[str, range]) -> _Part:
    """A part of the observation; `known` are its named entries, under "" all of them."""
    if not isinstance(config, EntriesConfig):
        config = EntriesConfig(config)
    if not name.isidentifier():
        raise ConfigError(f"observation part '{name}': use letters, digits and _ only in names")
    index: list[int] = []
    for item in str(config.entries).split(","):
        index.extend(_entries(name, item.strip(), known))
    return _Part(np.array(index), config.encode == "sincos")


_SOME = re.compile(r"(?:([^\d\s\[\]][^\[\]]*?)\s*\[)?\s*(\d+)\s*(?::\s*(\d+)\s*)?(?(1)\])")


def _entries(name: str, item: str, known: Mapping[str, range]) -> range:
    if item and item in known:
        return known[item]
    match = _SOME.fullmatch(item)
    names = [n for n in known if n]
    if not match or (match[1] or "") not in known:
        wrong, such = (match[1], "no such part") if match else (item, "expected i or i:j")
        raise ConfigError(
            f"observation part '{name}': cannot read '{item}', {such}"
            + (f", or a name{nearest(wrong, names)}" if names else "")
        )
    whole = known[match[1] or ""]
    start = int(match[2])
    stop = int(match[3]) if match[3] else start + 1
    if not start < stop <= len(whole):
        raise ConfigError(
            f"observation part '{name}': {item} is outside the observation, "
            f"which has {len(whole)} entries" + (" there" if match[1] else "")
        )
    return whole[start:stop]
