"""One parallel map over interchangeable engines: `serial`, `process` and `ray`.

The function must depend on its item only; then every engine gives the same outcomes, in the order
of the items. Workers import what modules define and are sent what the calling script defines: they
never run it again, so it needs no `if __name__ == "__main__"`. A unit that raises, hangs or takes
its worker down costs only itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Literal, get_args

from sparsectl.errors import ConfigError, nearest
from sparsectl.parallel.base import Engine, Outcome, Settings, tell_crashes, tolerant_streams
from sparsectl.parallel.signals import sigterm_as_exit

EngineName = Literal["serial", "process", "ray"]
ENGINES: tuple[EngineName, ...] = get_args(EngineName)


def pool(
    engine: str = "process",
    *,
    workers: int = 2,
    initializer: Callable[..., Any] | None = None,
    initargs: tuple = (),
    retries: int = 1,
    timeout: float | None = None,
) -> Engine:
    """Workers that stay for several `map` calls; use it as a context manager.

    Args:
        engine: `serial` (this process), `process` (spawned processes of this machine) or `ray`
            (the cluster of RAY_ADDRESS or of an earlier `ray.init`, else a local one).
        workers: how many units run at once.
        initializer: called once in every worker before its first unit.
        retries: how often a unit is tried again after its worker died.
        timeout: seconds after which a unit is stopped and recorded as an error (not `serial`).

    Raises:
        ConfigError: unknown engine, workers below 1.
        MissingExtra: `ray` is not installed.
    """
    if workers < 1:
        raise ConfigError(f"workers is {workers}, expected at least 1")
    settings = Settings(workers, initializer, initargs, retries, timeout)
    if engine == "serial":
        from sparsectl.parallel.serial import SerialEngine

        return SerialEngine(settings)
    if engine == "process":
        from sparsectl.parallel.process import ProcessEngine

        return ProcessEngine(settings)
    if engine == "ray":
        from sparsectl.parallel.ray_engine import RayEngine

        return RayEngine(settings)
    raise ConfigError(f"unknown engine '{engine}'" + nearest(engine, ENGINES))


def run(
    fn: Callable[[Any], Any],
    items: Iterable[Any],
    *,
    engine: str = "process",
    workers: int = 2,
    on_result: Callable[[Outcome], object] | None = None,
    **options: Any,
) -> list[Outcome]:
    """`fn(item)` for every item, by workers that live for this call.

    Args:
        on_result: called in this process with each outcome as soon as it is there.

    Returns:
        One `Outcome` per item, in the order of `items`.
    """
    units = list(items)
    if not units:
        return []
    with pool(engine, workers=min(workers, len(units)), **options) as workers_pool:
        return workers_pool.map(fn, units, on_result=on_result)
