"""Where something long stands: plain values and tensors, saved as a whole and gone on from."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from sparsectl import checkpoint
from sparsectl.errors import CheckpointError
from sparsectl.runs.fingerprint import require_same


@dataclass(kw_only=True)
class Progress:
    """Base: a subclass adds plain fields with defaults, and fields of torch tensors by name,
    whose metadata say their `group`; and it says its `kind`.

    Random numbers are functions of seeds and counters, so no generator's state belongs to it.

    Attributes:
        tensors: arrays by name, besides those of groups.
    """

    kind: ClassVar[str]
    changed_names: ClassVar[Mapping[str, str]] = {}
    """What a change is called where values say nothing, by dotted name."""
    tensors: Mapping[str, np.ndarray] = field(default_factory=dict)

    def save(self, path: Path, fingerprint: Mapping[str, Any]) -> None:
        """Write atomically; what was there before stays intact if this fails.

        Raises:
            CheckpointError: a tensor that is not finite, or an unwritable place.
        """
        state = {f.name: getattr(self, f.name) for f in _plain(type(self))}
        state = {k: None if v in (math.inf, -math.inf) else v for k, v in state.items()}
        groups = {g: getattr(self, name) for g, name in _groups(type(self)).items()}
        config = {"state": state, "fingerprint": fingerprint}
        tensors = {**self.tensors, **joined(groups)}
        checkpoint.save_tensors(path, tensors, config, {"kind": self.kind})

    @classmethod
    def load(cls, path: Path, fingerprint: Mapping[str, Any]) -> Self | None:
        """What `save` wrote; None where nothing was.

        Raises:
            CheckpointError: damaged, or of something else.
            ConfigError: it was made with other settings; they are named.
        """
        if not checkpoint.exists(path):
            return None
        stored = checkpoint.load_tensors(path)
        state = stored.config.get("state")
        if stored.meta.get("kind") != cls.kind or not isinstance(state, dict):
            raise CheckpointError(
                f"'{path}' holds {stored.meta.get('kind')!r} and is no checkpoint of {cls.kind}: "
                "choose another folder"
            )
        before = stored.config.get("fingerprint")
        require_same(before, fingerprint, path.parent, named=cls.changed_names)
        known = {f.name: _read(f, state) for f in _plain(cls) if f.name in state}
        names = _groups(cls)
        if not names:
            return cls(**known, tensors=stored.tensors)
        found = grouped(stored.tensors)
        return cls(**known, **{name: found.get(g, {}) for g, name in names.items()})


def _groups(cls: type[Progress]) -> dict[str, str]:
    """Names of fields by their group."""
    return {f.metadata["group"]: f.name for f in dataclasses.fields(cls) if "group" in f.metadata}


def _plain(cls: type[Progress]) -> list[dataclasses.Field]:
    fields = dataclasses.fields(cls)
    return [f for f in fields if f.name != "tensors" and "group" not in f.metadata]


def _read(where: dataclasses.Field, state: Mapping[str, Any]) -> Any:
    """A field as it was saved: infinities are saved as None."""
    infinite = isinstance(where.default, float) and math.isinf(where.default)
    return where.default if state[where.name] is None and infinite else state[where.name]


def grouped(arrays: Mapping[str, np.ndarray]) -> dict[str, dict[str, Any]]:
    """Copies as torch tensors, by group and name."""
    import torch

    groups: dict[str, dict[str, Any]] = {}
    for key, array in arrays.items():
        name, _, rest = key.partition("/")
        groups.setdefault(name, {})[rest] = torch.from_numpy(array.copy())
    return groups


def joined(groups: Mapping[str, Mapping[str, Any]]) -> dict[str, np.ndarray]:
    """Torch tensors as arrays by "group/name", copied."""
    return {
        f"{name}/{key}": tensor.detach().cpu().numpy().copy()
        for name, tensors in groups.items()
        for key, tensor in tensors.items()
    }


class Stopwatch:
    """What a run has cost so far, over all of its calls.

    Args:
        seconds: wall-clock time used before [s].
        cpu_seconds: processor time used before [s]; None: not known, and so it stays.
    """

    def __init__(self, seconds: float = 0.0, cpu_seconds: float | None = 0.0) -> None:
        self._wall = time.perf_counter() - seconds
        self._cpu = None if cpu_seconds is None else time.process_time() - cpu_seconds

    def read(self) -> tuple[float, float | None]:
        """Wall-clock and processor time [s]; of processor time, that of this process with all
        its threads, without other workers'."""
        cpu = None if self._cpu is None else time.process_time() - self._cpu
        return time.perf_counter() - self._wall, cpu
