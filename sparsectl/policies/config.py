"""Settings of fitting a network, of imitation, and of what states are worth."""

from __future__ import annotations

from dataclasses import dataclass, field

from sparsectl.checks import whole, within
from sparsectl.errors import ConfigError


@dataclass(frozen=True)
class FitConfig:
    """How a network is fitted, by Adam on a rate that decays to zero."""

    epochs: int = 200
    """Passes through the rows, at most."""
    batch_size: int = 128
    learning_rate: float = 3e-3
    """Rate at the start."""
    patience: int = 40
    """Passes without a lower held-out error before stopping."""
    held_out: float = 0.1
    """Share of the episodes that decides when to stop and which weights are kept."""

    def __post_init__(self) -> None:
        whole(self, "fit", "[1, inf)", "epochs", "batch_size", "patience")
        within(self, "fit", "(0, inf)", "learning_rate")
        within(self, "fit", "(0, 1)", "held_out")


@dataclass(frozen=True)
class ImitateConfig:
    """A policy network that learns to do what a planner does (dataset aggregation, DAgger).

    The policy acts, and the planner says what it would have done at every observation on the way;
    the policy is trained on all that was said so far, and acts again. So it sees where its own
    errors lead to (Ross et al. 2011).
    """

    controller: str | None = None
    """Who is imitated: a name under `controllers`; none: nobody."""
    model: str | None = None
    """What that plans with: a name under `evaluate.models` or a folder; none: the first of the
    entry's own `models`, or the run's model."""
    rounds: int = 6
    """Rounds of playing and training; in the first one the planner acts."""
    episodes: int = 20
    """Episodes that a round plays. Their seeds are none of an evaluation's."""
    steps: int | None = None
    """Length of these episodes; none: as evaluation's."""
    seconds: float | None = None
    """Wall-clock time for a label [s]; none: what the planner's own settings say, so that labels
    repeat exactly where those count iterations or nodes. What a fallback did is no label."""
    mixture: float = 0.0
    """Share of the decisions in which the planner acts in the second round, and in each one after
    that this share of the round's before. 0: the policy acts alone."""
    hidden: tuple[int, ...] = (64, 64)
    """ReLUs of every hidden layer."""
    fit: FitConfig = field(default_factory=FitConfig)
    """Training, from new weights in every round."""
    seed: int = 0
    """Seed of episodes, weights and batches."""

    def __post_init__(self) -> None:
        whole(self, "imitate", "[1, inf)", "rounds", "episodes", "steps", "hidden")
        whole(self, "imitate", "[0, inf)", "seed")
        within(self, "imitate", "(0, inf)", "seconds")
        within(self, "imitate", "[0, 1]", "mixture")

    def share(self, number: int) -> float:
        """Share of the decisions in which the planner acts in a round, from 1 on."""
        return 1.0 if number == 1 else self.mixture ** (number - 1)


@dataclass(frozen=True)
class ValueConfig:
    """A network that says what a state is worth: what a planner that looks far ahead pays from it.

    The planner minimises the task's terms with the same weight at every step; `terminal_weight`
    and an earlier value are left out. It plans once at states of the collected data, and plays
    episodes with noise on its actions.
    """

    controller: str | None = None
    """Who plans: a name under `controllers`."""
    model: str | None = None
    """What that plans with; see `imitate.model`."""
    horizon: int = 12
    """Steps that it looks ahead."""
    steps: int | None = None
    """Steps whose cost a state is worth, at most `horizon`; None: all. With fewer, every plan also
    prices the states on its way, of which it still sees so many: more prices for the same time, of
    states such as plans end in."""
    rounds: int = 0
    """Rounds after the first fit. In each the planner plays `episodes` as the network will be used
    (with the experiment's horizon, and the network at its end), what it comes to is priced from
    further ahead, and the network fitted anew: plans with a value lead to where it is too low."""
    states: int = 1500
    """States of the collected data at which it plans."""
    episodes: int = 16
    """Episodes that it plays, planning at every step."""
    exploration: float = 0.4
    """Largest noise on its actions there; see `online.exploration`."""
    hidden: tuple[int, ...] = (32,)
    """ReLUs of every hidden layer. In the last one, those that raise the cost need no binary."""
    near: float = 0.1
    """Errors count relative to a state's worth plus this share of the mean worth."""
    fit: FitConfig = field(default_factory=lambda: FitConfig(learning_rate=1e-2))
    """Training."""
    seed: int = 0
    """Seed of states, episodes, weights and batches."""

    def __post_init__(self) -> None:
        whole(self, "value", "[1, inf)", "horizon", "steps", "states", "hidden")
        whole(self, "value", "[0, inf)", "rounds", "episodes", "seed")
        if (self.steps or 0) > self.horizon:
            raise ConfigError(
                f"value: steps is {self.steps}, expected at most the horizon, {self.horizon}"
            )
        if self.rounds and not self.episodes:
            raise ConfigError("value: rounds need episodes to play, and episodes is 0")
        within(self, "value", "[0, inf)", "exploration")
        within(self, "value", "(0, inf)", "near")
