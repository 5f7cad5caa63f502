"""Command-line options of an experiment: `--config FILE`, then any of its values by name."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, make_dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import tyro

from sparsectl import control
from sparsectl.cli.stages import with_delay
from sparsectl.cli.text import dedented
from sparsectl.config import from_dict, load_yaml, put, to_dict
from sparsectl.config import parse as read
from sparsectl.errors import ConfigError, nearest, one_of
from sparsectl.experiment import EnvConfig, Experiment, check, importable_beside


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """What every command that works on an experiment takes."""

    config: Path
    """YAML file of the experiment, or the name of a bundled one (for example `rope`)."""
    runs: Path = Path("runs")
    """Folder of all runs; this one's is `<runs>/<name>`."""
    force: bool = False
    """Replace results that were made with another config."""


@dataclass(frozen=True, kw_only=True)
class Chosen(RunOptions):
    """What a command takes that may leave controllers out."""

    only: list[str] = field(default_factory=list)
    """Controllers that take part, by name; none given: all of the config."""


@dataclass(frozen=True)
class Parsed:
    """What a command works with."""

    experiment: Experiment
    folder: Path
    force: bool
    options: Any = None
    """The command's own options, where it has any."""


def parse(
    argv: list[str],
    command: str,
    description: str | None,
    default: str | None = None,
    own: type[RunOptions] = RunOptions,
) -> Parsed:
    """Options over the YAML over the defaults. Checks everything, creates nothing.

    Args:
        default: config used when `--config` is not given; None: it must be given.

    Raises:
        ConfigError: see `sparsectl.experiment.load`.
    """
    path = config_file(argv, default)
    argv, taken = _take(argv, lambda name: name in ("model.from", "model.predicts"))
    if path is None:
        base = Experiment("name", EnvConfig("id"))
    else:
        data = load_yaml(path)
        if "model.from" in dict(taken):
            data["model"] = {}
        for name, text in taken:
            put(data, name, text)
        base = from_dict(Experiment, data, str(path))
    parsed, values = with_options(base, path, argv, command, description, own)
    for name, entry in values["controllers"].items():
        entry["kind"] = control.check(name, base.controllers[name], base.horizon)[0]
    experiment = from_dict(Experiment, values, str(path))
    check(experiment, str(path))
    folder = parsed.runs / experiment.name
    return Parsed(with_delay(experiment, folder), folder, parsed.force, parsed)


def chosen(parsed: Parsed) -> dict[str, Any]:
    """Entries of the controllers that `--only` names, or of all.

    Raises:
        ConfigError: a name that none has.
    """
    known = parsed.experiment.controllers
    only = getattr(parsed.options, "only", None) or known
    for name in only:
        one_of(name, known, "--only: no controller")
    return {n: known[n] for n in only}


def config_file(argv: list[str], default: str | None = None) -> Path | None:
    """Path of the config that the arguments name, or of the default one."""
    given = _given_config(argv) or default
    return find(given) if given else None


def with_options(
    base: Any,
    path: Path | None,
    argv: list[str],
    command: str,
    description: str | None,
    own: type,
) -> tuple[Any, dict[str, Any]]:
    """The command's options, and the values of `base` with those of the command line.

    Args:
        base: config dataclass whose values are the defaults that `--help` shows.
    """
    mappings = dict(_mappings(base))
    argv, given = _take(argv, lambda name: any(f"{name}.".startswith(f"{m}.") for m in mappings))
    every = {f.name: getattr(base, f.name) for f in dataclasses.fields(base)}
    if "controllers" in every:
        every["controllers"] = _controllers(base)
    parsed = tyro.cli(
        _options_class(base, path, own, every, _sections(argv, own, every)),
        args=argv,
        prog=f"sparsectl {command}",
        description=dedented(description),
        config=(tyro.conf.AvoidSubcommands,),  # of several kinds, the file's
    )
    values = {name: to_dict(getattr(parsed, name, value)) for name, value in every.items()}
    for name, text in given:
        inner = next(kind for m, kind in mappings.items() if f"{name}.".startswith(f"{m}."))
        value = read(text)
        texts = str in (inner, *typing.get_args(inner)) and not isinstance(value, Mapping)
        put(values, name, text if texts else value)
    return parsed, values


def _mappings(base: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Free-form mappings of a config by dotted name, and the type of what they hold."""
    hints = typing.get_type_hints(type(base))
    for f in dataclasses.fields(base):
        value, hint = getattr(base, f.name), hints[f.name]
        if dataclasses.is_dataclass(value):
            yield from _mappings(value, f"{prefix}{f.name}.")
        elif typing.get_origin(hint) is dict and f"{prefix}{f.name}" != "controllers":
            yield f"{prefix}{f.name}", typing.get_args(hint)[1]


def _take(
    argv: list[str], wanted: Callable[[str], bool]
) -> tuple[list[str], list[tuple[str, str]]]:
    """Arguments without options of some names, and those: `--name VALUE` or `--name=VALUE`.

    Raises:
        ConfigError: one has no value.
    """
    rest, found, words = [], [], iter(argv)
    for word in words:
        name, sign, text = word.removeprefix("--").partition("=")
        name = name.replace("-", "_")
        if not (word.startswith("--") and wanted(name)):
            rest.append(word)
            continue
        value = text if sign else next(words, None)
        if value is None or (not sign and value.startswith("--")):
            raise ConfigError(f"--{name} needs a value, for example `--{name} 0.1`")
        found.append((name, value))
    return rest, found


def find(config: str) -> Path:
    """Path of a config file: as given, or a bundled config by its bare name.

    Raises:
        ConfigError: a bare name that is neither.
    """
    path = Path(config)
    if path.is_file() or path.suffix or len(path.parts) > 1:
        importable_beside(path)
        return path  # if it is missing, reading it says so and names the nearest file
    bundled = {
        Path(str(p)).stem: Path(str(p))
        for p in resources.files("sparsectl.configs").iterdir()
        if p.name.endswith(".yaml")
    }
    if config not in bundled:
        near = [name for name in (f"{config}.yaml", f"{config}.yml") if Path(name).is_file()]
        raise ConfigError(
            f"no config file or bundled config '{config}'" + nearest(config, near or bundled)
        )
    return bundled[config]


def _given_config(argv: list[str]) -> str | None:
    for i, word in enumerate(argv):
        if word == "--config" and i + 1 < len(argv):
            return argv[i + 1]
        if word.startswith("--config="):
            return word.removeprefix("--config=")
    return None


def _sections(argv: list[str], own: type, every: Mapping[str, Any]) -> set[str]:
    """Parts of the config that arguments name, which are all that has to become options.

    All parts for `--help`, and where something is no option's name, so that the nearest is found.
    """
    found = set()
    for word in (w for w in argv if w.startswith("-")):
        name = word.removeprefix("--").partition("=")[0].replace("-", "_")
        if any(name == f.name for f in dataclasses.fields(own)):
            continue
        if not _has(every, name):
            return {*every}
        found.add(name.partition(".")[0])
    return found


def _has(values: Mapping[str, Any], name: str) -> bool:
    """Whether (nested) configs have a field of a dotted name."""
    first, _, rest = name.partition(".")
    if first not in values:
        return False
    value = values[first]
    return not rest or (dataclasses.is_dataclass(value) and _has(vars(value), rest))


def _options_class(
    base: Any, path: Path | None, own: type, every: Mapping[str, Any], sections: set[str]
) -> Any:
    """Dataclass of options; the values of the config are the defaults that `--help` shows.

    Only `sections` of the config are options: making options of all its fields takes most of the
    time of a short command.
    """
    hints = typing.get_type_hints(type(base))
    fields: list[Any] = []
    if path is not None:
        fields.append(("config", Path, field(default=path)))
    for name, value in ((n, v) for n, v in every.items() if n in sections):
        hint = type(value) if dataclasses.is_dataclass(value) else hints[name]  # the file's kind
        fields.append((name, hint, field(default_factory=lambda v=value: v)))  # type: ignore[misc]
    return make_dataclass(
        "Options",
        fields,
        bases=(own, type(base)) if sections == {*every} else (own,),
        namespace={"__post_init__": lambda self: None},  # the experiment is checked as a whole
        frozen=True,
        kw_only=True,
    )


def _controllers(base: Experiment) -> Any:
    """One option group per controller of the file, with the fields of its kind."""
    fields: list[Any] = []
    for name, entry in base.controllers.items():
        kind, _, rest = control.check(name, entry, base.horizon)
        parent = control.config_class(kind)
        further: list[Any] = [
            ("horizon", int | None, field(default=None)),
            ("models", tuple[str, ...] | None, field(default=None)),
        ]
        if parent.takes_starts:
            # One that the file spells out has no option of its own; a policy's folder has.
            spelt = isinstance(entry.get("proposal"), Mapping)
            option: Any = tyro.conf.Fixed[dict[str, Any]] if spelt else str | None
            further.append(("proposal", option, field(default=None)))
        cls = make_dataclass(
            kind,
            further,
            bases=(parent,) if parent else (),
            frozen=True,
            kw_only=True,
        )
        value: Any = from_dict(
            cls,
            {**rest, "horizon": entry.get("horizon"), "models": entry.get("models")},
            f"controllers.{name}",
        )
        fields.append((name, cls, field(default_factory=lambda v=value: v)))  # type: ignore[misc]
    return make_dataclass("Controllers", fields, frozen=True)()
