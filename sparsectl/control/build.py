"""Controllers from plain config entries such as `{kind: mppi, samples: 256}`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sparsectl.config import from_dict
from sparsectl.control.base import Controller
from sparsectl.control.samplers.cem import CEM, CEMConfig
from sparsectl.control.samplers.gradient import Gradient, GradientConfig
from sparsectl.control.samplers.mppi import MPPI, MPPIConfig
from sparsectl.control.simple import Random, Zero
from sparsectl.control.wrappers import proposal
from sparsectl.dynamics.base import Dynamics
from sparsectl.errors import ConfigError, nearest
from sparsectl.program import Programs
from sparsectl.task import Task

KINDS = (
    "mip", "two_models", "relaxation", "mppi", "cem", "gradient", "proposal", "zero", "random"
)  # fmt: skip
"""What `kind` may be."""
FROM_PROPOSALS = ("mip", "two_models", "mppi", "cem", "gradient", "proposal")
"""Kinds that take a `proposal`; the last one does nothing else."""
_CHECKPOINTS = {"two_models": ("sparse",)}
_TORCH: dict[str, tuple[type, type]] = {
    "mppi": (MPPI, MPPIConfig),
    "cem": (CEM, CEMConfig),
    "gradient": (Gradient, GradientConfig),
}


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
        config: the entry. `kind` and `horizon` are read here (the latter overrides `horizon`),
            the rest are fields of the kind's config class, and for `FROM_PROPOSALS` the source
            of a `proposal`, see `proposal.Source`.
        task: resolved task.
        dynamics: torch model, for samplers and gradients; copied, never modified.
        program: the same model lowered, exact; see `dynamics.lower.programs`.
        horizon: planned steps H.
        device: "auto", "cpu" or another torch device.

    Raises:
        ConfigError: unknown kind or key, wrong type or value, horizon below 1.
        CheckpointError: a further model that the entry names; see `checkpoints`.
    """
    kind, length, rest = check(name, config, horizon)
    source = rest.pop("proposal", None)
    if source is None:
        return _planner(name, kind, length, rest, task, dynamics, program, device)
    proposes = proposal.make(source, task, program, f"controllers.{name}.proposal")
    if kind == "proposal":
        return proposal.Unplanned(name, task, proposes, program, length)
    inner = _planner(name, kind, length, rest, task, dynamics, program, device)
    return proposal.Proposed(inner, proposes, program)


def _planner(
    name: str,
    kind: str,
    length: int,
    rest: dict[str, Any],
    task: Task,
    dynamics: Dynamics,
    program: Programs,
    device: str,
) -> Controller:
    where = f"controllers.{name}"
    if kind == "mip":
        from sparsectl.control.mip import MIPController, MIPConfig  # noqa: I001 - solvers are slow to import

        settings = from_dict(MIPConfig, rest, where)
        return MIPController(name, task, program, dynamics, length, settings)
    if kind == "two_models":
        from sparsectl.control.two_models import TwoModels
        from sparsectl.control.two_models_config import TwoModelsConfig, load_sparse

        both = from_dict(TwoModelsConfig, rest, where)
        sparse = load_sparse(both, task, where)
        return TwoModels(name, task, program, dynamics, sparse, length, both, device)
    if kind == "relaxation":
        from sparsectl.control.relaxation import Relaxation, RelaxationConfig

        return Relaxation(name, task, program, length, from_dict(RelaxationConfig, rest, where))
    if kind in _TORCH:
        cls, config_cls = _TORCH[kind]
        settings = from_dict(config_cls, rest, where)
        return cls(name, task, program, dynamics, length, settings, device)
    simple = Zero if kind == "zero" else Random
    return simple(name, task, program, length)


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
    if kind not in KINDS:
        raise ConfigError(f"{where}: unknown kind '{kind}'" + nearest(str(kind), KINDS))
    length = rest.pop("horizon", None)
    length = horizon if length is None else length
    if not isinstance(length, int) or isinstance(length, bool) or length < 1:
        raise ConfigError(f"{where}: horizon is {length!r}, expected an integer of at least 1")
    own, settings = {k: v for k, v in rest.items() if k != "proposal"}, config_class(kind)
    if rest.get("proposal") is None:
        rest = own
    _check_proposal(kind, rest.get("proposal"), where)
    if settings is not None:
        from_dict(settings, own, where)
    elif own:
        raise ConfigError(f"{where}: kind '{kind}' takes no further keys, got '{next(iter(own))}'")
    return kind, length, rest


def _check_proposal(kind: str, source: Any, where: str) -> None:
    if source is None:
        if kind == "proposal":
            raise ConfigError(f"{where}: kind 'proposal' needs a `proposal`: a policy's folder")
        return
    if kind not in FROM_PROPOSALS:
        takers = ", ".join(FROM_PROPOSALS)
        raise ConfigError(f"{where}: kind '{kind}' takes no proposal; these do: {takers}")
    proposal.check(source, f"{where}.proposal")


def checkpoints(name: str, config: Mapping[str, Any] | None) -> dict[str, str]:
    """Folders of the models that an entry names besides the comparison's own, by key.

    Under `proposal` it is a policy's, not a model's.
    """
    entry = dict(config or {})
    keys = _CHECKPOINTS.get(entry.get("kind", name), ())
    found = {key: str(entry[key]) for key in keys if key in entry}
    if isinstance(entry.get("proposal"), str):
        found["proposal"] = entry["proposal"]
    return found


def config_class(kind: str) -> type | None:
    """Config class of a kind, or None where there is nothing to set."""
    if kind == "mip":
        from sparsectl.control.mip import MIPConfig

        return MIPConfig
    if kind == "two_models":
        from sparsectl.control.two_models_config import TwoModelsConfig

        return TwoModelsConfig
    if kind == "relaxation":
        from sparsectl.control.relaxation import RelaxationConfig

        return RelaxationConfig
    return _TORCH[kind][1] if kind in _TORCH else None
