"""Training configs, schedules, devices."""

from __future__ import annotations

import pytest
import torch

from sparsectl.dynamics import TrainConfig, select_device
from sparsectl.dynamics.config import rate
from sparsectl.errors import ConfigError


def test_schedules():
    config = {n: TrainConfig(100, learning_rate=0.1, schedule=n) for n in SCHEDULES}
    rates = {n: [rate(c, s) for s in range(101)] for n, c in config.items()}
    assert set(rates["constant"]) == {0.1}
    assert rates["cosine"][0] == pytest.approx(0.1)
    assert rates["cosine"] == sorted(rates["cosine"], reverse=True)
    assert max(rates["onecycle"]) == pytest.approx(rates["onecycle"][30]) == pytest.approx(0.1)
    assert rates["onecycle"][0] == pytest.approx(0.004)
    assert rates["cosine"][100] == pytest.approx(0) == pytest.approx(rates["onecycle"][100])


SCHEDULES = ("constant", "cosine", "onecycle")


@pytest.mark.parametrize(
    "values",
    [
        {"steps": 0},
        {"batch_size": -1},
        {"rollout_steps": 0},
        {"check_every": 0},
        {"learning_rate": 0.0},
        {"learning_rate": float("nan")},
        {"noise": -0.1},
        {"weight_decay": float("inf")},
        {"grad_clip": 0.0},
        {"validation_fraction": 1.0},
        {"patience": 0},
    ],
)
def test_values_without_meaning_are_refused_by_name(values):
    with pytest.raises(ConfigError, match=next(iter(values))):
        TrainConfig(**values)


def test_devices():
    assert select_device("cpu") == torch.device("cpu")
    assert select_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    for name in ("gpu", "tpu:0", "meta"):
        with pytest.raises(ConfigError, match=f"unknown device '{name}'"):
            select_device(name)
    with pytest.raises(ConfigError, match="'cuda:99' is not there"):
        select_device("cuda:99")
