"""Learners from their settings."""

from __future__ import annotations

from sparsectl.continual.head import Head
from sparsectl.continual.layers import NetworkConfig
from sparsectl.continual.learner import ContinualLearner
from sparsectl.continual.learners.bayesbinn import BayesBiNNConfig, BayesBiNNLearner
from sparsectl.continual.learners.bimu import BiMUConfig, BiMULearner
from sparsectl.continual.learners.ewc import EWCConfig, EWCLearner
from sparsectl.continual.learners.field import FieldLearner
from sparsectl.continual.learners.field_config import FieldConfig
from sparsectl.continual.learners.finetune import FinetuneConfig, FinetuneLearner
from sparsectl.continual.learners.hebbian import HebbianConfig, HebbianLearner
from sparsectl.continual.learners.mesu import MESUConfig, MESULearner
from sparsectl.continual.learners.metaplastic import MetaplasticConfig, MetaplasticLearner
from sparsectl.continual.learners.si import SIConfig, SILearner
from sparsectl.continual.learners.straight_through import (
    StraightThroughConfig,
    StraightThroughLearner,
)
from sparsectl.continual.learners.vcl import VCLConfig, VCLLearner
from sparsectl.errors import ConfigError, one_of

LearnerConfig = (
    FieldConfig
    | BayesBiNNConfig
    | BiMUConfig
    | MetaplasticConfig
    | HebbianConfig
    | StraightThroughConfig
    | FinetuneConfig
    | EWCConfig
    | SIConfig
    | MESUConfig
    | VCLConfig
)
"""Settings of any learner, chosen by `kind` in YAML."""

LEARNERS: dict[str, type[ContinualLearner]] = {
    "field": FieldLearner,
    "bayesbinn": BayesBiNNLearner,
    "bimu": BiMULearner,
    "metaplastic": MetaplasticLearner,
    "hebbian": HebbianLearner,
    "straight_through": StraightThroughLearner,
    "finetune": FinetuneLearner,
    "ewc": EWCLearner,
    "si": SILearner,
    "mesu": MESULearner,
    "vcl": VCLLearner,
}
"""Learners by kind; none stores an example."""


def build(
    config: LearnerConfig, network: NetworkConfig, n_in: int, head: Head, seed: int = 0
) -> ContinualLearner:
    """A learner that has met no example yet.

    Args:
        seed: of initial weights and noise; the same seed gives the same learner.

    Raises:
        ConfigError: no such learner, or fewer than one input.
    """
    kind = getattr(config, "kind", type(config).__name__)
    one_of(kind, LEARNERS, "no learner of kind")
    if n_in < 1:
        raise ConfigError(f"learner '{kind}': n_in is {n_in}, expected at least 1")
    return LEARNERS[kind](config, network, n_in, head, seed)  # type: ignore[arg-type, call-arg]
