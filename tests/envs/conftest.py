"""The variants of every task that the tests go through."""

from __future__ import annotations

import gymnasium
import pytest

import sparsectl  # noqa: F401

VARIANTS = [
    ("sparsectl/Rope-v0", {}),
    ("sparsectl/Rope-v0", {"pole": True}),
    ("sparsectl/Rope-v0", {"pole": True, "goals": "around"}),
    ("sparsectl/PushT-v0", {}),
    ("sparsectl/PushT-v0", {"start": "easy"}),
    ("sparsectl/PushT-v0", {"obstacle": True}),
    ("sparsectl/PushT-v0", {"start": "beside", "obstacle": True}),
    ("sparsectl/PushBox-v0", {}),
    ("sparsectl/PushBox-v0", {"start": "easy", "obstacle": True}),
    ("sparsectl/Sort-v0", {}),
    ("sparsectl/Sort-v0", {"discs": 8}),
    ("sparsectl/CartPole-v0", {}),
    ("sparsectl/CartPole-v0", {"start": "upright"}),
    ("sparsectl/WallPole-v0", {}),
    ("sparsectl/PushGate-v0", {}),
    ("sparsectl/Slalom-v0", {}),
    ("sparsectl/PiecewiseAffine-v0", {}),
    ("sparsectl/PiecewiseAffine-v0", {"states": 4, "actions": 2, "system_seed": 3}),
]


def _name(variant: tuple[str, dict]) -> str:
    return "-".join([variant[0].split("/")[1], *(f"{k}={v}" for k, v in variant[1].items())])


@pytest.fixture(params=VARIANTS, ids=_name)
def variant(request):
    return request.param


@pytest.fixture
def env(variant):
    made = gymnasium.make(variant[0], **variant[1])
    yield made
    made.close()


@pytest.fixture(autouse=True)
def _no_warning_log(tmp_path, monkeypatch):
    """MuJoCo writes MUJOCO_LOG.TXT into the current directory when a simulation goes wrong."""
    monkeypatch.chdir(tmp_path)
    yield
    assert not (tmp_path / "MUJOCO_LOG.TXT").exists()
