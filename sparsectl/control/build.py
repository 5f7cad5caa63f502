"""Controllers from plain config entries such as `{kind: mppi, samples: 256}`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from sparsectl.config import from_dict
from sparsectl.control.base import Controller
from sparsectl.control.config import ControllerConfig, Setup, config_class, kinds
from sparsectl.control.policy import is_folder
from sparsectl.control.wrappers import proposal
from sparsectl.errors import CheckpointError, ConfigError, SparsectlError, prefixed
from sparsectl.task import Task

if TYPE_CHECKING:
    from sparsectl.dynamics.base import Dynamics
    from sparsectl.program import Programs


def build(
    name: str,
    config: Mapping[str, Any] | None,
    task: Task,
    dynamics: Dynamics,
    program: Programs,
    horizon: int,
    device: str = "auto",
) -> Controller:
    """Controller of one config entry.

    Args:
        name: key of the entry; also its kind where the entry has none.
        config: the entry. `kind` and `horizon` are read here (the latter overrides `horizon`);
            `models` is for comparisons, the names of those that it plays with (default: all); the
            rest are fields of the kind's config class, and where the kind takes starts, the
            source of a `proposal`, see `proposal.Source`.
        task, dynamics, program, horizon, device: see `Setup`.

    Raises:
        ConfigError: unknown kind or key, wrong type or value, horizon below 1.
        CheckpointError: a further model that the entry names; see `checkpoints`.
    """
    kind, length, rest = check(name, config, horizon)
    where = f"controllers.{name}"
    if task.config.constraints.coverage is not None and task.margins is None:
        raise ConfigError(
            "task.constraints.coverage needs the errors of the model that plans: give a task "
            "`with_margins`, for example of `dynamics.calibrate`"
        )
    source = rest.pop("proposal", None)
    settings = from_dict(config_class(kind), rest, where)
    setup = Setup(name, task, dynamics, program, length, device)
    try:
        planner = settings.build(setup)
    except CheckpointError as error:
        raise CheckpointError(f"{where}.{error}") from None
    if source is None:
        return planner
    proposes = proposal.make(source, task, program, f"{where}.proposal")
    return proposal.Proposed(planner, proposes, program)


def attempt(name: str, config: Mapping[str, Any] | None, *arguments: Any) -> None:
    """Build a controller as `build` does, so that what it refuses is said before anything else.

    Raises:
        SparsectlError: of the kind that `build` raises, with the entry's name in front.
    """
    try:
        build(name, config, *arguments)
    except SparsectlError as error:
        text = str(error)
        where = "" if text.startswith("controllers.") else f"controllers.{name}: "
        raise type(error)(where + text) from None


def check(
    name: str, config: Mapping[str, Any] | None, horizon: int
) -> tuple[str, int, dict[str, Any]]:
    """(kind, horizon, remaining keys) of an entry, before anything is built.

    Raises:
        ConfigError: see `build`.
    """
    where = f"controllers.{name}"
    if config is not None and not isinstance(config, Mapping):
        raise ConfigError(f"{where}: expected a mapping, got {config!r}")
    rest = dict(config or {})
    kind = rest.pop("kind", name)
    models = rest.pop("models", None)
    if models is not None and not (
        isinstance(models, list | tuple) and models and all(isinstance(m, str) for m in models)
    ):
        raise ConfigError(f"{where}: models is {models!r}, expected a list of names")
    with prefixed(where, ConfigError):
        settings = config_class(kind)
    length = rest.pop("horizon", None)
    length = horizon if length is None else length
    if not isinstance(length, int) or isinstance(length, bool) or length < 1:
        raise ConfigError(f"{where}: horizon is {length!r}, expected an integer of at least 1")
    own = {k: v for k, v in rest.items() if k != "proposal"}
    source = rest.get("proposal")
    if source is None:
        rest = own
        if kind == "proposal":
            raise ConfigError(f"{where}: kind 'proposal' needs a `proposal`: a policy's folder")
    elif not settings.takes_starts:
        takers = ", ".join(k for k in kinds() if config_class(k).takes_starts)
        raise ConfigError(f"{where}: kind '{kind}' takes no proposal; these do: {takers}")
    else:
        proposal.check(source, f"{where}.proposal")
    if own and not fields(settings):  # type: ignore[arg-type]
        raise ConfigError(f"{where}: kind '{kind}' takes no further keys, got '{next(iter(own))}'")
    from_dict(settings, own, where)
    if settings.inside is not None:
        check(f"{name}.{settings.inside}", own[settings.inside], length)
    return kind, length, rest


def check_plans(
    task: Task, name: str, config: Mapping[str, Any] | None, horizon: int, where: str
) -> None:
    """Refuse a controller whose horizon does not fit the task, or that cannot plan it.

    Args:
        name, config, horizon: see `build`.

    Raises:
        ConfigError: naming the controller, its horizon and what does not fit.
    """
    kind, length, rest = check(name, config, horizon)
    cls, where = config_class(kind), f"{where} (horizon {length})"
    if not cls.looks_ahead:
        return
    with prefixed(where, ConfigError):
        problem = task.outline(length)
    own = {k: v for k, v in rest.items() if k != "proposal"}
    why = from_dict(cls, own, where).refusal(problem)
    if why is not None:
        raise ConfigError(f"{where}: {why}")
    if cls.inside is not None:
        check_plans(task, cls.inside, own[cls.inside], length, f"{where}: {cls.inside}")


def checkpoints(name: str, config: Mapping[str, Any] | None) -> dict[str, str]:
    """Folders of the models and policies that an entry names besides the comparison's own, by key.

    See `policies` for those that are a policy's. Keys of a controller inside are dotted.
    """
    models = {
        f"{prefix}{key}": str(entry[key])
        for prefix, cls, entry in _every(name, config)
        for key in cls.checkpoints
        if key in entry
    }
    return models | policies(name, config)


def outside(name: str, config: Mapping[str, Any] | None, horizon: int) -> str | None:
    """Digest of what an entry's results depend on besides its text and checkpoints, or None."""
    kind, _, rest = check(name, config, horizon)
    rest.pop("proposal", None)
    return from_dict(config_class(kind), rest).outside()


def policies(name: str, config: Mapping[str, Any] | None) -> dict[str, str]:
    """Folders of the policies that an entry names, by key; a policy that is code has none."""
    return {
        f"{prefix}{key}": entry[key]
        for prefix, cls, entry in _every(name, config)
        for key in (*cls.policies, "proposal")
        if isinstance(entry.get(key), str) and is_folder(entry[key])
    }


def _every(
    name: str, config: Mapping[str, Any] | None, prefix: str = ""
) -> Iterator[tuple[str, type[ControllerConfig], dict[str, Any]]]:
    """An entry and those inside of it: what their keys begin with, class, and the entry itself."""
    entry = dict(config or {})
    cls = config_class(entry.get("kind", name))
    yield prefix, cls, entry
    if cls.inside is not None:
        yield from _every(cls.inside, entry[cls.inside], f"{prefix}{cls.inside}.")
