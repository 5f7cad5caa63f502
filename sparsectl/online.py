"""Playing with the present model, to train on with what came of it.

Episodes of a planner with some noise on its actions, recorded as data; the rounds of playing and
training are stages of a run.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sparsectl import environment, parallel, rendering, seeding
from sparsectl.checks import within
from sparsectl.data import Episodes
from sparsectl.errors import ConfigError, DataError
from sparsectl.evaluate.episode import run_episode
from sparsectl.evaluate.log import FAILURES
from sparsectl.evaluate.player import Player, Setting, make_task
from sparsectl.evaluate.unit import controller_of
from sparsectl.task import Task

FIRST_SEED = 2**30
"""Reset seeds of these episodes are from here on, far above those of evaluations."""


@dataclass(frozen=True)
class OnlineConfig:
    """Rounds of playing with the present model and training on with what came of it.

    A planner looks for the errors of its model: the best plan under the model is, more often than
    a random one, one that the model is wrong about. Data of such plans are what a model that was
    trained on other data lacks (DAgger: Ross et al. 2011; for planners: Talvitie 2014).
    """

    rounds: int = 0
    """Rounds; 0: train on collected data only."""
    episodes: int = 200
    """Episodes that a round plays. Their seeds are none of an evaluation's."""
    steps: int | None = None
    """Length of these episodes; none: as evaluation's."""
    until_success: bool = True
    """End them when the task is solved. False: data of the goal's surroundings too, where the last
    millimetres are decided."""
    controller: dict[str, Any] = field(
        default_factory=lambda: {"kind": "cem", "samples": 128, "iterations": 8}
    )
    """Who plays: an entry as in `controllers`, with its `kind`. It has as much time as its own
    settings say, so that a round repeats exactly where they count iterations or nodes."""
    exploration: float = 0.1
    """Largest noise on actions: in every decision Gaussian noise of a standard deviation between 0
    and this is added, 1 being half the action box. Entries of levels take a random one instead,
    with a probability between 0 and this."""
    repeat: int = 1
    """How often a transition of these episodes counts in training, against 1 of collected ones."""
    train_steps: int = 2_000
    """Gradient steps after every round, from the weights of the round before, on all data."""
    learning_rate: float | None = None
    """Peak learning rate of these; none: that of `train`."""

    def __post_init__(self) -> None:
        within(self, "online", "[0, inf)", "rounds", "exploration")
        within(self, "online", "[1, inf)", "episodes", "repeat", "train_steps", "steps")
        within(self, "online", "(0, inf)", "learning_rate")
        if "kind" not in self.controller:
            raise ConfigError("online: controller needs a `kind`, for example `{kind: cem}`")


@dataclass(frozen=True)
class Played:
    """What a round of playing gave.

    Attributes:
        facts: `episodes`, `transitions`, `solved` (None where the environment does not say),
            `diverged` (cut before the simulation blew up) and `failed` (lost to an error).
    """

    episodes: Episodes
    facts: Mapping[str, Any]


def play(
    config: OnlineConfig,
    setting: Setting,
    checkpoint: str,
    digest: str,
    *,
    seed: int,
    workers: int = 1,
    engine: str = "process",
    on_episode: Callable[[], object] = lambda: None,
) -> Played:
    """Play `config.episodes` episodes with a model.

    An episode ends when the environment ends it, when `info["is_success"]` holds (unless the
    config says otherwise), before a step in which the simulation diverges, or after
    `setting.steps`. The result does not depend on the number of workers.

    Args:
        config: how many, with which controller and noise.
        setting: environment, task and limits; its budget is not used.
        seed: of resets, controllers and noise.
        engine: `process`, `serial` or `ray`.

    Raises:
        DataError: half the episodes or more gave no transitions; the first reason is named.
        ConfigError, CheckpointError: from the environment, the controller or the model.
    """
    setting = dataclasses.replace(setting, budget=None, until_success=config.until_success)
    player = Player(setting, "online", checkpoint, "online", config.controller, digest)
    player.build()  # what is wrong with it is said once, here
    environment.step_limit(setting.env_id, setting.env_kwargs, setting.steps, "online.steps")
    key = player.key
    units = [Unit(player, key, seed, i, config.exploration) for i in range(config.episodes)]
    outcomes = run(_play, units, engine, workers, lambda _: on_episode())
    return _gather(setting, outcomes, make_task(setting).map.used)


def _gather(setting: Setting, outcomes: list[parallel.Outcome], used: list[int]) -> Played:
    rows = [o.value for o in outcomes if o.value is not None]
    kept = [row for row in rows if len(row["actions"])]
    if 2 * len(kept) <= len(outcomes):
        reasons = [o.error or o.value["message"] for o in outcomes if o.error or o.value["message"]]
        raise DataError(
            f"playing in '{setting.env_id}' gave {len(kept)} of {len(outcomes)} episodes: "
            f"{reasons[0] if reasons else 'they ended before the first step'}"
        )
    episodes = Episodes.of(kept, setting.env_id, setting.env_kwargs, used)
    known = [row["solved"] for row in rows if row["solved"] is not None]
    facts = {
        "episodes": len(kept),
        "transitions": episodes.transitions,
        "solved": sum(known) if known else None,
        "diverged": sum(row["message"] is not None for row in rows),
        "failed": len(outcomes) - len(rows),
    }
    return Played(episodes, facts)


def run(
    work: Callable[[Any], Any],
    units: Sequence[Unit],
    engine: str,
    workers: int,
    told: Callable[[parallel.Outcome], object],
) -> list[parallel.Outcome]:
    """What `work` makes of units, in processes that may render; `told` hears of every one."""
    return parallel.run(
        work, units, engine=engine, workers=workers, on_result=told, initializer=rendering.settle
    )


@dataclass(frozen=True)
class Unit:
    """One episode of a planner that is told what is done instead."""

    player: Player
    key: str
    seed: int
    index: int
    exploration: float = 0.0

    def run(self, **options: Any) -> dict[str, Any]:
        """The row of the episode; see `run_episode` for the options."""
        controller, _ = controller_of(self.player, self.key)
        setting = self.player.setting
        return run_episode(
            setting.env_id,
            setting.env_kwargs,
            controller,
            FIRST_SEED + seeding.integer(self.seed, "online", self.index) % FIRST_SEED,
            steps=setting.steps,
            until_success=setting.until_success,
            controller_seed=seeding.integer(self.seed, "controller", self.index),
            **options,
        )


class Exploration:
    """Noise on the actions of one episode, which stay admissible."""

    def __init__(self, task: Task, most: float, rng: np.random.Generator) -> None:
        self._task, self._most, self._rng = task, most, rng
        self._last: np.ndarray | None = None

    def __call__(self, action: np.ndarray) -> np.ndarray:
        """The action that is executed. Shape (nu,)."""
        task, rng = self._task, self._rng
        size = self._most * rng.random()
        half = (task.u_high - task.u_low) / 2
        noise = size * half * rng.standard_normal(task.nu)
        if task.inputs is not None:
            other, there = task.inputs.draw(rng, 1)[0], task.inputs.discrete
            random = there & (rng.random(task.nu) < size)
            noise = np.where(random, other - action, np.where(there, 0.0, noise))
        self._last = task.admit(action + noise, self._last)
        return self._last


def _play(unit: Unit) -> dict[str, Any]:
    """The episode's arrays, its reset seed, whether it was solved, and why it was cut."""
    task = controller_of(unit.player, unit.key)[0].task
    rng = seeding.generator(unit.seed, "exploration", unit.index)
    course: dict[str, np.ndarray] = {}
    row = unit.run(course=course, explore=Exploration(task, unit.exploration, rng))
    failed = row["outcome"] in FAILURES
    # The step in which a simulation diverged is none to learn from.
    count = len(course["actions"]) - (row["outcome"] == "diverged" and row["steps"] > 0)
    last = np.arange(count) == count - 1
    terminated = row["outcome"] == "terminated"
    return {
        "observations": course["observations"][: count + 1],
        "actions": course["actions"][:count],
        "rewards": course["rewards"][:count],
        "terminations": last & terminated,
        "truncations": last & (not terminated),
        "seed": row["seed"],
        "solved": None if row["ever_success"] is None else bool(row["success"]) and not failed,
        "message": row["message"],
    }
