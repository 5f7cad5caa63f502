"""What every method that reaches a number of ReLUs is given, and what it gives back."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor, nn

from sparsectl.data import Episodes
from sparsectl.dynamics import MLPConfig, MLPDynamics, TrainConfig
from sparsectl.dynamics.fit import Batches, trajectories
from sparsectl.dynamics.kinds import count_relus, set_kinds
from sparsectl.errors import ConfigError, SparsectlError
from sparsectl.task import StateMap


@dataclass(frozen=True)
class Budget:
    """Training that a method may spend.

    Attributes:
        train: batches, loss and peak learning rate; its own number of steps does not count.
        steps: gradient steps in all, those of the model that a method starts from included.
        spent: steps that this model has had; a method that starts from nothing ignores it.
    """

    train: TrainConfig
    steps: int
    spent: int = 0

    def __post_init__(self) -> None:
        if self.spent < 0 or self.steps < 1:
            raise ConfigError(
                f"budget of {self.steps} steps with {self.spent} spent: expected at least 1 step "
                "and nothing negative"
            )

    @property
    def left(self) -> int:
        """Steps that remain after those of the given model.

        Raises:
            ConfigError: nothing remains.
        """
        if self.steps <= self.spent:
            raise ConfigError(
                f"budget of {self.steps} steps, but the given model has had {self.spent}: nothing "
                "is left to fine-tune with"
            )
        return self.steps - self.spent

    def training(self, steps: int, seed: int) -> TrainConfig:
        """Training of a part of the budget."""
        return replace(self.train, steps=steps, seed=seed, patience=None)

    def batches(
        self, episodes: Episodes, state_map: StateMap, seed: int, like: nn.Module | None = None
    ) -> Batches:
        """Windows of the data, split as `dynamics.train` splits them, as precise as a model."""
        train = replace(self.train, seed=seed)
        return Batches.of(trajectories(episodes, state_map, train), train, like)


@dataclass(frozen=True)
class Member:
    """A trained model with a given number of ReLUs.

    Attributes:
        model: hard model (every neuron is a ReLU, the identity or gone), on the CPU, evaluation
            mode.
        count: ReLUs of its lowered program.
        steps: gradient steps in all, those of the model it was made from included.
        cpu_seconds: CPU time of the method [s], without that of the model it was made from.
    """

    model: MLPDynamics
    count: int
    steps: int
    cpu_seconds: float


@dataclass(frozen=True)
class Method:
    """A way from a trained network to a number of ReLUs.

    Attributes:
        start: (model, name) -> the network that it starts from, or an error.
        reach: (network, batches, count, budget, seed, settings) -> network with `count` ReLUs.
    """

    name: str
    start: Callable[[MLPConfig | MLPDynamics, str], MLPDynamics]
    reach: Callable[..., MLPDynamics]

    def __call__(
        self, model: MLPConfig | MLPDynamics, episodes: Episodes, state_map: StateMap, count: int,
        budget: Budget, seed: int, **settings: Any,
    ) -> Member:  # fmt: skip
        """Spend a budget.

        Args:
            model: trained network; left as it is.
            episodes: data; `budget.train.validation_fraction` of it decides which weights to keep.
            budget: `budget.left` steps are spent.
            seed: of split, batches and whatever is drawn.
            settings: of the method, see its file.

        Raises:
            SparsectlError: a model that the method cannot start from.
            ConfigError: a count above what there is, or too few steps.
            TrainingDiverged: see `fit`.
        """
        started, trained = time.process_time(), self.start(model, self.name)
        check_count(count, count_relus(trained), self.name)
        batches = budget.batches(episodes, state_map, seed, trained)
        reached = self.reach(trained, batches, count, budget, seed, **settings)
        return Member(reached, count, budget.steps, time.process_time() - started)


def network(model: MLPDynamics | MLPConfig, method: str) -> MLPDynamics:
    """The model, if it is one.

    Raises:
        SparsectlError: a config was given.
    """
    if not isinstance(model, MLPDynamics):
        raise SparsectlError(
            f"{method} needs a trained MLPDynamics to start from, got {type(model).__name__}"
        )
    return model


def dense(model: MLPDynamics | MLPConfig, method: str) -> MLPDynamics:
    """The model, if it is a network of ReLUs only.

    Raises:
        SparsectlError: a config, or a network with other neurons.
    """
    model = network(model, method)
    relus, neurons = count_relus(model), sum(model.config.hidden)
    if relus != neurons:
        raise SparsectlError(
            f"{method} starts from a network of ReLUs only, got one with {relus} ReLUs among "
            f"{neurons} neurons: give the dense model"
        )
    return model


def with_kinds(model: MLPDynamics, kinds: Sequence[Tensor]) -> MLPDynamics:
    """A copy with other kinds of neurons, one tensor of shape (width,) per hidden layer."""
    other = copy.deepcopy(model)
    set_kinds(other, kinds)
    return other


def check_count(count: int, available: int, method: str) -> None:
    """Refuse a target that cannot be reached by removing ReLUs.

    Raises:
        ConfigError: negative, or more than there are.
    """
    if not 0 <= count <= available:
        raise ConfigError(
            f"{method}: target of {count} ReLUs, the model has {available}: expected 0 to "
            f"{available}"
        )
