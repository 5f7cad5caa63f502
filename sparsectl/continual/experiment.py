"""One study of continual learners from one YAML file: stream, network, learners, protocols."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from sparsectl import seeding
from sparsectl.checks import different_seeds, run_name, whole, within
from sparsectl.config import to_dict
from sparsectl.continual.control_config import ControlConfig
from sparsectl.continual.head import Head
from sparsectl.continual.layers import NetworkConfig
from sparsectl.continual.learners.build import LearnerConfig
from sparsectl.continual.stream import Stream
from sparsectl.continual.streams import StreamConfig
from sparsectl.errors import ConfigError, one_of

Protocol = Literal["sequential", "joint", "single"]
"""`sequential`: one task after another, as continual learners meet them. Two upper bounds:
`joint`: all tasks' examples shuffled together; `single`: one network for each task."""
PROTOCOLS: tuple[Protocol, ...] = get_args(Protocol)


@dataclass(frozen=True)
class Own:
    """What one learner has otherwise than the rest; None: as the rest."""

    network: NetworkConfig | None = None
    noise: float | None = None
    epochs: int | None = None
    batch_size: int | None = None
    protocols: tuple[Protocol, ...] | None = None


@dataclass(frozen=True)
class ContinualExperiment:
    """Everything that `sparsectl continual run` needs to know."""

    name: str
    """Name of the run: each learner, protocol and seed is in `<runs>/<name>/<learner>/...`."""
    stream: StreamConfig
    """Tasks, chosen by `kind`."""
    learners: dict[str, LearnerConfig]
    """Learners by label, each chosen by `kind`; the same kind may come under several labels."""
    network: NetworkConfig = field(default_factory=NetworkConfig)
    """Shape of all learners' networks."""
    noise: float = 1.0
    """Regression: standard deviation of the targets around the prediction, in network units."""
    protocols: tuple[Protocol, ...] = ("sequential",)
    """How every learner meets the tasks: sequential, joint, single."""
    epochs: int = 1
    """How often each task's examples are learnt from."""
    batch_size: int = 64
    """Examples in a step; a task's last batch may be smaller."""
    seeds: tuple[int, ...] = (0,)
    """Of initial weights, order of examples and, without `stream_seed`, the stream."""
    stream_seed: int | None = None
    """One stream for all seeds; None: each seed has its own."""
    evaluate_every: int = 1
    """Tasks between evaluations on all tasks. Before the first and after the last one there is
    always one, and every task is evaluated just after it was learnt."""
    draws: int = 20
    """Draws from the belief over weights in the final check of calibration; 0: no check."""
    keep_tasks: bool = False
    """Keep the learner as it was after every task, not only the last one."""
    own: dict[str, Own] = field(default_factory=dict)
    """What single learners have otherwise, by label."""
    control: ControlConfig | None = None
    """How `sparsectl continual control` plays the bodies of a dynamics stream."""

    def __post_init__(self) -> None:
        run_name(self.name)
        if not self.learners:
            raise ConfigError("learners: give at least one, for example `finetune: {}`")
        for label in self.learners:
            if not re.fullmatch(r"\w[\w.-]*", label):
                raise ConfigError(
                    f"learners: '{label}' is not a label: use letters, digits, _, - and . only"
                )
        different_seeds(self.seeds)
        whole(self, self.name, "[0, inf)", "stream_seed")
        whole(self, self.name, "[1, inf)", "evaluate_every")
        whole(self, self.name, "[0, inf)", "draws")
        _check_training(self.name, self)
        for label, own in self.own.items():
            one_of(label, self.learners, "own: no learner")
            _check_training(f"own.{label}", own)


def _check_training(where: str, config: ContinualExperiment | Own) -> None:
    whole(config, where, "[1, inf)", "epochs", "batch_size")
    within(config, where, "(0, inf)", "noise")
    protocols = config.protocols
    if protocols is None:
        return
    for protocol in protocols:
        one_of(protocol, PROTOCOLS, f"{where}: protocols: unknown")
    if not protocols or len(set(protocols)) < len(protocols):
        raise ConfigError(f"{where}: protocols is {list(protocols)}, expected different ones")


@dataclass(frozen=True)
class Unit:
    """One learner, protocol and seed: what is trained, saved and continued on its own."""

    label: str
    protocol: Protocol
    seed: int
    stream: StreamConfig
    stream_seed: int
    learner: LearnerConfig
    network: NetworkConfig
    noise: float
    epochs: int
    batch_size: int
    evaluate_every: int
    draws: int
    keep_tasks: bool

    @property
    def name(self) -> str:
        """E.g. `field/sequential/0`: the unit's folder within the run's."""
        return f"{self.label}/{self.protocol}/{self.seed}"

    def folder(self, run: str | Path) -> Path:
        """Where the unit's files are."""
        return Path(run) / self.label / self.protocol / str(self.seed)

    def head(self, stream: Stream) -> Head:
        """Loss and prediction on a stream."""
        return Head(stream.kind, stream.n_out, self.noise)

    def settings(self) -> dict[str, Any]:
        """Plain form of everything that the results follow from."""
        return to_dict(self, kinds=True)

    def learner_seed(self, task: int | None = None) -> int:
        """Of a learner's random numbers; `task`: of one that learns that task alone."""
        return seeding.integer(self.seed, "learner", *(() if task is None else (task,)))


def units(
    experiment: ContinualExperiment,
    labels: Sequence[str] | None = None,
    seeds: Sequence[int] | None = None,
) -> list[Unit]:
    """Units of an experiment, seed by seed: an interrupted run is a fair one of fewer seeds.

    Raises:
        ConfigError: a label that is none.
    """
    for label in labels or ():
        one_of(label, experiment.learners, "no learner")
    if seeds is not None:
        experiment = dataclasses.replace(experiment, seeds=tuple(seeds))
    return [
        _unit(experiment, label, protocol, seed)
        for seed in experiment.seeds
        for label in (labels or experiment.learners)
        for protocol in experiment.own.get(label, Own()).protocols or experiment.protocols
    ]


def _unit(experiment: ContinualExperiment, label: str, protocol: Protocol, seed: int) -> Unit:
    own = experiment.own.get(label, Own())
    given = {
        name: value if (value := getattr(own, name)) is not None else getattr(experiment, name)
        for name in ("network", "noise", "epochs", "batch_size")
    }
    shared = {
        name: getattr(experiment, name)
        for name in ("stream", "evaluate_every", "draws", "keep_tasks")
    }
    chosen = experiment.stream_seed if experiment.stream_seed is not None else seed
    learner = experiment.learners[label]
    return Unit(label, protocol, seed, stream_seed=chosen, learner=learner, **given, **shared)
