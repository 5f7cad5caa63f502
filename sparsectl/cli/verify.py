"""Prove what a policy does at worst, from every start in a box, under the run's model.

A ReLU policy and the model are one program. Over a box of start states and H steps: a map of where
all constraints are kept (proved safe, proved violated, undecided), the worst cost, the worst
violation and the worst regret against the best plan, each with a bound and the start where it
happens, which is played in the model and in the environment. Controllers without a closed form
are played from starts that are drawn: nothing is proved about others. Writes verify.json, and of
the map boxes.csv and verify.png, into `<runs>/<name>/verify/<controller>`.

Example: sparsectl verify --config wallpole --controller ppo --from "angle: [-.1, .1], position: 0"
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from sparsectl.cli.options import RunOptions

if TYPE_CHECKING:
    import numpy as np

    from sparsectl.cli.options import Parsed
    from sparsectl.program import ReluProgram
    from sparsectl.task import Problem, Task
    from sparsectl.verify.config import VerifyConfig
    from sparsectl.verify.result import Result
    from sparsectl.verify.sampled import Model
    from sparsectl.verify.starts import Starts


@dataclass(frozen=True, kw_only=True)
class VerifyOptions(RunOptions):
    """What `verify` takes besides the experiment."""

    controller: str | None = None
    """Who is verified, by name, in place of the file's `verify.controller`."""
    from_: Annotated[str | None, tyro.conf.arg(name="from")] = None
    """Box of start states in place of the file's `verify.starts`: `part: [low, high], ...` by the
    names of the state's parts, or `[lows], [highs]` of all entries. What is not named has the range
    that resets give it."""
    checkpoint: Annotated[str | None, tyro.conf.arg(name="model")] = None
    """Model to verify under: a member such as `sparse/4`, a name of `evaluate.models`, or any
    checkpoint's folder; none: the run's own."""
    axes: tuple[str, str] | None = None
    """Entries of the state that the figure shows; None: the first two that are no single number."""
    out: Path | None = None
    """Folder of the results; None: `verify/<controller>` in the run's folder."""


def main(argv: list[str]) -> int:
    """Parse, verify, play, print and write."""
    from sparsectl.cli import options

    verify(options.parse(argv, "verify", __doc__, own=VerifyOptions))
    return 0


def verify(parsed: Parsed) -> Result:
    """What `main` does with options that are parsed."""
    from sparsectl.cli import locate, stages, verify_table
    from sparsectl.files import fresh_folder

    config = parsed.experiment.verify
    name = _controller(parsed)
    asked = _Asked(parsed, name, config, locate.model(parsed))
    out = parsed.options.out or parsed.folder / "verify" / name
    shown = _axes(asked.starts, parsed.options.axes)
    fresh_folder(out, parsed.force)
    stages.say(f"verify: {name} from {asked.starts.told()}, {asked.steps} steps")
    result = asked.checked(asked.answer())
    verify_table.show_all(result)
    _write(out, parsed, name, result, shown)
    stages.say(f"verify: {out / 'verify.json'}" + (" and verify.png" if result.map else ""))
    return result


def _controller(parsed: Parsed) -> str:
    """Name of the controller.

    Raises:
        ConfigError: none of the config, or not said and not the only policy; or a delay.
    """
    from sparsectl.errors import ConfigError, nearest

    experiment = parsed.experiment
    late = experiment.task.observation.delay
    if late not in (0, "auto"):  # auto: none was found
        raise ConfigError(
            f"task.observation.delay is {late}: verify closes the loop with actions that act at "
            "once, and could say nothing about those that are under way"
        )
    name = parsed.options.controller or experiment.verify.controller
    known = experiment.controllers
    if name is None:
        policies = [n for n, entry in known.items() if entry.get("kind", n) == "policy"]
        if len(policies) != 1:
            raise ConfigError(
                "--controller: say which one is verified" + nearest("", policies or known)
            )
        return policies[0]
    if name not in known:
        raise ConfigError(f"--controller: no controller '{name}'" + nearest(name, known))
    return name


def _axes(starts: Starts, names: tuple[str, str] | None) -> tuple[int, int] | None:
    from sparsectl.errors import ConfigError, nearest

    free = [n for n, there in zip(starts.names, starts.free, strict=True) if there]
    if names is None:
        names = (free[0], free[1]) if len(free) > 1 else None
    if names is None:
        return None
    if names[0] == names[1]:
        raise ConfigError(f"--axes: twice '{names[0]}', expected two entries of the state")
    for name in names:
        if name not in free:
            raise ConfigError(
                f"--axes: '{name}' is no entry with a range of starts" + nearest(name, free)
            )
    return starts.names.index(names[0]), starts.names.index(names[1])


class _Asked:
    """Everything that the questions need, checked."""

    def __init__(self, parsed: Parsed, name: str, config: VerifyConfig, checkpoint: Path) -> None:
        import numpy as np
        import torch

        from sparsectl import control, environment, seeding
        from sparsectl.cli import locate
        from sparsectl.dynamics.lower import programs
        from sparsectl.errors import ConfigError
        from sparsectl.evaluate.player import Setting, load_model
        from sparsectl.experiment import check
        from sparsectl.program import ReluProgram
        from sparsectl.verify import starts

        torch.set_num_threads(1)
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
        self.notes = tuple(locate.elsewhere(whole, env.id))
        self.plans = self._plans() if config.regret else None

    def _lowered(self, entry: dict[str, Any]) -> ReluProgram | None:
        """The policy as a program; None: the controller is none with a closed form."""
        from sparsectl import control
        from sparsectl.errors import CheckpointError, ConfigError
        from sparsectl.policies import checkpoint, lower

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
        from sparsectl.errors import ConfigError

        try:
            return self.task.problem(self.near, self.steps)
        except ConfigError as error:
            self.notes = (*self.notes, f"no regret: {error}")
            return None

    @property
    def model(self) -> Model:
        """The controller in the model, decision by decision."""
        from sparsectl.verify.sampled import Model

        return Model(self.controller, self.program, self.task, self.near, self.problem)

    def answer(self) -> Result:
        """All questions."""
        from sparsectl.verify import prove, sampled
        from sparsectl.verify.loop import close

        rest = self.plans, self.starts, self.config
        if self.policy is None:
            count = self.config.samples or _SAMPLES
            return sampled.sample(self.model, *rest, count, self.notes)
        loop = close(self.program, self.policy, self.problem)
        return prove.prove(loop, self.program, *rest, self.notes)

    def checked(self, result: Result) -> Result:
        """With the worst starts, and some of the map, once more: decision by decision and in
        reality."""
        from sparsectl import environment, seeding
        from sparsectl.verify import replay

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
        from sparsectl.control.plans import violated

        problem = self.problem
        if len(actions) < problem.horizon:  # an episode that ended early
            problem = self.task.problem(self.near, len(actions), loose=True)
        cost = float(problem.cost(states, actions))
        return {"cost": cost, "violated": violated(problem, states)}


_RESETS, _SAMPLES = 64, 20
_NO_STATE = "the environment cannot be put into a state: nothing was played in it"


def _chosen(result: Result, count: int) -> list[tuple[str, np.ndarray, float | None]]:
    """What is told of, the start, and the value that was claimed; some of each kind of the map."""
    import numpy as np

    from sparsectl.verify.search import BROKEN, KINDS, SAFE

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


def _write(
    out: Path, parsed: Parsed, name: str, result: Result, axes: tuple[int, int] | None
) -> None:
    from sparsectl.config import to_dict
    from sparsectl.evaluate.log import plain
    from sparsectl.files import csv_text, write_atomic, write_json

    experiment = parsed.experiment
    content = {
        "name": experiment.name, "env": to_dict(experiment.env), "controller": name,
        "entry": to_dict(experiment.controllers[name]), "model": parsed.options.checkpoint,
        **result.facts(),
    }  # fmt: skip
    write_json(out / "verify.json", plain(content))
    if result.map is not None:
        write_atomic(out / "boxes.csv", csv_text(result.map.rows(result.starts.names)))
    if result.map is not None and axes is not None:
        from sparsectl.verify.figure import picture

        title = f"{name}, {result.steps} steps"
        write_atomic(out / "verify.png", picture(result, axes, title))
