"""Training on what the model's own plans meet: playing, rounds, their records."""

from sparsectl.online.config import OnlineConfig

__all__ = ["OnlineConfig"]
