"""One task of small digits, and a teacher for regression, for tests of learners."""

import torch

from sparsectl.continual.head import Head
from sparsectl.continual.layers import NetworkConfig
from sparsectl.continual.streams import PermutedDigits, build

DIGITS = Head("classification", 10)
REGRESSION = Head("regression", 2, noise=0.5)
DIGIT_NETWORKS = [
    NetworkConfig(hidden=(128,), constant=1, gain=2**0.5),
    NetworkConfig(hidden=(128,), constant=1, activation="sign"),
]
RELU = NetworkConfig(hidden=(64,), constant=1)
SIGN = NetworkConfig(hidden=(64,), activation="sign", constant=1, gain=0.5)
NETWORKS = [RELU, SIGN]
NAMES = ["relu", "sign"]


def digits():
    return build(PermutedDigits(tasks=1), seed=0).tasks[0]


def learn(learner, inputs, targets, epochs, batch=64):
    """Minibatches in a fixed random order."""
    generator = torch.Generator().manual_seed(0)
    for _ in range(epochs):
        for index in torch.randperm(len(inputs), generator=generator).split(batch):
            learner.observe(inputs[index], targets[index], examples=len(inputs))


def accuracy(learner, task, mode=None):
    predicted = learner.predict(task.test_inputs, mode).argmax(-1)
    return float((predicted == task.test_targets).float().mean())


def teacher(n=512, seed=0):
    """8 inputs and 2 outputs: bounded sums of the inputs, each with a sign."""
    x = torch.randn(n, 8, generator=torch.Generator().manual_seed(seed))
    w = torch.randn(2, 8, generator=torch.Generator().manual_seed(7)).sign()
    return x, torch.tanh(x @ w.mT / 8**0.5) * 1.5


def regression_error(learner, mode=None):
    """Mean squared error over the targets' variance, on fresh examples: 1 for their mean."""
    x, y = teacher(256, seed=1)
    return float((learner.predict(x, mode) - y).square().mean() / y.var())
