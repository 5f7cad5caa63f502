"""Layers whose weights something else sets."""

from __future__ import annotations

from typing import final

from torch import nn


@final
class Unset(nn.Linear):
    """A layer with weights still to be set; no random number is drawn.

    `nn.utils.skip_init` makes one too, by way of modules that take every process a third of a
    second to import.
    """

    def reset_parameters(self) -> None:
        """Leave the weights as they are."""
