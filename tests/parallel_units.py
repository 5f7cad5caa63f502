"""Work units of the tests: importable by spawned workers, which share our `sys.path`."""

from __future__ import annotations

import importlib.util
import os
import signal
import threading
import time
from pathlib import Path

import numpy as np

HAS_RAY = importlib.util.find_spec("ray") is not None


def share_cluster() -> None:
    """A local Ray cluster of two workers from now on, until one ends it who needs another."""
    import ray

    if not ray.is_initialized():
        ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False)


def square(item: int) -> int:
    return item * item


def noise(seed: int) -> float:
    """A float result that depends on the order of operations, not on the worker."""
    rng = np.random.default_rng(seed)
    a = rng.standard_normal((60, 60))
    return float(np.linalg.inv(a @ a.T + np.eye(60)).sum())


def threads(item: int) -> tuple[str | None, int]:
    import torch

    return os.environ.get("OMP_NUM_THREADS"), torch.get_num_threads()


def mark_and_wait(item: tuple[str, float]) -> int:
    folder, seconds = item
    Path(folder, f"started-{os.getpid()}").touch()
    time.sleep(seconds)
    return os.getpid()


def die(item: tuple[str, int]) -> int:
    """Unit 3 kills its worker at every attempt, unit 5 at the first only."""
    folder, number = item
    with open(Path(folder) / f"unit-{number}", "a") as file:
        file.write("x")
    attempts = Path(folder, f"unit-{number}").stat().st_size
    if number == 3 or (number == 5 and attempts == 1):
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def fail(item: int) -> int:
    if item == 1:
        raise ValueError("item 1 is bad\nand a second line")
    if item == 2:
        raise SystemExit(4)
    return item


def unsendable(item: int) -> object:
    return threading.Lock() if item else item


def hang(item: float) -> float:
    time.sleep(item)
    return item


def setup(value: str) -> None:
    os.environ["PARALLEL_UNITS_SETUP"] = value


def broken_setup() -> None:
    raise RuntimeError("no licence")


def read_setup(item: int) -> str | None:
    return os.environ.get("PARALLEL_UNITS_SETUP")


def drawn(item: int) -> tuple[float, str | None]:
    """A number from the global generator, and a variable of the environment."""
    return float(np.random.random()), os.environ.get("PARALLEL_UNITS_SETUP")  # noqa: NPY002


def pid(item: int) -> int:
    return os.getpid()


def solver_dies_at_0(seed):
    """Cost of a decision whose solver takes the process down, for the first instance only."""
    import random_problems

    from sparsectl.mip import solve

    if seed == 0:
        os.abort()
    return solve(*random_problems.case(seed)).cost
