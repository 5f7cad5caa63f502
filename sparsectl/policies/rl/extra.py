"""The package that reinforcement learning needs."""

from __future__ import annotations

from sparsectl.errors import MissingExtra


def require() -> None:
    """Import Stable-Baselines3.

    Raises:
        MissingExtra: it is not installed.
    """
    try:
        import stable_baselines3  # noqa: F401
    except ImportError as error:
        raise MissingExtra(
            f"reinforcement learning needs Stable-Baselines3, which cannot be imported ({error}): "
            "pip install sparsectl[rl]"
        ) from error
