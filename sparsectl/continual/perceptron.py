"""The binary perceptron with a factorised posterior, many trials at once.

Li et al., Phys. Rev. E 108, 014309 (2023), single layer: a teacher of +-1 weights labels random
+-1 inputs; the learner's weights are +-1 with means tanh(beta theta), its loss for an example is
-ln of the probability of the right answer when the weights' sum is taken as Gaussian.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from sparsectl.continual.layers import signs
from sparsectl.continual.learners import posterior
from sparsectl.continual.learners.optimiser import moments, steps
from sparsectl.continual.perceptron_config import PerceptronConfig
from sparsectl.errors import ConfigError, NonFiniteError, ShapeError

_LEAST_VARIANCE = 1e-12
"""Of the sum over all weights: below it float32 overflows in powers of it."""


def teachers(trials: int, n: int, generator: torch.Generator) -> Tensor:
    """Random weights of +-1. Shape (trials, n)."""
    return _coins((trials, n), generator)


def related(teacher: Tensor, overlap: float, generator: torch.Generator) -> Tensor:
    """Second teachers whose mean product with the first is `overlap`.

    Exactly round(n (1 - overlap) / 2) weights, drawn at random, have the other sign.

    Raises:
        ConfigError: an overlap outside [-1, 1].
    """
    if not -1 <= overlap <= 1:
        raise ConfigError(f"overlap of two teachers is {overlap}, expected from -1 to 1")
    n = teacher.shape[1]
    flips = round(n * (1 - overlap) / 2)
    ranks = torch.rand(teacher.shape, generator=generator).argsort(-1).argsort(-1)
    return torch.where(ranks < flips, -teacher, teacher)


def examples(teacher: Tensor, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Random inputs and the teachers' answers to them.

    Where a teacher's sum is 0 (even n) the first input is flipped, so that every answer is clear.

    Args:
        teacher: Shape (trials, n).

    Returns:
        Inputs of +-1 (trials, count, n), answers of +-1 (trials, count).
    """
    x = _coins((teacher.shape[0], count, teacher.shape[1]), generator)
    total = torch.bmm(x, teacher[:, :, None])[..., 0]
    tied = total == 0
    x[..., 0] = torch.where(tied, -x[..., 0], x[..., 0])
    total = torch.where(tied, 2 * x[..., 0] * teacher[:, None, 0], total)
    return x, signs(total)


def generalisation_error(theta: Tensor, teacher: Tensor) -> Tensor:
    """Probability that the weights sign(theta) answer a new input wrongly: arccos(p) / pi.

    p is the overlap mean_i sign(theta_i) teacher_i. Shape (trials, n) -> (trials,).
    """
    overlap = (signs(theta) * teacher).mean(-1)
    return overlap.clamp(-1, 1).acos() / math.pi


def losses(theta: Tensor, inputs: Tensor, answers: Tensor, beta: float = 1.0) -> Tensor:
    """-ln H(-y mu.x / sqrt(S)) of each example, S the sum of the weights' variances, in nats.

    Shapes (trials, n), (trials, count, n), (trials, count) -> (trials, count).
    """
    mean, variance = posterior.moments(beta * theta)
    margin = answers * torch.bmm(inputs, mean[:, :, None])[..., 0]
    total = variance.sum(-1, keepdim=True).clamp_min(_LEAST_VARIANCE)
    return -torch.special.log_ndtr(margin / total.sqrt())


def gradient(theta: Tensor, inputs: Tensor, answers: Tensor, beta: float = 1.0) -> Tensor:
    """Gradient of the sum of `losses` over the examples with respect to theta. (trials, n).

    The ratio of the Gaussian's density to its integral is computed by the scaled complementary
    error function, so that it is right for examples that are wrong by many deviations.
    """
    mean, variance = posterior.moments(beta * theta)
    total = variance.sum(-1, keepdim=True).clamp_min(_LEAST_VARIANCE)
    margin = answers * torch.bmm(inputs, mean[:, :, None])[..., 0]
    stability = margin / total.sqrt()
    ratio = math.sqrt(2 / math.pi) / torch.special.erfcx(-stability / math.sqrt(2))
    direct = torch.bmm((ratio * answers)[:, None, :], inputs)[:, 0]
    spread = mean * ((ratio * margin).sum(-1, keepdim=True) / total)
    return -beta * variance * (direct + spread) / total.sqrt()


class Perceptron:
    """Binary perceptrons of independent trials.

    Attributes:
        theta: Shape (trials, n).
        beta: a weight's mean is tanh(beta theta).
    """

    def __init__(self, trials: int, n: int, generator: torch.Generator, beta: float = 1.0) -> None:
        if trials < 1 or n < 1 or not (math.isfinite(beta) and beta > 0):
            raise ConfigError(
                f"perceptron: {trials} trials of {n} weights at beta {beta}: all must be positive"
            )
        self.generator, self.beta = generator, beta
        self.theta = torch.randn(trials, n, generator=generator)

    def fit(
        self,
        config: PerceptronConfig,
        inputs: Tensor,
        answers: Tensor,
        prior: Tensor | None = None,
    ) -> None:
        """Learn a task, with a fresh optimiser. Trials share the order of their examples.

        Args:
            inputs: Shape (trials, count, n).
            answers: +-1, shape (trials, count).
            prior: theta of the posterior to stay close to, e.g. a copy of `theta` at the end of
                the first task; None: none. Shape (trials, n).

        Raises:
            ShapeError: shapes that do not fit.
            NonFiniteError: theta is not finite; it is put back to where it was before.
        """
        trials, n = self.theta.shape
        count = inputs.shape[1] if inputs.ndim == 3 else -1
        if inputs.shape != (trials, count, n) or answers.shape != (trials, count):
            raise ShapeError(
                f"inputs {tuple(inputs.shape)} and answers {tuple(answers.shape)} do not fit: "
                f"expected ({trials}, count, {n}) and ({trials}, count)"
            )
        if count == 0:
            return
        before, old = self.theta, moments(config.optimiser, [self.theta])
        updates, size = 0, min(config.batch_size or count, count)
        for _ in range(config.epochs):
            order = torch.randperm(count, generator=self.generator) if size < count else None
            for start in range(0, count, size):
                x, y = inputs, answers
                if order is not None:
                    chosen = order[start : start + size]
                    x, y = inputs[:, chosen], answers[:, chosen]
                g = gradient(self.theta, x, y, self.beta)
                if prior is not None and config.gamma:
                    weight = config.gamma * x.shape[1] / count
                    pull = posterior.kl_gradient(self.beta * self.theta, self.beta * prior)
                    g += weight * self.beta * pull
                updates += 1
                [step], old = steps(config.optimiser, [g], old, updates)
                self.theta = self.theta * (1 - config.optimiser.rate * config.decay) + step
        if not torch.isfinite(self.theta).all():
            self.theta = before
            raise NonFiniteError(
                "perceptron: theta became a NaN or infinity: check the inputs, or lower the "
                f"optimiser's rate ({config.optimiser.rate})"
            )

    def error(self, teacher: Tensor) -> Tensor:
        """Generalisation error of sign(theta) on a teacher. Shape (trials,)."""
        return generalisation_error(self.theta, teacher)


def _coins(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    bits = torch.randint(2, shape, generator=generator, dtype=torch.int8)
    return bits.float().mul_(2).sub_(1)
