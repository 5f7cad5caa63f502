"""How far models err where their own plans go, and whether training there brings few ReLUs nearer.

    python -m scripts.sparsity.planned --tasks rope cartpole --seeds 0 1

Per task and seed a dense model and members with fewer ReLUs are trained on collected data. CEM
plays `--round` episodes with the member of 24 ReLUs, as a round of `online` does, and models train
on for as many steps, with these data (counted `--repeat` times) and without. Errors are those of
the task's headline after as many open-loop steps as a plan has: on held-out collected episodes, and
on whole plans of CEM with the very model, carried out one behind another.
"""

from __future__ import annotations

import copy
import dataclasses
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from scripts import study
from scripts.sparsity import tasks
from scripts.sparsity.tasks import Headline, Setting
from scripts.study import RESULTS, RUNS, Row
from sparsectl import control, dynamics, environment, experiment, seeding
from sparsectl.control.base import ControllerState
from sparsectl.data import Episodes, joined, split
from sparsectl.dynamics.fit import Batches
from sparsectl.dynamics.lower import programs
from sparsectl.dynamics.normalise import fit_normalizer
from sparsectl.online import FIRST_SEED, Exploration
from sparsectl.sparsify import SparsifyConfig
from sparsectl.sparsify.channels import with_channels
from sparsectl.sparsify.losses import Objective
from sparsectl.sparsify.rounds import Trainer, choose, finetune

STEPS = {"rope": 15, "pusht_easy": 20, "cartpole": 40, "reacher": 24, "flyer": 24}
"""Of an episode; of other tasks 20."""
FLYER = Headline("position", 1e3, "mm, rms of the disc's position")
CEM = {"kind": "cem", "samples": 128, "iterations": 8}
DENSE, PLAYER, COUNTS = "dense", "24", (48, 24, 12)
MADE, LONGER, AFTER = "as made", "trained on", "with its plans"


@dataclass(frozen=True, kw_only=True)
class Options(study.Options):
    out: Path = RESULTS / "planned.jsonl"
    tasks: tuple[str, ...] = tuple(STEPS)
    seeds: tuple[int, ...] = (0,)
    round: int = 100
    """Episodes that are played for training."""
    repeat: int = 8
    """How often their transitions count."""
    episodes: int = 24
    """Whose plans are tested."""
    steps: tuple[int, int, int, int] = (500, 30, 900, 600)
    """Gradient steps of the first network, after a removal, of fine-tuning and of training on."""
    batch: int = 128
    cache: Path = RUNS / "sparsity"


def main(argv: list[str] | None = None) -> int:
    """Run what is missing."""
    options = study.parse(Options, __doc__, argv)
    units = ({"task": t, "seed": s} for s in options.seeds for t in options.tasks)
    return 0 if study.run(options, units, measure) else 1


def measure(unit: Row, options: Options) -> list[Row]:
    """A row of every model at every stage."""
    s, seed = tasks.setting(unit["task"], (64, 64), options.cache, 2e-2), unit["seed"]
    old = trainer(s, options, seed)
    stages = {MADE: made(s, seed, old)}
    played = drive(s, stages[MADE][PLAYER], options.round, seed, whole=False)
    new = trainer(s, options, seed, played)
    for stage, data in ((LONGER, old), (AFTER, new)):
        names = [DENSE, PLAYER] if stage == LONGER else [*stages[MADE]]
        stages[stage] = {name: copy.deepcopy(stages[MADE][name]) for name in names}
        for name, model in stages[stage].items():
            finetune(model, data, 1e-2, options.steps[-1], f"{stage} {name}")
    rows = []
    for stage, models in stages.items():
        for name, model in models.items():
            plans = drive(s, model, options.episodes, seed, whole=True)
            there = {"plans": error(s, model, plans), "dense_there": error(s, models[DENSE], plans)}
            own = {"model": name, "stage": stage, "collected": error(s, model, s.test)}
            rows.append({**own, **there, "windows": len(plans), "new": played.transitions})
    return rows


def trainer(s: Setting, options: Options, seed: int, played: Episodes | None = None) -> Trainer:
    """Trains on the collected data, with what was played counted several times."""
    train = dataclasses.replace(s.experiment.train, seed=seed, batch_size=options.batch)
    parts = split(s.episodes, train.validation_fraction, seed)
    if played is not None:
        more = split(played, train.validation_fraction, seed)
        old, held = (joined([a, *[b] * options.repeat]) for a, b in zip(parts, more, strict=True))
        parts = old, held
    first, removal, last, _ = options.steps
    config = SparsifyConfig(
        COUNTS, initial_steps=first, removal_steps=removal, finetune_steps=last, seed=seed
    )
    batches = Batches.of([dynamics.Trajectories.of(p, s.map) for p in parts], train)
    return Trainer(batches, train, config, Objective(train.loss))


def made(s: Setting, seed: int, data: Trainer) -> dict[str, Any]:
    """Members and the dense model by name; that one has the steps of the sparsest."""
    config, rate = data.config, data.config.learning_rate
    trunk, dense = (_new(s, seed, hidden) for hidden in ((24, 24, 24), s.model.hidden))
    trunk, found = with_channels(trunk), {}
    finetune(trunk, data, rate, config.initial_steps, "initial")
    for count in config.counts:
        choose(trunk, count, data, rate, f"{count}")
        found[str(count)] = copy.deepcopy(trunk)
        finetune(found[str(count)], data, rate, config.finetune_steps, f"fine {count}")
    steps = config.initial_steps + 13 * config.removal_steps + config.finetune_steps
    finetune(dense, data, rate, steps, DENSE)
    return {**found, DENSE: dense}


def _new(s: Setting, seed: int, hidden: tuple[int, ...]) -> Any:
    shape = dataclasses.replace(s.model, hidden=hidden)
    model = dynamics.build(shape, s.map.names, s.map.nx, s.episodes.action_size, seed=seed)
    fit_normalizer(model, dynamics.Trajectories.of(s.episodes, s.map))
    return model


def drive(s: Setting, model: Any, episodes: int, seed: int, *, whole: bool) -> Episodes:
    """What CEM drives with a model: `whole` plans, each an episode of its own, or episodes in which
    it plans at every step, with some noise on its actions, as `online` has them."""
    config, task, rows = s.experiment, experiment.check(s.experiment), []
    horizon, start = config.horizon, seeding.EVALUATION_SEED if whole else FIRST_SEED
    player = control.build("cem", CEM, task, model, programs(model), horizon, "cpu")
    arguments = {**config.env.kwargs, "max_episode_steps": STEPS.get(s.name, 20)}
    with environment.make(config.env.id, arguments) as env:
        for i in range(episodes):
            seen, done = [env.reset(seed=start + 1000 * seed + i)[0]], []
            memory = ControllerState(seed=seeding.integer(seed, "planned", i))
            noise = Exploration(task, 0.1, seeding.generator(seed, "exploration", i))
            ended = False
            while not ended:
                plan, memory = player.decide(seen[-1], memory)
                for action in plan.actions if whole else [noise(plan.actions[0])]:
                    observation, _, terminated, truncated, info = env.step(action)
                    seen.append(observation)
                    done.append(action)
                    ended = terminated or truncated or bool(info.get("is_success"))
                    if ended:
                        break
                last = None if whole else plan
                memory = dataclasses.replace(memory, executed=done[-1], plan=last)
            rows += cut(seen, done, horizon if whole else len(done))
    return Episodes.of(rows, config.env.id, config.env.kwargs, task.map.used)


def cut(seen: Sequence[np.ndarray], done: Sequence[np.ndarray], steps: int) -> list[Row]:
    """An episode as several of so many steps, one behind another; a shorter rest is left out."""
    no = np.zeros(steps, bool)
    flags = {"rewards": np.zeros(steps), "terminations": no, "truncations": no, "seed": -1}
    return [
        {
            "observations": np.stack(seen[a : a + steps + 1]),
            "actions": np.stack(done[a : a + steps]),
        }
        | flags
        for a in range(0, len(done) - steps + 1, steps)
    ]


def error(s: Setting, model: Any, episodes: Episodes) -> float:
    """Of the headline after a plan's steps, in its unit."""
    head, steps = {**tasks.TASKS, "flyer": FLYER}[s.name], s.experiment.horizon
    found = dynamics.evaluate_model(model, episodes, s.map, (steps,)).row(head.part, steps)
    return float(f"{head.scale * found.model:.4g}")


if __name__ == "__main__":
    sys.exit(main())
