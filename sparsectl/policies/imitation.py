"""Imitation by dataset aggregation: play, ask, train on all answers, play again (Ross et al. 2011).

Who is asked is a function: this file knows nothing of planners.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np

from sparsectl import runs, seeding
from sparsectl.errors import DataError
from sparsectl.policies.config import ImitateConfig
from sparsectl.policies.network import NetworkConfig, NetworkPolicy, PolicyNetwork
from sparsectl.policies.regression import Fitted, fit

SAVE_EVERY = 20.0
"""Time between two writes of the labels while a round is played [s]."""


@dataclass(frozen=True)
class Labelled:
    """An episode of which somebody said what to do.

    Attributes:
        observations: those that have a label. Shape (n, observation_size).
        actions: labels. Shape (n, nu).
        steps: of the environment.
        score: of what was done: `return`, `final_error`, `success`; None where unknown. `lost`: 1
            where the episode was ended, as the planner saw no way back within the limits, else 0.
        label_seconds: wall-clock time of all decisions [s].
        cpu_seconds: processor time of the episode [s].
    """

    observations: np.ndarray
    actions: np.ndarray
    steps: int
    score: Mapping[str, float | None] = field(default_factory=dict)
    label_seconds: float = 0.0
    cpu_seconds: float = 0.0


class Label(Protocol):
    """Plays episodes and asks for labels."""

    def __call__(
        self,
        policy: NetworkPolicy | None,
        share: float,
        episodes: Sequence[int],
        seed: int,
        on_episode: Callable[[int, Labelled | str], None],
    ) -> None:
        """Play.

        Args:
            policy: acts; None: who is asked acts alone.
            share: of the decisions in which who is asked acts.
            episodes: numbers of the episodes.
            on_episode: is called with every episode as soon as it has ended, or with why it
                failed.
        """


@dataclass(kw_only=True)
class Progress(runs.Progress):
    """Where imitation stands: all labels in the order in which they came.

    Attributes:
        episodes: one mapping an episode that was played: `round`, `episode` and its numbers.
        curve: one row a round that is done, see `imitate`.
        fit_seconds: processor time of training so far [s].
    """

    kind: ClassVar[str] = "labels"
    episodes: list[dict[str, Any]] = field(default_factory=list)
    curve: list[dict[str, Any]] = field(default_factory=list)
    fit_seconds: float = 0.0

    def add(self, number: int, episode: int, found: Labelled) -> None:
        """Add an episode of a round."""
        rows = len(found.actions)
        new = {
            "observations": found.observations,
            "actions": found.actions,
            "round": np.full(rows, number),
            "episode": np.full(rows, episode),
        }
        old = self.tensors
        self.tensors = {k: np.concatenate([old[k], v]) if k in old else v for k, v in new.items()}
        numbers = {k: v for k, v in asdict(found).items() if k not in ("observations", "actions")}
        self.episodes.append({"round": number, "episode": episode, "labels": rows, **numbers})

    def of(self, number: int) -> list[dict[str, Any]]:
        """Episodes of a round, in order of their numbers."""
        return sorted(
            (e for e in self.episodes if e["round"] == number), key=lambda e: int(e["episode"])
        )

    def rows(self, number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Observations, labels and episodes of all rounds up to one, in an order that does not
        depend on which episode ended first."""
        t = self.tensors
        order = np.lexsort((np.arange(len(t["round"])), t["episode"], t["round"]))
        order = order[t["round"][order] <= number]
        tag = t["round"][order] * (1 + int(t["episode"].max())) + t["episode"][order]
        return t["observations"][order], t["actions"][order], tag


@dataclass(frozen=True)
class Imitated:
    """What imitation gave.

    Attributes:
        network: trained on the labels of all rounds.
        curve: one row a round.
        facts: `env_steps`, `labels`, `label_seconds`, `cpu_seconds` and `held_out_error`.
    """

    network: PolicyNetwork
    curve: list[dict[str, Any]]
    facts: dict[str, Any]


def imitate(
    config: ImitateConfig,
    label: Label,
    box: tuple[np.ndarray, np.ndarray],
    *,
    folder: Path | None = None,
    fingerprint: Mapping[str, Any] | None = None,
    on_episode: Callable[[int], object] = lambda _: None,
    on_round: Callable[[Mapping[str, Any]], object] = lambda _: None,
) -> Imitated:
    """Train a policy network to do what somebody says.

    A row of the curve is about the policy of the round before, which acted in it: `round`,
    `planner_share`, `env_steps` and `labels` so far, mean `return`, `final_error` and `success` of
    episodes played to their end (None where unknown), the share `lost` of others. After training
    on what was said: `training_error` and `held_out_error` (root mean square, 1 being half the
    action box), `label_seconds` and `cpu_seconds` so far [s].

    Args:
        label: plays and asks.
        box: limits of actions, finite. Shapes (nu,).
        folder: where labels are kept, so that a run that was killed goes on; None: nowhere.
        fingerprint: what the labels depend on besides `config`; it must be the same to go on.
        on_episode: called with the number of episodes that are there.
        on_round: called with the row of the curve after every round.

    Raises:
        DataError: half the episodes of a round or more failed, or nobody said anything.
        ConfigError, CheckpointError: what is in the folder was made otherwise, or is damaged.
        TrainingDiverged: see `fit`.
    """
    facts = {**(fingerprint or {}), "imitate": lasting(config)}
    with runs.held(folder and folder.parent):
        state = (Progress.load(folder, facts) if folder else None) or Progress()
        run, network = _Run(config, label, box, state, folder, facts, on_episode), None
        on_episode(len(state.episodes))
        for number in range(1, config.rounds + 1):
            if len(state.of(number)) < config.episodes:
                if number > 1:
                    network = network or run.train(number - 1)[0]
                run.play(number, network)
            network = None
            if len(state.curve) < number:
                network, fitted = run.train(number)
                state.curve.append(run.row(number, fitted))
                run.save()
                on_round(state.curve[-1])
        network = network or run.train(config.rounds)[0]
    last = state.curve[config.rounds - 1]
    names = ("env_steps", "labels", "label_seconds", "cpu_seconds", "held_out_error")
    return Imitated(network, state.curve, {k: last[k] for k in names})


def lasting(config: ImitateConfig) -> dict[str, Any]:
    """What of the settings rounds that are done depend on."""
    return {k: v for k, v in runs.beyond_defaults(config).items() if k != "rounds"}


@dataclass
class _Run:
    """One call of `imitate`, with its arguments."""

    config: ImitateConfig
    label: Label
    box: tuple[np.ndarray, np.ndarray]
    state: Progress
    folder: Path | None
    fingerprint: Mapping[str, Any]
    on_episode: Callable[[int], object]

    def save(self) -> None:
        """Write the labels, if there is a folder for them."""
        if self.folder is not None:
            self.state.save(self.folder, self.fingerprint)

    def play(self, number: int, network: PolicyNetwork | None) -> None:
        """The episodes of a round that are not there yet."""
        known = {e["episode"] for e in self.state.of(number)}
        missing = [i for i in range(self.config.episodes) if i not in known]
        failures, saved = [], time.perf_counter()

        def told(episode: int, found: Labelled | str) -> None:
            nonlocal saved
            if isinstance(found, str):
                failures.append(found)
                return
            self.state.add(number, episode, found)
            self.on_episode(len(self.state.episodes))
            if time.perf_counter() - saved > SAVE_EVERY:
                self.save()
                saved = time.perf_counter()

        policy = None if network is None else NetworkPolicy(network)
        share, seed = self.config.share(number), self._seed("round", number)
        self.label(policy, share, missing, seed, told)
        self.save()
        if failures and 2 * len(failures) >= len(missing):
            raise DataError(
                f"imitation: {len(failures)} of {len(missing)} episodes failed: {failures[0]}"
            )
        if not sum(e["labels"] for e in self.state.of(number)):
            raise DataError(
                f"imitation: round {number} gave no labels, as no decision had a plan of its own "
                "that ends within the limits: give the planner more time (imitate.seconds), or "
                "take another planner"
            )

    def train(self, number: int) -> tuple[PolicyNetwork, Fitted]:
        """A network trained on the labels up to a round; always the same one."""
        started = time.process_time()
        observations, actions, episodes = self.state.rows(number)
        shape, seed = NetworkConfig(self.config.hidden), self._seed("fit", number)
        network = PolicyNetwork(shape, observations.shape[1], *self.box, seed=seed)
        fitted = fit(network, observations, actions, episodes, self.config.fit, seed=seed)
        self.state.fit_seconds += time.process_time() - started
        return network, fitted

    def row(self, number: int, fitted: Fitted) -> dict[str, Any]:
        """Row of the curve, see `imitate`."""
        so_far = [e for e in self.state.episodes if e["round"] <= number]
        total = {k: sum(e[k] for e in so_far) for k in ("steps", "labels", "label_seconds")}
        cpu = sum(e["cpu_seconds"] for e in so_far) + self.state.fit_seconds
        return {
            "round": number,
            "planner_share": self.config.share(number),
            "env_steps": total["steps"],
            "labels": total["labels"],
            **_means([e["score"] for e in self.state.of(number)]),
            "training_error": fitted.training,
            "held_out_error": fitted.held_out,
            "label_seconds": round(total["label_seconds"], 3),
            "cpu_seconds": round(cpu, 3),
        }

    def _seed(self, *names: str | int) -> int:
        return seeding.integer(self.config.seed, "imitate", *names)


def _means(scores: Sequence[Mapping[str, float | None]]) -> dict[str, float | None]:
    """Mean of every number over the episodes that know it."""
    found: dict[str, float | None] = {}
    for name in scores[0]:
        known = [float(v) for s in scores if (v := s.get(name)) is not None]
        found[name] = float(np.mean(known)) if known else None
    return found
