"""Controllers by name: every kind is a config that builds its controller.

A new controller is one file with such a config, and one line that imports it: here in
`control/__init__.py`, or by its module in an entry, `{kind: "my_module:my_kind"}`.
"""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, TypeVar

from sparsectl.errors import ConfigError, nearest
from sparsectl.task import Problem, Task

if TYPE_CHECKING:
    from sparsectl.control.base import Controller
    from sparsectl.dynamics.base import Dynamics
    from sparsectl.program import Programs


@dataclass(frozen=True)
class Setup:
    """What every controller is made from, besides its own settings.

    Attributes:
        dynamics: torch model, for samplers and gradients; copied, never modified.
        program: the same model lowered, exact; see `dynamics.lower.programs`.
        device: "auto", "cpu" or another torch device.
    """

    name: str
    task: Task
    dynamics: Dynamics
    program: Programs
    horizon: int
    device: str = "auto"


class ControllerConfig(ABC):
    """Settings of one kind of controller, a frozen dataclass.

    Its module imports torch and solvers only in functions, so that configs are read, checked and
    offered as options without them.

    Attributes:
        kind: name in a configuration; `register` sets it.
        takes_starts: whether the controller can start from given plans, see `Controller`.
        starts_mip: whether `mip` may start from its plans, made with the default settings.
        checkpoints: fields that name folders of further models.
        policies: fields that name folders of policies, or code with a colon.
        looks_ahead: whether the controller plans as far ahead as the horizon says.
        inside: field that is the entry of another controller, which this one is around.
    """

    kind: ClassVar[str]
    takes_starts: ClassVar[bool] = False
    starts_mip: ClassVar[bool] = True
    checkpoints: ClassVar[tuple[str, ...]] = ()
    policies: ClassVar[tuple[str, ...]] = ()
    looks_ahead: ClassVar[bool] = True
    inside: ClassVar[str | None] = None

    @abstractmethod
    def build(self, setup: Setup) -> Controller:
        """The controller.

        Raises:
            ConfigError: settings that do not fit the task or this machine.
            CheckpointError: see `checkpoints`.
        """

    def refusal(self, problem: Problem) -> str | None:
        """Why the controller cannot plan such problems whatever the model is, or None.

        Args:
            problem: an outline, see `Task.outline`.
        """
        return None

    def outside(self) -> str | None:
        """Digest of what results depend on besides settings and checkpoints, or None."""
        return None


Config = TypeVar("Config", bound=type[ControllerConfig])
_known: dict[str, type[ControllerConfig]] = {}


def register(kind: str) -> Callable[[Config], Config]:
    """Class decorator: configurations may name the class by `kind`.

    Raises:
        ConfigError: another class has that name.
    """

    def name(config: Config) -> Config:
        there = _known.setdefault(kind, config)
        if (there.__module__, there.__qualname__) != (config.__module__, config.__qualname__):
            raise ConfigError(f"controllers of kind '{kind}' are {there.__qualname__} already")
        config.kind = kind
        return config

    return name


def config_class(kind: str) -> type[ControllerConfig]:
    """Config class of a kind; `module:kind` imports the module first, which registers it.

    Raises:
        ConfigError: unknown kind, or a module that cannot be imported.
    """
    module, _, name = str(kind).rpartition(":")
    if module:
        try:
            importlib.import_module(module)
        except ImportError as error:
            raise ConfigError(f"kind '{kind}': cannot import '{module}': {error}") from None
    if name not in _known:
        raise ConfigError(f"unknown kind '{kind}'" + nearest(name, _known))
    return _known[name]


def kinds() -> tuple[str, ...]:
    """All names that are registered."""
    return tuple(_known)
