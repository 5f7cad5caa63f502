"""Models on disk."""

from __future__ import annotations

import pytest
import torch

from sparsectl.dynamics import MLPConfig, StructureConfig, build, load, save

NAMES = {"hand": slice(0, 2), "points": slice(2, 6)}


@pytest.mark.parametrize("members", [1, 2])
@pytest.mark.parametrize("hidden", [(), (5, 3)])
def test_a_loaded_model_is_the_saved_one(tmp_path, members, hidden):
    structure = StructureConfig({"points": "hand"}, {"hand": 0.02}, ["points"])
    model = build(MLPConfig(hidden, members, structure), NAMES, 6, 2, seed=3)
    for name, buffer in model.named_buffers():
        if "kinds_" in name:
            buffer.random_(0, 3)
        elif (buffer == 1).all():
            buffer.uniform_(0.5, 2)
    save(model, tmp_path / "m", {"env_id": "E-v0", "metrics": {"a": 1.0}})
    back, meta = load(tmp_path / "m")
    model.requires_grad_(False)  # gradients may take another kernel, with other last bits
    x, u = torch.randn(4, 6), torch.randn(4, 3, 2)
    assert torch.equal(back.rollout(x, u), model.rollout(x, u))
    assert (back.config, back.names, back.nx, back.nu) == (model.config, NAMES, 6, 2)
    assert (meta["env_id"], meta["metrics"]) == ("E-v0", {"a": 1.0})
    assert not any(p.requires_grad for p in back.parameters())
    assert not back.training
