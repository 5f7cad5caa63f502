"""Settings of the field-space learner."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

from sparsectl.checks import choices, whole, within
from sparsectl.continual.learners.optimiser import OptimiserConfig
from sparsectl.errors import ConfigError


@dataclass(frozen=True)
class FieldConfig:
    """Variational learning of one-bit weights in field space (Li et al. 2023)."""

    kind: ClassVar[str] = "field"
    beta: float = 1.0
    """Inverse temperature: a weight's mean is tanh(beta theta). The largest for `tanh`."""
    schedule: Literal["constant", "tanh", "power"] = "constant"
    """Of beta over epochs e = 1, 2, ... of the whole stream (examples seen / examples in a
    task): `tanh`: beta tanh(start + rate e), the paper's, whose rate must know how long the
    stream is; `power`: beta e^rate, which need not."""
    start: float = 0.1
    """Of the schedule `tanh`; the paper has 0.1."""
    rate: float = 0.08
    """Of a schedule, per epoch; the paper has 2/25 for 25 epochs and 1/80 for 80."""
    prior: Literal["none", "step", "task"] = "step"
    """What a KL divergence holds the posterior to: nothing; the posterior one minibatch ago
    (the paper's code for deep networks, no task boundaries); the posterior at the end of the
    last task (the paper's perceptron)."""
    gamma: float = 1.0
    """Weight of the KL divergence. `task`: gamma of it per epoch; `step`: gamma of it per step."""
    average: float = 0.0
    """With prior `task`: at the end of task k its step in theta is divided by k^average. Sums of
    theta are products of posteriors, so with 1 the bits' beliefs are the geometric mean of what
    each task ended with (incremental moment matching, Lee et al. 2017, in natural parameters);
    0: the last task's belief stays as it is."""
    leak: float = 0.0
    """Weight, per example, of the KL divergence to theta = 0: forgets what is not seen again.
    About 1 / (examples to remember)."""
    optimiser: Literal["adam", "sgd"] = "adam"
    """Adam's moments are carried from task to task."""
    learning_rate: float = 0.01
    """In units of theta. Gradients are summed over a minibatch."""
    modulation: Literal["gradient", "step"] = "gradient"
    """Where a weight's variance slows it: in the gradient, as it is derived (Adam then undoes
    much of it), or as a factor on the optimiser's step."""
    samples: int = 1
    """Draws of the fields' noise for each example of a step."""
    init_std: float = 1.0
    """Standard deviation of the initial theta."""

    def __post_init__(self) -> None:
        choices(self, "field learner")
        within(self, "field learner", "(0, inf)", "beta", "learning_rate")
        numbers = ("gamma", "average", "leak", "init_std", "rate", "start")
        within(self, "field learner", "[0, inf)", *numbers)
        whole(self, "field learner", "[1, inf)", "samples")
        if self.schedule == "tanh" and self.start == self.rate == 0:
            raise ConfigError("field learner: start and rate are both 0: beta would be 0 for ever")
        if self.average and self.prior != "task":
            raise ConfigError(
                f"field learner: average is {self.average} with prior '{self.prior}': only prior "
                "'task' knows where a task ends"
            )

    @property
    def steps(self) -> OptimiserConfig:
        """The optimiser's own settings."""
        return OptimiserConfig(self.optimiser, self.learning_rate, betas=(0.9, 0.99))

    def beta_at(self, epoch: int) -> float:
        """Inverse temperature in epoch 1, 2, ... of the stream."""
        if self.schedule == "tanh":
            return self.beta * math.tanh(self.start + self.rate * epoch)
        return self.beta * epoch**self.rate if self.schedule == "power" else self.beta
