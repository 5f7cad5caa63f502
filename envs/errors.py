"""Exceptions of the bundled tasks."""

from __future__ import annotations


class TaskError(ValueError):
    """An argument, action or state given to a task is wrong; the message says what to give."""


class RenderError(RuntimeError):
    """No OpenGL platform could be loaded; the message names the variable and packages."""
