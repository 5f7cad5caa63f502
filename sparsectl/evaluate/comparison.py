"""Controllers x models x paired episodes, in parallel, resumable after any interruption."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sparsectl import control, environment, rendering
from sparsectl.config import to_dict
from sparsectl.data import CollectConfig
from sparsectl.errors import ConfigError, nearest
from sparsectl.evaluate import results
from sparsectl.evaluate.config import EvaluateConfig
from sparsectl.evaluate.learnt import learnt
from sparsectl.evaluate.player import Player, Setting, further_digests, load_model, make_task
from sparsectl.evaluate.playing import Prepared
from sparsectl.evaluate.results import Results
from sparsectl.runs import digest
from sparsectl.runs.versions import versions
from sparsectl.task import TaskConfig


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
        models: checkpoint directories by name; `config.models` are added.
        controllers: entries as in a configuration file, by name.
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
    folder, kwargs = Path(folder), dict(env_kwargs or {})
    models = together(models, config.models, controllers, horizon)
    limit = environment.step_limit(env_id, kwargs, config.steps)
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
    players = _players(setting, config, models, controllers)
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
        "learnt": learnt(players),
        "state_parts": {n: [s.start, s.stop] for n, s in make_task(setting).map.names.items()},
        "planned_key": digest([keys, reference, "planned"], exact=True),
        "versions": versions(),
    }
    return Prepared(folder, players, config, settings, force)


def together(
    models: Mapping[str, str | Path],
    further: Mapping[str, str],
    controllers: Mapping[str, Mapping[str, Any]],
    horizon: int,
) -> dict[str, str | Path]:
    """All models of a comparison by name, those that controllers name among them.

    Raises:
        ConfigError: two of one name, or a controller that names another.
    """
    twice = next((name for name in further if name in models), None)
    if twice is not None:
        raise ConfigError(
            f"evaluate.models: '{twice}' is what the model itself is called: choose another name"
        )
    every = {**models, **further}
    for name, entry in controllers.items():
        control.check(name, entry, horizon)
        _wanted(name, entry, every)
    return every


def _keys(players: Sequence[Player], folder: Path, steps: int | None) -> dict[str, str]:
    """Digest of every player by "model/controller"; of results of earlier versions, theirs."""
    there = {row["key"] for row in results.latest_rows(folder).values()}
    keys = {}
    for player in players:
        known = [key for key in player.earlier_keys(steps) if key in there]
        keys[f"{player.model}/{player.controller}"] = known[0] if known else player.key
    return keys


def _players(
    setting: Setting,
    config: EvaluateConfig,
    models: Mapping[str, str | Path],
    controllers: Mapping[str, Mapping[str, Any]],
) -> list[Player]:
    from sparsectl.dynamics.lower import programs

    if not models or not controllers:
        raise ConfigError("a comparison needs at least one model and one controller")
    for name, entry in controllers.items():
        config.check_kind(name, control.check(name, entry, setting.horizon)[0])
    task = make_task(setting)
    loaded = {model: load_model(setting, task, path) for model, path in models.items()}
    further = {n: further_digests(setting, task, n, c) for n, c in controllers.items()}
    wanted = {name: _wanted(name, entry, models) for name, entry in controllers.items()}
    # margins are measured later
    plain = replace(setting.task, constraints=setting.task.constraints.without_margins)
    bare = make_task(replace(setting, task=plain))
    for name, entry in controllers.items():
        for model in wanted[name]:
            net = loaded[model][0]
            control.attempt(name, entry, bare, net, programs(net), setting.horizon, setting.device)
    return [
        Player(setting, model, str(path), name, _own(entry), loaded[model][1], further[name])
        for model, path in models.items()
        for name, entry in controllers.items()
        if model in wanted[name]
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
