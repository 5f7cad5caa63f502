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

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from sparsectl.cli.options import RunOptions

if TYPE_CHECKING:
    from sparsectl.cli.options import Parsed
    from sparsectl.verify.result import Result
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
    from sparsectl.cli import stages, verify_table
    from sparsectl.cli.verify_asked import Asked
    from sparsectl.files import fresh_folder
    from sparsectl.runs import held

    config = parsed.experiment.verify
    name = _controller(parsed)
    asked = Asked(parsed, name, config, stages.asked_model(parsed))
    out = parsed.options.out or parsed.folder / "verify" / name
    shown = _axes(asked.starts, parsed.options.axes)
    with held(out):
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
    known, hint = experiment.controllers, ""
    made = next((n for n in ("policy", "imitation") if (parsed.folder / n).is_dir()), None)
    if made is not None and all(entry.get("path") != made for entry in known.values()):
        hint = (
            f"; the policy in {parsed.folder / made} is one where the file says "
            f"`controllers: {{{name or 'learnt'}: {{kind: policy, path: {made}}}}}`"
        )
    if name is None:
        policies = [n for n, entry in known.items() if entry.get("kind", n) == "policy"]
        if len(policies) != 1:
            raise ConfigError(
                "--controller: say which one is verified" + nearest("", policies or known) + hint
            )
        return policies[0]
    if name not in known:
        raise ConfigError(f"--controller: no controller '{name}'" + nearest(name, known) + hint)
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
    for old in ("boxes.csv", "verify.png"):  # of settings that --force replaces
        (out / old).unlink(missing_ok=True)
    write_json(out / "verify.json", plain(content))
    if result.map is not None:
        write_atomic(out / "boxes.csv", csv_text(result.map.rows(result.starts.names)))
    if result.map is not None and axes is not None:
        from sparsectl.verify.figure import picture

        title = f"{name}, {result.steps} steps"
        write_atomic(out / "verify.png", picture(result, axes, title))
