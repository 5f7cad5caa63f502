"""The episodes of a prepared comparison: what is missing is played, in parallel."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparsectl import environment, parallel, rendering, seeding
from sparsectl.bar import Bar
from sparsectl.evaluate import model_errors, results, trajectories
from sparsectl.evaluate.config import EvaluateConfig
from sparsectl.evaluate.pairing import unpaired
from sparsectl.evaluate.planned import PlannedUnit, plan_all
from sparsectl.evaluate.player import Player, make_task
from sparsectl.evaluate.results import Results
from sparsectl.evaluate.unit import Unit, play
from sparsectl.runs import held
from sparsectl.task.margins import nothing_left


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
        steps = {results.name_of(r): r.get("steps") for r in results.read(folder).rows}
        results.note(folder, model_errors.KEY, model_errors.measured(folder, self.players, steps))
        return results.read(folder)


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
            asked = {"coverage": coverage, "steps": margins.steps, "horizon": horizon}
            found[player.model] = asked | facts
    return {"margins": found}


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
            record=episode - config.first_episode < config.clips,
            fps=config.fps,
            visited=max(4, share) if player.controller == reference else 0,
            course=trajectories.LIMIT / (config.episodes * len(players)),
        )
        for episode in config.numbers
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
