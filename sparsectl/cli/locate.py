"""Where checkpoints that a config names lie: as given, else in the run's folder."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sparsectl import control
from sparsectl.config import put
from sparsectl.errors import ConfigError, nearest
from sparsectl.experiment import Experiment
from sparsectl.files import read_json

IMITATION = "imitation"
"""Folder of a run's policy that imitates a planner."""
MEMBERS = "sparse"
"""Folder of a run's models of fewer ReLUs."""


def located(path: str, folder: Path) -> str:
    """A path as given; where nothing is there, in the run's folder if there is something."""
    inside = folder / path
    return str(inside) if not Path(path).exists() and inside.exists() else path


def there(path: str, folder: Path) -> bool:
    """Whether something is at a path as given, or in the run's folder."""
    return Path(located(path, folder)).exists()


def controllers(
    entries: Mapping[str, Mapping[str, Any]], folder: Path
) -> dict[str, dict[str, Any]]:
    """Entries of controllers, with the checkpoints that they name located."""
    found = {name: copy.deepcopy(dict(entry)) for name, entry in entries.items()}
    for name, entry in found.items():
        for key, path in control.checkpoints(name, entry).items():
            put(entry, key, located(path, folder))
    return found


def elsewhere(entries: Mapping[str, Mapping[str, Any]], env_id: str) -> list[str]:
    """Of controllers, as `controllers` gives them, whose policy was trained on another environment
    of the same sizes: what to say of each."""
    found = []
    for name, entry in entries.items():
        for path in control.policies(name, entry).values():
            meta = Path(path) / "meta.json"
            made = read_json(meta).get("env_id") if meta.is_file() else None
            if made and made.rpartition(":")[2] != env_id.rpartition(":")[2]:
                found.append(
                    f"{name}: the policy in '{path}' was trained on '{made}', and acts on "
                    f"'{env_id}' here, whose observations and actions are of the same sizes"
                )
    return found


def policy_names(experiment: Experiment) -> dict[int, str]:
    """Folders of the policies that `sparsectl policy train` makes, in the run's, by seed."""
    seeds = experiment.policy.seeds
    return {s: "policy" if len(seeds) == 1 else f"policy_{s}" for s in seeds}


def own_policies(experiment: Experiment, folder: Path) -> list[str]:
    """Paths by which controllers name policies that the run trains itself, in its folder."""
    return _named(experiment, folder, *policy_names(experiment).values())


def own_imitations(experiment: Experiment, folder: Path) -> list[str]:
    """Paths by which controllers name the policy that imitates one of the run's own planners."""
    asked = experiment.imitate.controller is not None
    return _named(experiment, folder, IMITATION) if asked else []


def _named(experiment: Experiment, folder: Path, *names: str) -> list[str]:
    """Paths of policies, as controllers name them, that are one of some names in the folder."""
    own = {*names, *(str(folder / n) for n in names)}
    entries = experiment.controllers.items()
    named = [path for n, entry in entries for path in control.policies(n, entry).values()]
    return [path for path in named if path in own]


def made(experiment: Experiment, folder: Path) -> list[str]:
    """Checkpoints that a run itself makes for its comparison, by where they are named."""
    policies = [*own_policies(experiment, folder), *own_imitations(experiment, folder)]
    return [*members(experiment, folder).values(), *policies]


def members(experiment: Experiment, folder: Path) -> dict[str, str]:
    """Members of the run's own sparsified family that a comparison needs, by where they are named.

    Raises:
        ConfigError: a count that `sparsify` does not make.
    """
    named = {f"evaluate.models.{n}": p for n, p in experiment.evaluate.models.items()}
    for name, entry in experiment.controllers.items():
        named |= {f"controllers.{name}.{k}": p for k, p in control.checkpoints(name, entry).items()}
    found = {}
    for where, path in named.items():
        parent, count = Path(path).parent, Path(path).name
        if str(parent) not in (MEMBERS, str(folder / MEMBERS)):
            continue
        counts = [str(c) for c in experiment.sparsify.counts]
        if count not in counts and not (folder / MEMBERS / count).exists():
            raise ConfigError(
                f"{where}: no checkpoint in '{path}', and sparsify makes none of that count"
                + nearest(count, counts)
            )
        found[where] = path
    return found
