"""Scikit-learn's digits, whole or with pixels in another order, and a short training."""

import functools

import pytest
import torch

from sparsectl.continual.head import Head
from sparsectl.continual.layers import NetworkConfig

NETWORK = NetworkConfig(hidden=(64,))
HEAD = Head("classification", 10)


@functools.cache
def arrays():
    pytest.importorskip("sklearn")
    from sparsectl.continual.streams.arrays import digits

    found = digits(0.2)
    return [
        torch.from_numpy(a)
        for a in (found.inputs, found.labels, found.test_inputs, found.test_labels)
    ]


def task(k=0):
    """Permutation k of the pixels; 0 is none."""
    x, y, xt, yt = arrays()
    order = torch.arange(64)
    if k:
        order = torch.randperm(64, generator=torch.Generator().manual_seed(k))
    return x[:, order], y, xt[:, order], yt


def learn(learner, k=0, epochs=5, batch=32, seed=0):
    """Some epochs on one permutation, and its end."""
    x, y, _, _ = task(k)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(epochs):
        for rows in torch.randperm(len(x), generator=generator).split(batch):
            learner.observe(x[rows], y[rows], examples=len(x))
    if learner.uses_boundaries:
        learner.end_task()
    return learner


def accuracy(learner, k=0, mode=None):
    """Share of test digits that are recognised."""
    _, _, x, y = task(k)
    return float((learner.predict(x, mode).argmax(-1) == y).double().mean())
