"""Words of the command line: docstrings as help text, options of small commands, actions."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TypeVar

from sparsectl.errors import one_of

T = TypeVar("T")


def options(
    cls: Callable[..., T],
    argv: list[str],
    command: str,
    text: str | None,
    *,
    first: str | None = None,
) -> T:
    """The options of a command.

    Args:
        cls: dataclass of them, or a function.
        text: of `--help`, its module's docstring.
        first: option that leading words without a name belong to.
    """
    import tyro

    if first is not None and argv and not argv[0].startswith("-"):
        argv = [f"--{first}", *argv]
    return tyro.cli(cls, args=argv, prog=f"sparsectl {command}", description=dedented(text))


def act(argv: list[str], command: str, actions: Mapping[str, str], text: str | None) -> int:
    """Hand on to the action that the second word names.

    Args:
        actions: module of each, in this package.
        text: what is shown without one.
    """

    if not argv or argv[0] in ("-h", "--help"):
        print(dedented(text))
        raise SystemExit(0 if argv else 2)
    one_of(argv[0], actions, f"{command}: unknown action")
    return import_module(f"sparsectl.cli.{actions[argv[0]]}").main(argv[1:])


def dedented(text: str | None) -> str:
    """A docstring as `--help` shows it."""
    first, _, rest = (text or "").strip().partition("\n")
    return f"{first}\n{textwrap.dedent(rest)}"


def summary(text: str | None) -> str:
    """First line of a docstring."""
    return (text or "").strip().partition("\n")[0]
