"""What a family was made with, and what is left of a run that was cut off."""

from __future__ import annotations

import dataclasses
import hashlib
import shutil
from pathlib import Path
from typing import Any

from sparsectl import runs
from sparsectl.config import to_dict
from sparsectl.dynamics import TrainConfig, Trajectories
from sparsectl.dynamics.progress import fingerprint
from sparsectl.sparsify import family as files
from sparsectl.sparsify.config import SparsifyConfig
from sparsectl.sparsify.family import Member

INITIAL = "initial"
"""Folder of the network of `SparsifyConfig.hidden` before anything is removed."""
TRUNK = "trunk-{target}"
"""Folder of what the next round goes on from, where that is not the last member."""


def made_with(
    model: Any, config: SparsifyConfig, train: TrainConfig, data: Trajectories
) -> dict[str, Any]:
    """What must be equal for a family to be continued."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    train = dataclasses.replace(train, steps=1, check_every=train.check_every, learning_rate=1.0)
    rest = fingerprint(model, train, data)
    settings = to_dict(config)
    if not config.relaxation_penalty:  # families from before there was one go on
        del settings["relaxation_penalty"]
    return {"sparsify": settings, **rest, "weights": digest.hexdigest()}


def found_members(folder: Path, made: dict[str, Any], force: bool) -> list[Member]:
    """Members of the rounds that were done before, in the order of the targets.

    Raises:
        ConfigError: they were made with something else and `force` is off.
    """
    if not (folder / files.JSON).exists():
        return []
    found, before = files.read(folder)
    named = {"data": "the data", "weights": "the dense model"}
    if not force:
        runs.require_same(before, made, folder, what="the family", named=named)
    if not runs.changes(before, made):
        return list(found.members)
    for name in (files.JSON, files.CSV):
        (folder / name).unlink(missing_ok=True)
    targets = [m.target for m in found.members]
    trunks = [TRUNK.format(target=target) for target in targets]
    for name in (INITIAL, *map(str, targets), *trunks):
        shutil.rmtree(folder / name, ignore_errors=True)
    return []
