"""Settings of imitation."""

from __future__ import annotations

from dataclasses import dataclass, field

from sparsectl.checks import whole, within
from sparsectl.policies.fit_config import FitConfig


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
