"""Populations played by threads of this process or shared out to workers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType

import numpy as np
from torch import nn

from sparsectl import parallel
from sparsectl.circuits.rollout.env_spec import EnvSpec
from sparsectl.circuits.rollout.returns import Returns, Rollouts
from sparsectl.errors import SparsectlError


class Crew:
    """Plays populations on any engine; a context manager.

    Args:
        spec: environment.
        steps: episode length.
        engine: `serial`: MuJoCo's threads; `process`, `ray`: equal shares of the candidates, one
            for each worker, which has one thread.
        workers: threads or processes.

    Raises:
        ConfigError: unknown engine, workers or steps below 1.
        MissingExtra: `ray` is not installed.
    """

    def __init__(self, spec: EnvSpec, steps: int, engine: str = "serial", workers: int = 1) -> None:
        self._here = Rollouts(spec, steps, workers if engine == "serial" else 1)
        self._workers = workers
        self._pool = None if engine == "serial" else parallel.pool(engine, workers=workers)

    def __enter__(self) -> Crew:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._here.close()
        if self._pool is not None:
            self._pool.close()

    def returns(self, module: nn.Module, vectors: np.ndarray, seeds: Sequence[int]) -> Returns:
        """As `Rollouts.returns`, up to rounding whatever the engine.

        A share whose worker dies is played once more by another.

        Raises:
            SparsectlError: a share failed again.
        """
        if self._pool is None or len(vectors) < 2:
            return self._here.returns(module, vectors, seeds)
        shares = np.array_split(vectors, min(self._workers, len(vectors)))
        spec, steps = self._here.spec, self._here.steps
        items = [_Share(spec, steps, module, share, tuple(seeds)) for share in shares]
        outcomes = self._pool.map(_play, items)
        for outcome in outcomes:
            if outcome.error is not None:
                raise SparsectlError(f"playing candidates in '{spec.id}' failed: {outcome.error}")
        parts = [o.value for o in outcomes]
        return Returns(np.concatenate([p.values for p in parts]), sum(p.steps for p in parts))


@dataclass(frozen=True)
class _Share:
    spec: EnvSpec
    steps: int
    module: nn.Module
    vectors: np.ndarray
    seeds: tuple[int, ...]


_kept: dict[str, Rollouts] = {}
"""Environments of this worker, which stay for the next share; one kind at a time."""


def _play(share: _Share) -> Returns:
    key = repr((share.spec.id, sorted(share.spec.kwargs.items()), share.steps))
    if key not in _kept:
        while _kept:
            _kept.popitem()[1].close()
        _kept[key] = Rollouts(share.spec, share.steps)
    return _kept[key].returns(share.module, share.vectors, share.seeds)
