"""Controllers x models x paired episodes, in parallel, resumable after any interruption."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sparsectl import control, environment, parallel, rendering, seeding
from sparsectl.bar import Bar
from sparsectl.config import to_dict
from sparsectl.data import CollectConfig
from sparsectl.errors import ConfigError, nearest
from sparsectl.evaluate import results, trajectories
from sparsectl.evaluate.config import EvaluateConfig
from sparsectl.evaluate.episode import step_limit
from sparsectl.evaluate.pairing import unpaired
from sparsectl.evaluate.planned import PlannedUnit, plan_all
from sparsectl.evaluate.results import Results
from sparsectl.evaluate.unit import (
    Player,
    Setting,
    Unit,
    further_digests,
    load_model,
    make_task,
    play,
)
from sparsectl.runs import digest, held
from sparsectl.runs.versions import versions
from sparsectl.task import TaskConfig
from sparsectl.task.margins import nothing_left


def compare(folder: str | Path, *, progress: bool | None = None, **options: Any) -> Results:
    """Play every episode that is missing in `folder` and return all of them.

    Episode i starts with the same seed for every controller and model. Each episode is one line
    of `episodes.jsonl`, written as soon as it ends; a second call with the same configuration
    plays only what is missing or failed.

    Args:
        folder: made if missing.
        progress: show a bar on stderr; None: where stderr is a terminal.
        options: what is compared, see `prepare`.

    Raises:
        ConfigError, CheckpointError: something in the arguments; nothing was created.
        FileError: `folder` cannot be written or holds results of another configuration.
    """
    return prepare(folder, **options).run(progress)


@dataclass(frozen=True)
class Prepared:
    """A comparison that passed every check; nothing is written before `run`."""

    folder: Path
    players: list[Player]
    config: EvaluateConfig
    settings: dict[str, Any]
    force: bool

    def run(self, progress: bool | None = None) -> Results:
        """Play what is missing.

        Raises:
            ConfigError: another process works in the folder.
            FileError: the folder cannot be written.
        """
        with held(self.folder):
            return self._run(progress)

    def _run(self, shown: bool | None) -> Results:
        folder, config, keys = self.folder, self.config, self.settings["keys"]
        settings = {**self.settings, "unpaired": results.stored_settings(folder).get("unpaired")}
        settings |= _margins(self.players, config.workers)
        done = results.open_folder(folder, settings, force=self.force)
        wanted = _units(self.players, keys, config, self.settings["reference"])
        units = [u for u in wanted if not _is_done(folder, done, u)]
        timeout, limit = None, self.settings["steps"]
        if config.budget is not None:
            timeout = max(300.0, 60.0 + 10 * limit * config.budget)
        with parallel.pool(
            config.engine, workers=config.workers, initializer=rendering.settle, timeout=timeout
        ) as pool:
            if units:
                # Where a crash of the environment costs a worker only.
                (found,) = pool.map(unpaired, [self.players[0].setting])
                results.note(folder, "unpaired", found.value)
                try:
                    _play_all(pool, folder, units, shown)
                finally:
                    results.join_trajectories(folder)
            planned_key = self.settings["planned_key"]
            states = _states(results.read(folder), self.players, keys, planned_key, config)
            if states:
                _plan_all(pool, folder, states, shown)
        return results.read(folder)


def prepare(
    folder: str | Path,
    *,
    env_id: str,
    task: TaskConfig,
    models: Mapping[str, str | Path],
    controllers: Mapping[str, Mapping[str, Any]],
    horizon: int,
    config: EvaluateConfig | None = None,
    env_kwargs: Mapping[str, Any] | None = None,
    seed: int = 0,
    force: bool = False,
    title: str = "",
    command: str = "",
    data: CollectConfig | None = None,
) -> Prepared:
    """Check everything that `compare` needs, and write nothing.

    Args:
        folder: may be missing.
        env_id, env_kwargs: environment.
        task: observation, cost and constraints.
        models: checkpoint directories by name; `config.models` are added.
        controllers: entries as in a configuration file, by name.
        horizon: planned steps.
        config: episodes, budget, workers and what is reported.
        seed: of the controllers' random numbers.
        force: set aside results of another configuration in `folder`.
        title, command: for the report: what this is, and how to make it again.
        data: how episodes are recorded on which the models' errors are measured, where the task's
            constraints are drawn in (`coverage`).

    Raises:
        ConfigError, CheckpointError, FileError: see `compare`.
    """
    config = config or EvaluateConfig()
    rendering.settle()  # Before anything here loads MuJoCo; workers do the same.
    folder, models, kwargs = Path(folder), {**models, **config.models}, dict(env_kwargs or {})
    limit = step_limit(env_id, kwargs, config.steps)
    setting = Setting(
        env_id,
        kwargs,
        task,
        horizon,
        limit,
        config.budget,
        seed,
        config.device,
        config.stall_noise,
        config.until_success,
        data or CollectConfig(),
    )
    players = _players(setting, models, controllers)
    keys = _keys(players, folder, config.steps)
    reference = _reference(controllers)
    results.check_folder(folder, keys, force=force)
    settings = {
        "title": title or env_id,
        "command": command,
        "env": {"id": env_id, "kwargs": to_dict(kwargs)},
        "task": to_dict(task),
        "distance_weight": task.distance_weight,
        "models": {m: str(p) for m, p in models.items()},
        "controllers": {n: to_dict(dict(c or {})) for n, c in controllers.items()},
        "kinds": {n: control.check(n, c, horizon)[0] for n, c in controllers.items()},
        "reference": reference,
        "horizon": horizon,
        "seed": seed,
        "episodes": config.episodes,
        "steps": limit,
        "evaluate": to_dict(config),
        "keys": keys,
        "state_parts": {n: [s.start, s.stop] for n, s in make_task(setting).map.names.items()},
        "planned_key": digest([keys, reference, "planned"], exact=True),
        "versions": versions(),
    }
    return Prepared(folder, players, config, settings, force)


def _margins(players: Sequence[Player], workers: int) -> dict[str, Any]:
    """Measure the models' errors where that is still to be done, before workers need them.

    Returns:
        `margins`: of every model at its longest horizon, at the first start; empty without any.
    """
    setting = players[0].setting
    coverage = setting.task.constraints.coverage
    if coverage is None:
        return {}
    with environment.make(setting.env_id, setting.env_kwargs) as env:
        start, _ = env.reset(seed=seeding.EVALUATION_SEED)
    found: dict[str, Any] = {}
    for player in players:
        margins = player.prepared(workers)[0].margins
        assert margins is not None
        horizon = margins.errors.shape[1]
        if horizon > found.get(player.model, {}).get("horizon", 0):
            constraints = make_task(setting).problem(start, horizon).constraints
            facts = {
                "rollouts": len(margins.errors),
                "drawn_in": margins.by_name(constraints),
                "nothing_left": nothing_left(margins.draw_in(constraints, horizon), horizon),
            }
            found[player.model] = {"coverage": coverage, "horizon": horizon, **facts}
    return {"margins": found}


def _keys(players: Sequence[Player], folder: Path, steps: int | None) -> dict[str, str]:
    """Digest of every player by "model/controller"; of results that version 0.1 made, its own."""
    there = {row["key"] for row in results.latest_rows(folder).values()}
    keys = {}
    for player in players:
        earlier = replace(player, setting=replace(player.setting, steps=steps)).earlier_key
        keys[f"{player.model}/{player.controller}"] = earlier if earlier in there else player.key
    return keys


def _play_all(pool: parallel.Engine, folder: Path, units: list[Unit], shown: bool | None) -> None:
    with Bar(shown=shown, total=len(units), desc="episodes", unit="ep") as bar:

        def keep(outcome: parallel.Outcome) -> None:
            unit = units[outcome.index]
            row = outcome.value or {
                **unit.names,
                "outcome": "error",
                "success": False,
                "message": outcome.error,
                "trace": outcome.trace,
            }
            results.add_row(folder, row, row.pop("files", {}))
            bar.update()

        pool.map(play, units, on_result=keep)


def _plan_all(
    pool: parallel.Engine, folder: Path, units: list[PlannedUnit], shown: bool | None
) -> None:
    with Bar(shown=shown, total=len(units), desc="planned costs", unit="state") as bar:

        def keep(outcome: parallel.Outcome) -> None:
            if outcome.error is None:
                results.add_planned(folder, outcome.value)
            else:
                Bar.write(f"planned costs: {outcome.error}", file=sys.stderr)
            bar.update()

        pool.map(plan_all, units, on_result=keep)


def _players(
    setting: Setting,
    models: Mapping[str, str | Path],
    controllers: Mapping[str, Mapping[str, Any]],
) -> list[Player]:
    if not models or not controllers:
        raise ConfigError("a comparison needs at least one model and one controller")
    for name, entry in controllers.items():
        control.check(name, entry, setting.horizon)
    task = make_task(setting)
    digests = {model: load_model(setting, task, path)[1] for model, path in models.items()}
    further = {n: further_digests(setting, task, n, c) for n, c in controllers.items()}
    return [
        Player(setting, model, str(path), name, _own(entry), digests[model], further[name])
        for model, path in models.items()
        for name, entry in controllers.items()
        if model in _wanted(name, entry, models)
    ]


def _own(entry: Mapping[str, Any] | None) -> dict[str, Any]:
    return {k: v for k, v in (entry or {}).items() if k != "models"}


def _wanted(
    name: str, entry: Mapping[str, Any] | None, models: Mapping[str, str | Path]
) -> Sequence[str]:
    """Models that a controller plays with: those that its entry names, or all."""
    wanted = list((entry or {}).get("models") or models)
    for model in wanted:
        if model not in models:
            raise ConfigError(
                f"controllers.{name}: unknown model '{model}' under models" + nearest(model, models)
            )
    return wanted


def _reference(controllers: Mapping[str, Mapping[str, Any]]) -> str:
    """The first mip controller, else the first one."""
    kinds = {name: (entry or {}).get("kind", name) for name, entry in controllers.items()}
    return next((n for n, kind in kinds.items() if kind == "mip"), next(iter(controllers)))


def _units(
    players: Sequence[Player], keys: Mapping[str, str], config: EvaluateConfig, reference: str
) -> list[Unit]:
    """Episode by episode, so that an interrupted comparison is a fair one of fewer episodes."""
    share = -(-config.planned_states // config.episodes)
    return [
        Unit(
            player,
            episode,
            keys[f"{player.model}/{player.controller}"],
            record=episode < config.clips,
            fps=config.fps,
            visited=max(4, share) if player.controller == reference else 0,
            course=trajectories.LIMIT / (config.episodes * len(players)),
        )
        for episode in range(config.episodes)
        for player in players
    ]


def _is_done(folder: Path, done: Mapping[results.Name, Mapping[str, Any]], unit: Unit) -> bool:
    name = (unit.player.model, unit.player.controller, unit.episode)
    if name not in done:
        return False
    clip = results.clip_folder(folder, name) / "clip.webp"
    return not unit.record or clip.is_file() or bool(done[name].get("clip_note"))


def _states(
    found: Results,
    players: list[Player],
    keys: Mapping[str, str],
    planned_key: str,
    config: EvaluateConfig,
) -> list[PlannedUnit]:
    """States that the reference visited, evenly over its episodes, not planned from yet."""
    have = {(r["model"], r["episode"], r["step"]) for r in found.planned}
    reference, units = found.settings["reference"], []
    for model in found.models:
        team = tuple(p for p in players if p.model == model)
        visited = [
            (row["episode"], state)
            for row in found.of(model, reference)
            for state in row.get("visited") or []
        ]
        count = min(config.planned_states, len(visited))
        for i in range(count):
            episode, state = visited[(2 * i + 1) * len(visited) // (2 * count)]
            if (model, episode, state["step"]) in have:
                continue
            previous = state["previous"]
            units.append(
                PlannedUnit(
                    team,
                    tuple(keys[f"{p.model}/{p.controller}"] for p in team),
                    reference,
                    planned_key,
                    episode,
                    state["step"],
                    tuple(state["observation"]),
                    None if previous is None else tuple(map(tuple, previous)),
                )
            )
    return units
