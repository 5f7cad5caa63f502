"""What `verify` asks, of whom and from where: all of it checked, then answered and played."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from sparsectl import control, environment, seeding
from sparsectl.cli import locate
from sparsectl.cli.options import Parsed
from sparsectl.control.plans import violated
from sparsectl.dynamics.lower import programs
from sparsectl.errors import CheckpointError, ConfigError
from sparsectl.evaluate.player import Setting, load_model
from sparsectl.experiment import check
from sparsectl.files import read_json
from sparsectl.policies import checkpoint, lower
from sparsectl.program import ReluProgram
from sparsectl.task import Problem, Task
from sparsectl.verify import prove, replay, sampled, starts
from sparsectl.verify.config import VerifyConfig
from sparsectl.verify.loop import close
from sparsectl.verify.result import Result
from sparsectl.verify.sampled import Model
from sparsectl.verify.search import BROKEN, KINDS, SAFE

_RESETS, _SAMPLES = 64, 20
_NO_STATE = "the environment cannot be put into a state: nothing was played in it"


class Asked:
    """Everything that the questions need, checked."""

    def __init__(self, parsed: Parsed, name: str, config: VerifyConfig, checkpoint: Path) -> None:
        experiment = parsed.experiment
        self.parsed, self.name, self.config = parsed, name, config
        self.task: Task = check(experiment)
        self.steps = config.steps or experiment.horizon
        env = experiment.env
        setting = Setting(
            env.id, env.kwargs, experiment.task, experiment.horizon, None, None, experiment.seed,
            experiment.evaluate.device, data=experiment.data,
        )  # fmt: skip
        model, _ = load_model(setting, self.task, checkpoint)
        lowered = programs(model)
        if not isinstance(lowered, ReluProgram):
            raise ConfigError(
                "verify needs one program for all states, and a graph model has another one "
                "wherever objects come near: train one with `model: {hidden: [...]}`"
            )
        self.program: ReluProgram = lowered
        with environment.make(env.id, env.kwargs) as made:
            limit = made.spec.max_episode_steps if made.spec is not None else None
            if limit is not None and self.steps > limit:
                raise ConfigError(
                    f"verify.steps is {self.steps}, and episodes of '{env.id}' end after {limit}: "
                    "give fewer, or longer episodes by `env: {kwargs: {max_episode_steps: ...}}`"
                )
            seen = [made.reset(seed=seeding.EVALUATION_SEED + k)[0] for k in range(_RESETS)]
        self.near = np.array(seen[0], dtype=np.float64)
        states = self.task.map.state(np.array(seen, dtype=np.float64))
        given = parsed.options.from_
        given = (config.starts or None) if given is None else given
        self.starts = starts.read(given, self.task, states)
        self.problem: Problem = self.task.problem(self.near, self.steps, loose=True)
        whole = locate.controllers({name: experiment.controllers[name]}, parsed.folder)
        entry = whole[name]
        self.controller = control.build(
            name, entry, self.task, model, lowered, experiment.horizon, experiment.evaluate.device
        )
        self.policy = None if config.samples is not None else self._lowered(entry)
        far = self.starts.beyond(read_json(checkpoint / "meta.json").get("states"))
        self.notes = (*locate.elsewhere(whole, env.id), *far)
        self.plans = self._plans() if config.regret else None

    def _lowered(self, entry: dict[str, Any]) -> ReluProgram | None:
        """The policy as a program; None: the controller is none with a closed form."""
        folder = control.policies(self.name, entry).get("path")
        if folder is None:
            return None
        try:
            network, _ = checkpoint.load(folder)
            return lower.lower(network, self.task, self.near)
        except (CheckpointError, ConfigError) as error:
            raise ConfigError(
                f"controllers.{self.name} cannot be proved about: {error}; or sample it: "
                "`--verify.samples 200`"
            ) from None

    def _plans(self) -> Problem | None:
        try:
            return self.task.problem(self.near, self.steps)
        except ConfigError as error:
            self.notes = (*self.notes, f"no regret: {error}")
            return None

    @property
    def model(self) -> Model:
        """The controller in the model, decision by decision."""
        return Model(self.controller, self.program, self.task, self.near, self.problem)

    def answer(self) -> Result:
        """All questions."""
        rest = self.plans, self.starts, self.config
        if self.policy is None:
            count = self.config.samples or _SAMPLES
            return sampled.sample(self.model, *rest, count, self.notes)
        loop = close(self.program, self.policy, self.problem)
        return prove.prove(loop, self.program, *rest, self.notes)

    def checked(self, result: Result) -> Result:
        """With the worst starts, and some of the map, once more: decision by decision and in
        reality."""
        env = self.parsed.experiment.env
        rows = []
        with environment.make(env.id, env.kwargs) as made:
            seed = seeding.EVALUATION_SEED
            put, notes = None, result.notes
            if self.config.replays:
                put = replay.setter(made, self.task, seed)
                if put is None:
                    notes = (*notes, _NO_STATE)
            for what, start, value in _chosen(result, self.config.replays):
                states, actions = self.model.play(start)
                row: dict[str, Any] = {"what": what, "start": start.tolist(), "value": value}
                row["model"] = self._measured(states, actions)
                if put is not None:
                    played = replay.play(
                        made, put, self.task, self.controller, start, self.steps
                    )  # fmt: skip
                    row["environment"] = None if played is None else {
                        **self._measured(played.states, played.actions),
                        "start_off_by": played.away, "ended": played.ended,
                        "steps": len(played.actions),
                    }  # fmt: skip
                rows.append(row)
        return replace(result, checks=rows, notes=notes)

    def _measured(self, states: np.ndarray, actions: np.ndarray) -> dict[str, Any]:
        problem = self.problem
        if len(actions) < problem.horizon:  # an episode that ended early
            problem = self.task.problem(self.near, len(actions), loose=True)
        cost = float(problem.cost(states, actions))
        return {"cost": cost, "violated": violated(problem, states)}


def _chosen(result: Result, count: int) -> list[tuple[str, np.ndarray, float | None]]:
    """What is told of, the start, and the value that was claimed; some of each kind of the map."""

    rows: list[tuple[str, np.ndarray, float | None]] = []
    for what in ("cost", "violation", "regret"):
        worst = getattr(result, what)
        if worst is not None and np.isfinite(worst.value):
            rows.append((what, worst.start, worst.value))
    if result.map is not None:
        for kind in (SAFE, BROKEN):
            those = np.flatnonzero(result.map.kind == kind)
            drawn = np.random.default_rng(0).permutation(those)[:count]
            for k in drawn:
                start = result.map.start[k]
                if kind == SAFE:
                    start = (result.map.low[k] + result.map.high[k]) / 2
                value = None if kind == SAFE else float(result.map.worst[k])
                rows.append((KINDS[kind], start, value))
    return rows
