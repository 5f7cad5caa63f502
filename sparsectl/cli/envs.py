"""List the bundled tasks, and how to use any other environment.

Example: sparsectl envs
"""

from __future__ import annotations

from sparsectl import environment
from sparsectl._registry import TASKS
from sparsectl.cli import tables, text

_OTHERS = """
Any Gymnasium environment with Box (or Dict or Tuple of Box) observations and a bounded Box of
actions works from a YAML file alone:
  env: {id: InvertedPendulum-v5}          registered by Gymnasium
  env: {id: "my_package:MyTask-v0"}       imports my_package, which registers MyTask-v0
  env: {id: "my_package:MyTask"}          the class MyTask of my_package
Copy configs/template.yaml and say which observation entries are the state and what costs."""


def main(argv: list[str]) -> int:
    """Parse and print."""
    text.options(_nothing, argv, "envs", __doc__)
    rows = []
    for name, (_, steps) in TASKS.items():
        with environment.make(name) as env:
            sizes = (s.shape[0] for s in (env.observation_space, env.action_space))  # type: ignore[index]
            told = text.summary(type(env.unwrapped).__doc__).split("; see the module")[0]
            rows.append((name, *map(str, (*sizes, steps)), told))
    tables.show(("<id", "observation", "action", "steps", "<what"), rows, "bundled tasks")
    print(_OTHERS)
    return 0


def _nothing() -> None: ...
