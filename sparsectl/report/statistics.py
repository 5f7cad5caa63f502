"""Interquartile means with stratified bootstrap intervals, as Agarwal et al. (2021) advise."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from sparsectl import seeding
from sparsectl.errors import ShapeError

Statistic = Callable[[np.ndarray], np.ndarray]
"""From samples of shape (..., n) to values of shape (...)."""
_TAIL = 50.0 * (1.0 - 0.95)
_ENDS = (_TAIL, 100.0 - _TAIL)
"""Percentiles at the ends of a 95 % interval."""


@dataclass(frozen=True)
class Interval:
    """An estimate with its confidence interval; NaN where there is nothing to estimate from."""

    value: float
    low: float
    high: float
    count: int


def iqm(samples: np.ndarray) -> np.ndarray:
    """Interquartile mean: the mean of the middle half. Shape (..., n) -> (...).

    A quarter of n that is no integer cuts the outermost kept samples by weight, so that exactly
    half of the mass is averaged at every n.
    """
    ordered = np.sort(np.asarray(samples, dtype=np.float64), axis=-1)
    n = ordered.shape[-1]
    if n == 0:
        return np.full(ordered.shape[:-1], np.nan)
    edges = np.arange(n + 1) / n
    weights = np.clip(np.minimum(edges[1:], 0.75) - np.maximum(edges[:-1], 0.25), 0.0, None)
    return (ordered * weights).sum(-1) / weights.sum()


def mean(samples: np.ndarray) -> np.ndarray:
    """Mean over the last axis, NaN for no samples."""
    samples = np.asarray(samples, dtype=np.float64)
    return samples.mean(-1) if samples.shape[-1] else np.full(samples.shape[:-1], np.nan)


def bootstrap(
    strata: Sequence[Sequence[float]] | Sequence[np.ndarray],
    statistic: Statistic = iqm,
    *,
    resamples: int = 10_000,
    seed: int = 0,
) -> Interval:
    """Percentile bootstrap, a 95 % interval, that resamples within each stratum.

    Args:
        strata: samples of each task or training seed, shape (n_s,) each; pooled for the value.
        statistic: `iqm` or `mean`, or anything that works on the last axis.
        seed: of the resampling; the same seed gives the same interval.
    """
    groups = [np.asarray(s, dtype=np.float64) for s in strata]
    groups = [g for g in groups if len(g)]
    if not groups:
        return Interval(math.nan, math.nan, math.nan, 0)
    rng = seeding.generator(seed, "bootstrap")
    drawn = [g[rng.integers(len(g), size=(resamples, len(g)))] for g in groups]
    values = statistic(np.concatenate(drawn, axis=-1))
    low, high = np.percentile(values, _ENDS)
    everything = np.concatenate(groups)
    return Interval(float(statistic(everything)), float(low), float(high), len(everything))


def proportion(outcomes: Sequence[float]) -> Interval:
    """Share of successes with its 95 % Wilson interval, which stays honest at 0 and at 1.

    Args:
        outcomes: zeros and ones. Shape (n,).
    """
    n, z = len(outcomes), 1.959964
    if n == 0:
        return Interval(math.nan, math.nan, math.nan, 0)
    p = float(np.mean(outcomes))
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return Interval(p, max(0.0, centre - half), min(1.0, centre + half), n)


def improvement(
    ours: Sequence[float], theirs: Sequence[float], *, resamples: int = 10_000
) -> Interval:
    """Probability that ours is lower (better) than theirs on the same episode; ties count half.

    Args:
        ours, theirs: errors or costs of paired episodes. Shape (n,) each.

    Raises:
        ShapeError: the two have different lengths.
    """
    a, b = np.asarray(ours, dtype=np.float64), np.asarray(theirs, dtype=np.float64)
    if a.shape != b.shape:
        raise ShapeError(f"paired samples have shapes {a.shape} and {b.shape}, expected the same")
    wins = (a < b) + 0.5 * (a == b)
    return bootstrap([wins], mean, resamples=resamples)


def difference(ours: Sequence[float], theirs: Sequence[float], *, paired: bool = True) -> Interval:
    """Mean of ours minus mean of theirs; `count` is the number of pairs, or of the fewer samples.

    Args:
        ours, theirs: Shape (n,) each, of the same episodes where `paired`.

    Raises:
        ShapeError: paired samples of different lengths.
    """
    a, b = np.asarray(ours, dtype=np.float64), np.asarray(theirs, dtype=np.float64)
    if paired:
        if a.shape != b.shape:
            raise ShapeError(f"paired samples have shapes {a.shape} and {b.shape}")
        return bootstrap([a - b], mean)
    count = min(len(a), len(b))
    if count == 0:
        return Interval(math.nan, math.nan, math.nan, 0)
    rng = seeding.generator(0, "difference")
    values = [g[rng.integers(len(g), size=(10_000, len(g)))].mean(-1) for g in (a, b)]
    low, high = np.percentile(values[0] - values[1], _ENDS)
    return Interval(float(a.mean() - b.mean()), float(low), float(high), count)
