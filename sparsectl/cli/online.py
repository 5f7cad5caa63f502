"""Rounds of a run: play with the present model, train on with what came of it."""

from __future__ import annotations

import dataclasses
import shutil
import time
from pathlib import Path
from typing import Any

from sparsectl import data, dynamics, seeding, sparsify
from sparsectl.bar import Bar
from sparsectl.cli import locate, stages, tables
from sparsectl.cli.options import Parsed
from sparsectl.cli.stages import load_episodes
from sparsectl.data import Episodes, joined, split
from sparsectl.evaluate.player import Setting, load_model
from sparsectl.experiment import Experiment, check
from sparsectl.files import read_json, write_json
from sparsectl.online import play


def online(parsed: Parsed) -> None:
    """All rounds of the config, each done once; one that was killed goes on where it was."""
    for number in range(1, parsed.experiment.online.rounds + 1):
        _round(parsed, number)


def all_data(
    parsed: Parsed, collected: Episodes, rounds: int
) -> tuple[Episodes, Episodes, list[int]]:
    """Episodes of training, of tests (a tenth of those collected and of every round's), and how
    often each of the former counts."""
    parts = [_split(parsed, collected, 0)]
    parts += [_split(parsed, _load(parsed, n), n) for n in range(1, rounds + 1)]
    training, test = zip(*parts, strict=True)
    old, new = len(training[0]), sum(len(part) for part in training[1:])
    return joined(training), joined(test), [1] * old + [parsed.experiment.online.repeat] * new


def _round(parsed: Parsed, number: int) -> None:
    experiment, folder = parsed.experiment, parsed.folder
    stage = stages.round_stage(experiment, folder, number)
    state, path = stage.check(parsed.force), stages.model_folder(experiment, folder, number)
    if state == "done":
        stages.say(f"online: round {number} done before ({path})")
        return
    collected = load_episodes(parsed)  # what is wrong with them is said before a round is played
    record = path.with_name(f"{number}.json")  # there when the round's data are
    if state != "started":
        record.unlink(missing_ok=True)
        shutil.rmtree(_work(path), ignore_errors=True)
        stages.begin(experiment, folder)
        stage.mark(done=False)
    if not record.exists():
        _play(parsed, number, record)
    _train(parsed, number, record, collected)
    shutil.rmtree(_work(path), ignore_errors=True)
    stage.mark(done=True)


def _play(parsed: Parsed, number: int, record: Path) -> None:
    """Play with the model of the round before; the episodes are a data set of their own."""
    experiment, folder, config = parsed.experiment, parsed.folder, parsed.experiment.online
    steps = experiment.evaluate.steps if config.steps is None else config.steps
    env = experiment.env
    setting = Setting(
        env.id, env.kwargs, experiment.task, experiment.horizon, steps, None, experiment.seed,
        experiment.evaluate.device, data=experiment.data,
    )  # fmt: skip
    model = stages.model_folder(experiment, folder, number - 1)
    _, digest = load_model(setting, check(experiment), model)
    kind = config.controller["kind"]
    entry = locate.controllers({"online": config.controller}, folder)["online"]
    stages.say(f"online: round {number}, {config.episodes} episodes with {kind}")
    started = time.perf_counter()
    with Bar(total=config.episodes, desc="online", unit="episodes") as bar:
        played = play(
            dataclasses.replace(config, controller=entry),
            setting,
            str(model),
            digest,
            seed=seeding.integer(experiment.seed, "online", number),
            workers=experiment.evaluate.workers,
            engine=experiment.evaluate.engine,
            on_episode=bar.update,
        )
    name = _dataset_id(experiment, number)
    data.save_minari(played.episodes, name, folder / "data", overwrite=True, policy=kind)
    seconds = round(time.perf_counter() - started, 1)
    facts = {"round": number, "dataset_id": name, **played.facts, "play_seconds": seconds}
    how = {"controller": config.controller, "exploration": config.exploration}
    write_json(record, {**facts, "played_with": digest, **how})
    stages.say(f"online: {_story(facts)}")


def _train(parsed: Parsed, number: int, record: Path, collected: Episodes) -> None:
    """Train on from the weights of the round before, on all data so far."""
    experiment, folder, config = parsed.experiment, parsed.folder, parsed.experiment.online
    before, meta = dynamics.load(stages.model_folder(experiment, folder, number - 1))
    offline, newest = _split(parsed, collected, 0), _split(parsed, _load(parsed, number), number)[1]
    training, _, repeats = all_data(parsed, collected, number)
    rate = config.learning_rate or experiment.train.learning_rate
    train = dataclasses.replace(
        experiment.train,
        steps=config.train_steps,
        learning_rate=rate,
        check_every=min(experiment.train.check_every, config.train_steps),
        seed=seeding.integer(experiment.seed, "train", experiment.train.seed, "online", number),
    )
    penalties = meta.get("sparsify", {}).get("penalties", {})
    objective = None
    if any(penalties.values()):  # what made a member quick to plan with stays in its loss
        objective = sparsify.Objective(train.loss, first=train.noise, **penalties)
        train = dataclasses.replace(train, device="cpu")
    task = check(experiment)
    old_errors = dynamics.evaluate_model(before, newest, task.map, (1,)).headline.model
    stages.say(f"online: training on {training.transitions} transitions")
    path = stages.model_folder(experiment, folder, number)
    result = dynamics.train(
        before, training, task.map, train, run_dir=_work(path), trained=True, repeats=repeats,
        log=folder / "tensorboard" / f"online_{number}", objective=objective,
    )  # fmt: skip
    errors = dynamics.evaluate_model(result.dynamics, offline[1], task.map, training=offline[0])
    new = dynamics.evaluate_model(result.dynamics, newest, task.map, (1,)).headline.model
    facts = {**read_json(record), "error_before": old_errors, "error_after": new}
    meta = {
        **{k: v for k, v in meta.items() if k not in ("kind", "sha256")},
        "dataset_id": training.dataset_id,
        "transitions": training.transitions,
        "train_seconds": round(result.seconds, 1),
        "metrics": {"validation": result.validation, "errors": errors.to_dict()},
        "history": result.history,
        "online": [*meta.get("online", []), facts],
    }
    dynamics.save(result.dynamics, path, meta)
    stages.say(
        f"online: {result.seconds:.0f} s; one-step error on the round's held-out episodes "
        f"{old_errors:.3g}, now {new:.3g}"
    )
    tables.print_errors(errors.to_dict())


def _work(model: Path) -> Path:
    """Folder of a round's training checkpoint."""
    return model.with_name(f"{model.name}-training")


def _dataset_id(experiment: Experiment, number: int) -> str:
    return data.dataset_id(experiment.env.id, f"online{number}")


def _load(parsed: Parsed, number: int) -> Episodes:
    used = check(parsed.experiment).map.used
    root = parsed.folder / "data"
    return data.load_minari(_dataset_id(parsed.experiment, number), root, used=used)


def _split(parsed: Parsed, episodes: Episodes, number: int) -> tuple[Episodes, Episodes]:
    """Training and test episodes of the collected data (0) or of a round."""
    names: tuple[Any, ...] = ("test", number) if number else ("test",)
    return split(episodes, 0.1, seeding.integer(parsed.experiment.seed, *names))


def _story(facts: dict[str, Any]) -> str:
    solved = "" if facts["solved"] is None else f", {facts['solved']} solved"
    lost = "".join(f", {facts[k]} {k}" for k in ("diverged", "failed") if facts[k])
    return (
        f"{facts['transitions']} transitions in {facts['episodes']} episodes{solved}{lost}, "
        f"{facts['play_seconds']} s"
    )
