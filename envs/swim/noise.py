"""Normal noise that is a function of a key and a step: saved with a state, equal in a batch."""

from __future__ import annotations

import numpy as np

KEYS = 2**52
"""Keys are whole numbers below this: exact as float64."""
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


def normal(key: np.ndarray, step: np.ndarray, size: int) -> np.ndarray:
    """Independent standard normal numbers for every key, step and place.

    Counter-based: a hash (the finaliser of SplitMix64, Steele, Lea and Flood 2014) of key, step
    and place, turned into normal numbers by Box and Muller's method.

    Args:
        key: whole numbers from 0 to KEYS - 1. Shape (...).
        step: whole numbers. Shape (...), or one for all.
        size: numbers for each key.

    Returns:
        Shape (..., size), float64.
    """
    seed = _mix(_mix(np.asarray(key, np.float64).astype(np.uint64)) + _integers(step))
    places = np.arange(2 * size, dtype=np.uint64)
    # 53 bits each, moved by half a unit off zero, where the logarithm is not finite
    uniform = (_mix(seed[..., None] + places) >> np.uint64(11)).astype(np.float64)
    uniform = (uniform + 0.5) * 2.0**-53
    radius = np.sqrt(-2.0 * np.log(uniform[..., :size]))
    return radius * np.cos(2.0 * np.pi * uniform[..., size:])


def _integers(values: np.ndarray) -> np.ndarray:
    return np.asarray(values, np.float64).astype(np.uint64)


def _mix(value: np.ndarray) -> np.ndarray:
    """A bijection of 64-bit numbers in which every bit of the result depends on all bits."""
    with np.errstate(over="ignore"):
        value = value + _GOLDEN
        value = (value ^ (value >> np.uint64(30))) * _FIRST
        value = (value ^ (value >> np.uint64(27))) * _SECOND
    return value ^ (value >> np.uint64(31))
