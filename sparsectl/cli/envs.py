"""List the bundled tasks, and how to use any other environment.

Example: sparsectl envs
"""

from __future__ import annotations

_OTHERS = """
Any Gymnasium environment with Box (or Dict or Tuple of Box) observations and a bounded Box of
actions works from a YAML file alone:
  env: {id: InvertedPendulum-v5}          registered by Gymnasium
  env: {id: "my_package:MyTask-v0"}       imports my_package, which registers MyTask-v0
Copy configs/template.yaml and say which observation entries are the state and what costs."""


def main(argv: list[str]) -> int:
    """Parse and print."""
    from rich.table import Table

    from sparsectl import environment
    from sparsectl._registry import TASKS
    from sparsectl.cli import text
    from sparsectl.report.screen import console

    text.options(_nothing, argv, "envs", __doc__)
    table = Table(title="bundled tasks", title_justify="left")
    for column in ("id", "observation", "action", "steps", "what"):
        table.add_column(column, justify="left" if column in ("id", "what") else "right")
    for name, (_, steps) in TASKS.items():
        env = environment.make(name)
        try:
            table.add_row(
                name,
                str(env.observation_space.shape[0]),  # type: ignore[index]
                str(env.action_space.shape[0]),  # type: ignore[index]
                str(steps),
                text.summary(type(env.unwrapped).__doc__).split("; see the module")[0],
            )
        finally:
            env.close()
    console().print(table)
    print(_OTHERS)
    return 0


def _nothing() -> None: ...
