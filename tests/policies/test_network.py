"""Policy networks: torch and numpy agree, checkpoints return what was saved."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from sparsectl.checkpoint import save_tensors
from sparsectl.errors import CheckpointError, ShapeError
from sparsectl.policies import checkpoint
from sparsectl.policies.network import NetworkConfig, NetworkPolicy, PolicyNetwork, from_arrays

LOW, HIGH = np.array([-2.0, 0.0]), np.array([1.0, 3.0])


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_numpy_acts_as_torch_does(activation: str) -> None:
    rng = np.random.default_rng(0)
    network = PolicyNetwork(NetworkConfig((8, 6), activation), 3, LOW, HIGH, seed=1)  # type: ignore[arg-type]
    seen = rng.normal(size=(30, 3)) * [1e3, 1, 1e-3] + [1e5, 0, 0]
    network.normalise(seen)
    expected = network(torch.as_tensor(seen)).detach().numpy()
    policy = NetworkPolicy(network)
    np.testing.assert_allclose(policy(seen), expected, atol=1e-9)
    np.testing.assert_array_equal(policy.predict(seen[0])[0], policy(seen[0]))
    assert (policy(seen * 100) <= HIGH).all()
    with pytest.raises(ShapeError, match=r"the policy is for \(..., 3\)"):
        policy(seen[:, :2])


def test_checkpoints_return_what_was_saved(tmp_path: Path) -> None:
    network = PolicyNetwork(NetworkConfig((4,)), 3, LOW, HIGH, seed=2)
    network.normalise(np.random.default_rng(0).normal(size=(9, 3)))
    checkpoint.save(network, tmp_path / "policy", {"env_id": "x"})
    loaded, meta = checkpoint.load(tmp_path / "policy")
    assert meta["env_id"] == "x"
    for a, b in zip(network.state_dict().values(), loaded.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    save_tensors(tmp_path / "other", {"a": np.zeros(2)}, {}, {"kind": "policy"})
    with pytest.raises(CheckpointError, match="holds a 'policy', expected a policy network"):
        checkpoint.load(tmp_path / "other")
    save_tensors(tmp_path / "odd", {"low": LOW, "high": HIGH}, {}, {"kind": checkpoint.KIND})
    with pytest.raises(CheckpointError, match="do not fit"):
        checkpoint.load(tmp_path / "odd")


def test_a_network_of_given_layers() -> None:
    rng = np.random.default_rng(3)
    layers = [(rng.normal(size=(5, 3)), rng.normal(size=5)), (rng.normal(size=(2, 5)), np.ones(2))]
    seen = rng.normal(size=(20, 3))
    (W, b), (V, c) = layers
    expected = np.clip(np.maximum(seen @ W.T + b, 0) @ V.T + c, LOW, HIGH)
    policy = NetworkPolicy(from_arrays(layers, LOW, HIGH))
    np.testing.assert_allclose(policy(seen), expected, atol=1e-12)
    with pytest.raises(ShapeError, match="layer 1 has weights"):
        from_arrays([layers[0], (V[:, :4], c)], LOW, HIGH)
    with pytest.raises(ShapeError, match="no width"):
        from_arrays(layers, LOW, LOW)
