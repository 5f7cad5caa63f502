"""Perceptrons that learn by descent: experiments to hold against the theory, trial by trial."""

from __future__ import annotations

import torch
from torch import Tensor

from sparsectl import seeding
from sparsectl.continual.perceptron import (
    Perceptron,
    examples,
    generalisation_error,
    related,
    teachers,
)
from sparsectl.continual.perceptron_config import PerceptronConfig
from sparsectl.theory.energy import check
from sparsectl.theory.experiment_config import ExperimentConfig


def one_task(alpha: float, trial: int, config: ExperimentConfig) -> dict[str, float]:
    """What one trial learns of one task.

    Returns:
        `error` of the signs, and the overlaps `r1` (of the means with the teacher) and `qd`.

    Raises:
        ConfigError: alpha is not positive.
    """
    check(alpha=alpha)
    teacher, student = _learnt(alpha, trial, config, config.single)
    mean = student.theta.tanh()
    return {
        "error": float(student.error(teacher)),
        "r1": float((mean * teacher).mean()),
        "qd": float(mean.square().mean()),
    }


class TwoTaskTrial:
    """One trial whose first task is learnt once for all its second tasks."""

    def __init__(self, alpha: float, trial: int, config: ExperimentConfig) -> None:
        check(alpha=alpha)
        self.config, self.trial = config, trial
        self.teacher, self.student = _learnt(alpha, trial, config, config.first)
        self.theta: Tensor = self.student.theta

    def second(self, alpha: float, gamma: float, similarity: float) -> dict[str, float]:
        """Errors after a second task whose prior is the first one's posterior.

        Args:
            alpha: its examples per weight.
            gamma: weight of the divergence from the prior, once an epoch.
            similarity: r_0, overlap of both teachers.

        Returns:
            `first` (error on task 1 before task 2), `error1` and `error2` (after it).
        """
        check(alpha=alpha)
        n, base = self.config.neurons, self.config.second
        generator = _generator(self.config, self.trial, "second", round(1000 * similarity))
        other = related(self.teacher, similarity, generator)
        x, y = examples(other, max(1, round(alpha * n)), generator)
        student = Perceptron(1, n, generator)
        student.theta = self.theta.clone()
        learning = PerceptronConfig(base.epochs, base.batch_size, base.optimiser, base.decay, gamma)
        student.fit(learning, x, y, prior=self.theta)
        return {
            "first": float(generalisation_error(self.theta, self.teacher)),
            "error1": float(student.error(self.teacher)),
            "error2": float(student.error(other)),
        }


def _learnt(
    alpha: float, trial: int, config: ExperimentConfig, learning: PerceptronConfig
) -> tuple[Tensor, Perceptron]:
    """Teacher, and a student of it. One trial at a time, so that its examples stay in the cache."""
    generator = _generator(config, trial, "first", round(1000 * alpha))
    teacher = teachers(1, config.neurons, generator)
    x, y = examples(teacher, max(1, round(alpha * config.neurons)), generator)
    student = Perceptron(1, config.neurons, generator)
    student.fit(learning, x, y)
    return teacher, student


def _generator(config: ExperimentConfig, trial: int, *names: str | int) -> torch.Generator:
    return torch.Generator().manual_seed(seeding.integer(config.seed, "perceptron", trial, *names))
