"""Another place to import `lower` from. It stands above this room, which knows no models."""

from sparsectl.dynamics.lower import lower, programs

__all__ = ["lower", "programs"]
