"""Does a sparse member gain by training on from what its own planner drove?

    python -m scripts.closed_loop.aggregate

From little data, a member of 24 ReLUs is made and plays one round with its planner (`model.from`
with `online.rounds`). It is compared, on paired episodes, with the member before, with one trained
on for as many steps without new data, and with one that got as many new transitions of the
collecting policy in place of the planner's. Rows: closed loop, and the model's error on held-out
collected data and where its planner drove.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from scripts import study
from scripts.study import RESULTS, RUNS, Row
from sparsectl import cli, dynamics, evaluate, experiment
from sparsectl.cli import options as cli_options
from sparsectl.cli.online import all_data
from sparsectl.cli.options import Parsed
from sparsectl.cli.stages import load_episodes
from sparsectl.data import Episodes, collect, joined
from sparsectl.evaluate import model_errors
from sparsectl.evaluate.summary import summarise
from sparsectl.files import csv_text, write_atomic
from sparsectl.report import statistics

STEPS = {"cartpole": 40, "reacher": 25, "rope": 15}
"""Of an episode."""
PLANNERS: dict[str, dict[str, Any]] = {
    "cem": {"kind": "cem", "samples": 128, "iterations": 8},
    "mip": {"kind": "mip", "nodes": 10, "seconds": None},
}
BEFORE, LONGER, MORE, AFTER = "before", "longer", "more data", "planner's data"


@dataclass(frozen=True, kw_only=True)
class Options(study.Options):
    out: Path = RUNS / "aggregate.jsonl"
    tasks: tuple[str, ...] = ("cartpole", "reacher")
    planner: str = "cem"
    transitions: int = 5000
    """Collected."""
    round: int = 40
    """Episodes that the planner plays."""
    train_steps: int = 1500
    """Of training on."""
    episodes: int = 24
    runs: Path = RUNS / "aggregate"


def main(argv: list[str] | None = None) -> int:
    """Measure what is missing and write the table."""
    options = study.parse(Options, __doc__, argv)
    units = [{"task": name, "planner": options.planner} for name in options.tasks]
    print(write_atomic(RESULTS / "aggregate.csv", csv_text(study.run(options, units, measure))))
    return 0


def measure(unit: Row, options: Options) -> list[Row]:
    """A row of every model."""
    started, name, runs = time.process_time(), unit["task"], str(options.runs)
    entry, steps = PLANNERS[unit["planner"]], STEPS[name]
    made = {
        "data.transitions": options.transitions,
        "train.steps": 2000,
        "sparsify.counts": (24,),
        "sparsify.initial_steps": 1000,
        "sparsify.removal_steps": 60,
        "sparsify.finetune_steps": 2000,
        "sparsify.stride": 0.25,
        "evaluate.workers": 1,
        "evaluate.engine": "serial",
    }
    words = [w for k, v in made.items() for w in (f"--{k}", *_words(v))]
    common = ["--config", name, "--runs", runs, *words]
    for command in ("collect", "train", "sparsify"):
        _done(cli.main([command, *common]))
    folder = options.runs / name
    member = folder / "sparse" / "24"
    on = f"{name}_{unit['planner']}"
    online = {
        "rounds": 1, "episodes": options.round, "steps": steps, "train-steps": options.train_steps,
        "repeat": 2, "controller": json.dumps(entry),
    }  # fmt: skip
    words = [w for k, v in online.items() for w in (f"--online.{k}", str(v))]
    for command in ("collect", "train"):
        _done(cli.main([command, *common, "--name", on, "--model.from", str(member), *words]))
    after = options.runs / on / "online" / "1"
    parsed = Parsed(experiment.load(cli_options.find(name), made), folder, force=False)
    played = dynamics.load(after)[1]["online"][0]["transitions"]
    models = {BEFORE: member, LONGER: folder / "longer", MORE: folder / "more", AFTER: after}
    _train_on(parsed, options, member, models[LONGER], None)
    _train_on(parsed, options, member, models[MORE], _fresh(parsed, played))
    config = parsed.experiment
    found = evaluate.compare(
        options.runs / on / "compare",
        env_id=config.env.id, env_kwargs=config.env.kwargs, task=config.task, models=models,
        controllers={unit["planner"]: entry}, horizon=config.horizon, seed=config.seed, force=True,
        config=replace(
            config.evaluate, episodes=options.episodes, steps=steps, budget=None, clips=0,
            planned_states=0,
        ),
    )  # fmt: skip
    spent = round(time.process_time() - started, 1)
    return [{**row, "new_transitions": played, "cpu_seconds": spent} for row in _rows(found)]


def _rows(found: evaluate.Results) -> list[Row]:
    (planner,) = found.controllers
    base = {r["episode"]: r for r in found.of(BEFORE, planner)}
    rows = []
    for line in summarise(found):
        own = found.of(line["model"], planner)
        row: Row = {"model": line["model"], "episodes": len(own)}
        row |= {k: line[k] for k in ("final_error", "return", "error_k")}
        for k in (1, line["error_k"]):
            for name, where in (("driven", planner), ("collected", model_errors.COLLECTED)):
                row[f"error_{'1' if k == 1 else 'k'}_{name}"] = _error(found, row, where, k)
        pairs = [(r["return"], base[r["episode"]]["return"]) for r in own]
        gain = statistics.difference([a for a, _ in pairs], [b for _, b in pairs])
        row |= {"return_gain": gain.value, "gain_low": gain.low, "gain_high": gain.high}
        rows.append({k: round(v, 5) if isinstance(v, float) else v for k, v in row.items()})
    return rows


def _error(found: evaluate.Results, row: Row, where: str, k: int) -> float:
    """Mean over the parts of the state, 1 being what no motion errs by on held-out data."""
    errors = [r for r in found.settings[model_errors.KEY] if r["k"] == k]
    unit = {
        r["part"]: r["no_motion"]
        for r in errors
        if (r["model"], r["where"]) == (BEFORE, model_errors.COLLECTED)
    }
    own = [r for r in errors if (r["model"], r["where"]) == (row["model"], where)]
    return float(np.mean([r["error"] / unit[r["part"]] for r in own]))


def _fresh(parsed: Parsed, transitions: int) -> Episodes:
    """New episodes of the collecting policy."""
    config = parsed.experiment
    task = experiment.check(config)
    return collect(
        replace(config.data, transitions=transitions), config.env.id, config.env.kwargs,
        seed=config.seed + 1, actions=(task.u_low, task.u_high), used=task.map.used,
    )  # fmt: skip


def _train_on(
    parsed: Parsed, options: Options, member: Path, out: Path, extra: Episodes | None
) -> None:
    """As a round does, with other data."""
    old = all_data(parsed, load_episodes(parsed), parsed.experiment.online.rounds)[0]
    episodes = old if extra is None else joined([old, extra])
    model, meta = dynamics.load(member)
    config, repeats = parsed.experiment, [1] * len(old) + [2] * (len(episodes) - len(old))
    train = replace(config.train, steps=options.train_steps, check_every=500)
    result = dynamics.train(
        model, episodes, experiment.check(config).map, train, trained=True, repeats=repeats
    )
    test = all_data(parsed, load_episodes(parsed), parsed.experiment.online.rounds)[1]
    errors = dynamics.evaluate_model(result.dynamics, test, experiment.check(config).map)
    meta = {k: meta[k] for k in ("env_id", "env_kwargs") if k in meta}
    dynamics.save(result.dynamics, out, {**meta, "metrics": {"errors": errors.to_dict()}})


def _words(value: Any) -> list[str]:
    return [str(v) for v in value] if isinstance(value, tuple) else [str(value)]


def _done(status: int) -> None:
    if status:
        raise SystemExit(status)


if __name__ == "__main__":
    raise SystemExit(main())
