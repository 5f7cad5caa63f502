"""Controllers from plain config entries such as `{kind: mppi, samples: 256}`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sparsectl.config import from_dict
from sparsectl.control.base import Controller
from sparsectl.control.config import MIPConfig, RelaxationConfig
from sparsectl.control.kinds import check, config_class
from sparsectl.control.samplers.cem import CEM
from sparsectl.control.samplers.gradient import Gradient
from sparsectl.control.samplers.mppi import MPPI
from sparsectl.control.simple import Random, Zero
from sparsectl.control.two_models_config import TwoModelsConfig, load_sparse
from sparsectl.control.wrappers import proposal
from sparsectl.dynamics.base import Dynamics
from sparsectl.program import Programs
from sparsectl.task import Task

_SEARCH: dict[str, type] = {"mppi": MPPI, "cem": CEM, "gradient": Gradient}


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
        from sparsectl.control.mip import MIPController  # solvers are slow to import

        settings = from_dict(MIPConfig, rest, where)
        return MIPController(name, task, program, dynamics, length, settings)
    if kind == "two_models":
        from sparsectl.control.two_models import TwoModels

        both = from_dict(TwoModelsConfig, rest, where)
        sparse = load_sparse(both, task, where)
        return TwoModels(name, task, program, dynamics, sparse, length, both, device)
    if kind == "relaxation":
        from sparsectl.control.relaxation import Relaxation

        return Relaxation(name, task, program, length, from_dict(RelaxationConfig, rest, where))
    if kind in _SEARCH:
        found = config_class(kind)
        assert found is not None
        settings = from_dict(found, rest, where)
        return _SEARCH[kind](name, task, program, dynamics, length, settings, device)
    simple = Zero if kind == "zero" else Random
    return simple(name, task, program, length)
