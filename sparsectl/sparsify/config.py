"""How a family of models with fewer and fewer ReLUs is made."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from sparsectl.checks import within
from sparsectl.errors import ConfigError

LAYERS = (24, 24, 24)
"""Of the new network that is sparsified where nothing else is asked for."""


@dataclass(frozen=True)
class SparsifyConfig:
    """Progressive sparsification; batches, loss and optimiser are those of `train`."""

    counts: tuple[int, ...] = (48, 32, 24, 16, 12, 8)
    """ReLUs of the family's members, falling; 0 is an affine model. Of a graph network: neurons
    of the shared networks."""
    hidden: tuple[int, ...] | None = None
    """Layers of the network that is sparsified. Empty: the trained model itself. Otherwise a new
    network of this shape is trained first: a third layer helps, because a ReLU that reads other
    ReLUs says more. null: three layers of 24, or of a graph network the trained model."""
    lanes: bool = True
    """Add identity channels to every hidden layer, as many as the network has inputs: they carry
    the input past it, so that a ReLU of any layer may read it, and cost nothing when planning.
    Not for graph networks, which are left as they are."""
    initial_steps: int = 2_000
    """Gradient steps of that new network."""
    selection: Literal["sensitivity", "gates"] = "sensitivity"
    """`sensitivity`: the neurons whose replacement by their best affine fit costs the least loss
    go first, a few at a time; `gates`: a Gumbel-softmax over ReLU, identity and zero is trained
    jointly with the weights until the target is reached."""
    stride: float = 0.15
    """`sensitivity`: largest share of the ReLUs that is replaced at once."""
    removal_steps: int = 200
    """`sensitivity`: gradient steps after every replacement (on a single path, not after a round's
    last)."""
    gate_steps: int = 3_000
    """`gates`: gradient steps of choosing in a round; more, up to twice as many, if the expected
    count is not reached by then."""
    gate_rate: float = 0.05
    """`gates`: learning rate of the logits."""
    temperature: float = 0.5
    """`gates`: temperature of the Gumbel-softmax."""
    start: float = 0.9
    """`gates`: probability of a neuron's present kind at the start of a round."""
    relu_penalty: float = 1e-2
    """`gates`: weight of the expected number of ReLUs above the target, which falls over the
    round from the present count."""
    identity_penalty: float = 1e-4
    """`gates`: weight of the expected number of identities."""
    finetune_steps: int = 5_000
    """Gradient steps after a round's choice, on the schedule of `train`."""
    branch: bool = True
    """Fine-tune a copy and let the next round go on from the model before fine-tuning: a member
    then has one long fine-tuning, where a single path has one behind another. False: one path."""
    total_steps: tuple[int, ...] = ()
    """Gradient steps that a member has behind it in all, a number for each count, for comparisons
    at equal budgets: fine-tuning takes what is left of them. Empty: `finetune_steps`."""
    learning_rate: float = 2e-2
    """Peak learning rate of fine-tuning; choosing goes on at a quarter of it."""
    teacher: float = 0.0
    """Weight of matching the given model's predictions on the data, and as much again from
    states with noise; the data's own loss has weight 1."""
    teacher_noise: float = 0.5
    """Standard deviation of that noise, in units of the one-step change's."""
    mode_penalty: float = 0.0
    """Weight of the mean rate at which ReLUs switch within a window: fewer modes to plan over."""
    relaxation_penalty: float = 0.0
    """Weight, in fine-tuning, of the radius that relaxed ReLUs add to predicted states (in units of
    the one-step change's standard deviation), over boxes of actions around the windows' own: fewer
    nodes until a plan is proved. Not for graph networks."""
    weight_sparsity: float = 0.0
    """Share of every member's weights that is dropped at the end, the smallest first, followed by
    fine-tuning of the rest."""
    retries: int = 2
    """Times that a diverging round is tried again at a third of the learning rate."""
    seed: int = 0
    """Seed of batches, gates and noise."""

    def __post_init__(self) -> None:
        counts = self.counts
        if not counts or any(c < 0 for c in counts) or any(b >= a for a, b in pairwise(counts)):
            raise ConfigError(
                f"sparsify counts: expected falling numbers of at least 0, got {list(counts)}"
            )
        if self.total_steps and len(self.total_steps) != len(counts):
            raise ConfigError(
                f"sparsify total_steps: expected a number for each of {list(counts)}, got "
                f"{list(self.total_steps)}"
            )
        if self.total_steps and (not self.branch or self.weight_sparsity):
            raise ConfigError("sparsify total_steps: only with `branch` and no `weight_sparsity`")
        steps = ("initial_steps", "removal_steps", "gate_steps", "finetune_steps")
        within(self, "sparsify", "[1, inf)", "hidden", *steps)
        rates = ("gate_rate", "temperature", "learning_rate")
        within(self, "sparsify", "(0, inf)", *rates)
        weights = ("relu_penalty", "identity_penalty", "mode_penalty", "relaxation_penalty")
        within(self, "sparsify", "[0, inf)", *weights, "teacher", "teacher_noise")
        within(self, "sparsify", "[0, inf)", "retries", "seed")
        within(self, "sparsify", "(0, 1]", "stride")
        if not 1 / 3 <= self.start < 1:
            raise ConfigError(f"sparsify: start is {self.start}, expected in [1/3, 1)")
        within(self, "sparsify", "[0, 1)", "weight_sparsity")
