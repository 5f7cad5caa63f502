"""Docstrings as help text."""

from __future__ import annotations

import textwrap


def dedented(text: str | None) -> str:
    """A docstring as `--help` shows it."""
    first, _, rest = (text or "").strip().partition("\n")
    return f"{first}\n{textwrap.dedent(rest)}"


def summary(text: str | None) -> str:
    """First line of a docstring."""
    return (text or "").strip().partition("\n")[0]
