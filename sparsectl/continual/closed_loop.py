"""Control with what was learnt: the network just after a body, and after the whole stream."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from sparsectl import checkpoint, environment, seeding
from sparsectl.config import dump_yaml, from_dict, load_yaml, to_dict
from sparsectl.continual import saved
from sparsectl.continual.control_config import ControlConfig
from sparsectl.continual.deployed import deploy
from sparsectl.continual.history import WithHistory, with_past
from sparsectl.continual.retention import AT_TRAINING, FINAL
from sparsectl.continual.stream import Layout, Stream, StreamTask
from sparsectl.control import StallNoise, build
from sparsectl.control.base import Controller
from sparsectl.dynamics.lower import lower
from sparsectl.errors import CheckpointError, ConfigError
from sparsectl.evaluate.episode import run_episode
from sparsectl.files import write_atomic
from sparsectl.runs import beyond_defaults, digest, held, require_same, rows
from sparsectl.task import Task

ROWS, SETTINGS = "control.jsonl", "control.yaml"


@dataclass(frozen=True)
class Job:
    """One network on one body.

    Attributes:
        when: `at_training`: as it was after that task; `final`: after the whole stream.
    """

    unit: Path
    label: str
    seed: int
    body: int
    when: str

    def checkpoint(self, stream: Stream) -> Path:
        """Folder of the network."""
        number = self.body if self.when == AT_TRAINING else len(stream.tasks) - 1
        return self.unit / saved.TASKS / str(number)


def jobs(
    folder: str | Path,
    stream: Stream,
    labels: Sequence[str],
    seeds: Sequence[int],
    config: Any = None,
) -> list[Job]:
    """Every network and body.

    Args:
        config: the stream's settings, which must be those of the run; None: not compared.

    Raises:
        CheckpointError: a unit that is not finished, or was run without `keep_tasks`.
        ConfigError: a unit was run on a stream of other settings.
    """
    found: list[Job] = []
    last = len(stream.tasks) - 1
    for label in labels:
        for seed in seeds:
            unit = Path(folder) / label / "sequential" / str(seed)
            if not (unit / saved.TASKS / str(last)).is_dir():
                raise CheckpointError(
                    f"'{unit}' has no networks after every task: finish `sparsectl continual run` "
                    "with keep_tasks: true first"
                )
            made = saved.settings_of(unit)
            if config is not None and made is not None:
                asked = {"stream": to_dict(config, kinds=True)}
                require_same({"stream": made[0]["stream"]}, asked, unit)
            for body in range(last + 1):
                whens = (AT_TRAINING, FINAL) if body < last else (AT_TRAINING,)
                found += [Job(unit, label, seed, body, when) for when in whens]
    return found


def controller(job: Job, config: ControlConfig, stream: Stream) -> Controller:
    """The planner with the network of a job, as it is deployed.

    Raises:
        CheckpointError: see `saved.load`.
        ConfigError, ShapeError: a task that does not fit the stream's state.
    """
    learner, meta = saved.load_learner(job.checkpoint(stream))
    body = stream.tasks[job.body]
    mode = "sign" if "sign" in learner.modes else None
    model = deploy(learner, meta["scaling"], mode, body.layout)
    plain, task = _tasks(config, body, model.history)
    program = lower(model)
    planner = build(
        "control", config.controller, task, model, program, config.horizon, device="cpu"
    )
    if config.stall_noise:
        planner = StallNoise(planner, program, config.stall_noise)
    return WithHistory(planner, plain, model.history) if model.history else planner


def play(
    job: Job, config: ControlConfig, stream: Stream, done: set[int] | None = None
) -> list[dict[str, Any]]:
    """Episodes of one job: rows with label, seed, body, when, episode, return, score, outcome, ...

    Args:
        done: episodes that are left out.

    Raises:
        CheckpointError, ConfigError, ShapeError: see `controller`.
    """
    left = [i for i in range(config.episodes) if i not in (done or set())]
    if not left:
        return []
    body, planner = stream.tasks[job.body], controller(job, config, stream)
    played = []
    for episode in left:
        row = run_episode(
            str(body.env_id),
            body.env_kwargs,
            planner,
            seeding.EVALUATION_SEED + episode,
            steps=config.steps,
            controller_seed=episode,
        )
        kept = {k: row[k] for k in ("return", "outcome", "steps") if k in row}
        own: dict[str, Any] = {"label": job.label, "seed": job.seed}
        own |= {"body": body.name, "when": job.when, "episode": episode}
        played.append(own | kept | {"measure": config.measure, "score": _score(row, config)})
    return played


def _score(row: dict[str, Any], config: ControlConfig) -> float:
    """An episode's measure.

    Raises:
        ConfigError: an environment that tells no error.
    """
    if config.measure == "return":
        return float(row["return"])
    first = row["errors"][0] if row["errors"] else None
    if first is None or not np.isfinite(first):
        raise ConfigError(
            "control: measure is 'error_reduction', but the environment's info tells no error: "
            "use 'return'"
        )
    return float(first - row["final_error"])


def run(
    folder: str | Path,
    config: ControlConfig,
    stream: Stream,
    wanted: Sequence[Job],
    *,
    force: bool = False,
    on_row: Callable[[dict[str, Any]], None] | None = None,
) -> list[dict[str, Any]]:
    """Play what is not played yet; rows are kept in `control.jsonl` of the run's folder.

    An episode counts for the network that played it: where a learner was trained again, its
    episodes are set aside, beside the file, and played anew.

    Raises:
        ConfigError: episodes of other settings are there, and not `force`; or another process
            works in the folder.
        CheckpointError, ShapeError: see `controller`.
    """
    folder = Path(folder)
    settings, path = folder / SETTINGS, folder / ROWS
    if settings.is_file() and _settings(settings) != config and not force:
        raise ConfigError(
            f"'{path}' holds episodes of other control settings ({settings}): use --force to set "
            "them aside"
        )
    with held(folder):
        found = rows.mend(path)
        keys = {_name(job, stream): _key(job, config, stream) for job in wanted}
        keys |= _keys_of(found, keys, folder, config, stream)
        kept = [r for r in found if r.get("key") and r["key"] == keys.get(_of(r))]
        if len(kept) < len(found):
            rows.set_aside(path)
            rows.write(path, kept)
        write_atomic(settings, dump_yaml(config))
        for job in wanted:
            name = _name(job, stream)
            done = {r["episode"] for r in kept if _of(r) == name}
            for row in play(job, config, stream, done):
                kept.append({**row, "key": keys[name]})
                rows.add(path, kept[-1])
                if on_row is not None:
                    on_row(kept[-1])
    return kept


def _of(row: dict[str, Any]) -> tuple:
    return tuple(row.get(k) for k in ("label", "seed", "body", "when"))


def _name(job: Job, stream: Stream) -> tuple:
    return (job.label, job.seed, stream.tasks[job.body].name, job.when)


def _key(job: Job, config: ControlConfig, stream: Stream) -> str:
    """Digest of what an episode depends on: the network's content, the body, the settings."""
    body = stream.tasks[job.body]
    content = checkpoint.content(job.checkpoint(stream))
    return digest([content, str(body.env_id), dict(body.env_kwargs), beyond_defaults(config)])


def _keys_of(
    found: Sequence[dict[str, Any]],
    known: dict[tuple, str],
    folder: Path,
    config: ControlConfig,
    stream: Stream,
) -> dict[tuple, str]:
    """Keys that episodes of further learners must have now, where their networks are there."""
    numbers = {task.name: i for i, task in enumerate(stream.tasks)}
    keys = {}
    for name in {_of(row) for row in found} - known.keys():
        label, seed, body, when = name
        with suppress(CheckpointError, KeyError):
            unit = folder / str(label) / "sequential" / str(seed)
            keys[name] = _key(Job(unit, label, seed, numbers[body], when), config, stream)
    return keys


def _settings(path: Path) -> ControlConfig | None:
    """Those of the episodes that are there; None where they cannot be read any more."""
    try:
        return from_dict(ControlConfig, load_yaml(path), str(path))
    except ConfigError:
        return None


def _tasks(config: ControlConfig, body: StreamTask, history: int) -> tuple[Task, Task]:
    """The task in a body's environment, whose state must be what the network predicts, and that
    with `history` past transitions in its state."""
    with environment.make(str(body.env_id), body.env_kwargs) as env:
        size = env.observation_space.shape[0]  # type: ignore[index]
        box: Any = env.action_space
        levels = environment.levels(env)
    make = partial(Task, u_low=box.low, u_high=box.high, levels=levels)
    plain, task = with_past(config.task, size, history, make)
    layout = body.layout or Layout(tuple(range(size)), tuple(range(size)), tuple(range(plain.nu)))
    state = plain.map.state(np.arange(size, dtype=float))
    if tuple(state) != tuple(float(i) for i in layout.state):
        raise ConfigError(
            f"control.task.observation.state reads entries {[int(i) for i in state]} of the "
            f"observation, but the stream's network predicts {list(layout.state)}: name them all, "
            "in that order, as they are"
        )
    return plain, task
