"""Random plans that are smooth in time. Unit-box coordinates, float32."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor


def correlated(
    rng: np.random.Generator, count: int, horizon: int, nu: int, correlation: float
) -> np.ndarray:
    """Stationary first-order autoregressive noise of unit variance. Shape (count, horizon, nu).

    Args:
        correlation: of one step with the next, in [0, 1).
    """
    lag = np.abs(np.subtract.outer(np.arange(horizon), np.arange(horizon)))
    factor = np.linalg.cholesky(correlation**lag + 1e-9 * np.eye(horizon)).astype(np.float32)
    white = rng.standard_normal((count, horizon, nu), dtype=np.float32)
    return np.einsum("ts,nsk->ntk", factor, white)


def coloured(
    rng: np.random.Generator, count: int, horizon: int, nu: int, exponent: float
) -> np.ndarray:
    """Gaussian noise with power spectrum 1 / f^exponent and unit variance at every step.

    Timmer and Koenig 1995; as sampling noise in iCEM (Pinneri et al. 2020). 0 is white noise.

    Returns:
        Shape (count, horizon, nu).
    """
    if horizon == 1:
        return rng.standard_normal((count, 1, nu), dtype=np.float32)
    frequency = np.fft.rfftfreq(horizon)
    frequency[0] = frequency[1]  # a constant offset is as likely as the slowest wave
    scale = frequency ** (-exponent / 2)
    shape = (count, nu, len(frequency))
    spectrum = scale * (rng.standard_normal(shape) + 1j * rng.standard_normal(shape))
    spectrum[..., 0] = spectrum[..., 0].real * np.sqrt(2)
    power = 2 * scale[0] ** 2 + 4 * (scale[1:] ** 2).sum()
    if horizon % 2 == 0:
        spectrum[..., -1] = spectrum[..., -1].real * np.sqrt(2)
        power -= 2 * scale[-1] ** 2
    noise = np.fft.irfft(spectrum, n=horizon) * (horizon / np.sqrt(power))
    return noise.transpose(0, 2, 1).astype(np.float32)


def spread(rng: np.random.Generator, count: int, horizon: int, nu: int) -> np.ndarray:
    """Plans across the whole box: ramps between two points, many of them on its border.

    Returns:
        Shape (count, horizon, nu), in [-1, 1].
    """
    first = rng.uniform(-1.5, 1.5, (count, 1, nu))
    last = rng.uniform(-1.5, 1.5, (count, 1, nu))
    last[::2] = first[::2]
    time = np.linspace(0, 1, horizon)[:, None]
    return np.clip(first + (last - first) * time, -1, 1).astype(np.float32)


def like(rng: np.random.Generator, plans: Tensor, count: int) -> Tensor:
    """Zero-mean Gaussian noise with the empirical covariance of plans. Shape (count, H, nu).

    Args:
        plans: Shape (k, H, nu); the noise spans their differences, so k should exceed H * nu.
    """
    weights = rng.standard_normal((count, len(plans)), dtype=np.float32) / len(plans) ** 0.5
    deviations = (plans - plans.mean(0)).flatten(1)
    return (plans.new_tensor(weights) @ deviations).unflatten(1, plans.shape[1:])
