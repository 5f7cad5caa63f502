"""Plan globally with a learned ReLU model."""

from __future__ import annotations

__version__ = "0.1.0"

from sparsectl._registry import register as _register

_register()
