"""The kinds of controllers, their settings, and entries such as `{kind: mppi, samples: 256}`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sparsectl.config import from_dict
from sparsectl.control.config import MIPConfig, RelaxationConfig
from sparsectl.control.samplers.config import CEMConfig, GradientConfig, MPPIConfig
from sparsectl.control.two_models_config import TwoModelsConfig
from sparsectl.control.wrappers import proposal
from sparsectl.errors import ConfigError, nearest

KINDS = (
    "mip", "two_models", "relaxation", "mppi", "cem", "gradient", "proposal", "zero", "random"
)  # fmt: skip
"""What `kind` may be."""
FROM_PROPOSALS = ("mip", "two_models", "mppi", "cem", "gradient", "proposal")
"""Kinds that take a `proposal`; the last one does nothing else."""
_CHECKPOINTS = {"two_models": ("sparse",)}
_CONFIGS: dict[str, type] = {
    "mip": MIPConfig,
    "two_models": TwoModelsConfig,
    "relaxation": RelaxationConfig,
    "mppi": MPPIConfig,
    "cem": CEMConfig,
    "gradient": GradientConfig,
}


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
    return _CONFIGS.get(kind)
