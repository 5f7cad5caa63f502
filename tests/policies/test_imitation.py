"""Imitation: networks fitted to labels, rounds of playing and asking, and going on after a kill."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from sparsectl.errors import ConfigError, DataError
from sparsectl.policies.config import FitConfig, ImitateConfig
from sparsectl.policies.imitation import Imitated, Labelled, imitate
from sparsectl.policies.network import NetworkConfig, NetworkPolicy, PolicyNetwork
from sparsectl.policies.regression import fit

BOX = np.array([-2.0]), np.array([1.0])
QUICK = FitConfig(epochs=50, patience=20, batch_size=64, learning_rate=1e-2)


def wise(observations: np.ndarray) -> np.ndarray:
    """What the one who is asked does: steep, and at the limits of the box most of the time."""
    return np.clip(3 * observations[..., :1] - observations[..., 1:], *BOX)


def test_a_network_learns_labels_and_an_output_beyond_a_limit_is_no_error():
    rng = np.random.default_rng(0)
    seen = rng.normal(size=(600, 2))
    network = PolicyNetwork(NetworkConfig((16,)), 2, *BOX, seed=1)
    fitted = fit(network, seen, wise(seen), np.repeat(np.arange(12), 50), QUICK, seed=0)
    assert fitted.held_out < 0.05
    new = rng.normal(size=(200, 2))
    assert np.abs(NetworkPolicy(network)(new) - wise(new)).mean() < 0.05
    outputs = network.unclipped(torch.as_tensor(seen)).detach().numpy()
    assert outputs.max() > BOX[1] + 0.5, "as nothing pulls it back to the limit"


def test_labels_of_one_episode_are_too_few():
    network, rows = PolicyNetwork(NetworkConfig((4,)), 2, *BOX), np.ones((9, 2))
    with pytest.raises(DataError, match="1 episodes have labels, expected at least 2"):
        fit(network, rows, rows[:, :1], np.zeros(9), QUICK, seed=0)


class Drift:
    """x' = x + u in noise; plays and asks, and notes how it was asked."""

    def __init__(self, dies_at: int | None = None, failing: int = 0, silent: bool = False) -> None:
        self.asked: list[tuple[bool, float, tuple[int, ...]]] = []
        self.dies_at, self.failing, self.silent, self.played = dies_at, failing, silent, 0

    def __call__(self, policy, share, episodes, seed, on_episode) -> None:
        self.asked.append((policy is not None, share, tuple(episodes)))
        for i in reversed(episodes):  # whoever ends first comes first
            if self.played == self.dies_at:
                raise KeyboardInterrupt
            self.played += 1
            if i < self.failing:
                on_episode(i, "it fell over")
                continue
            on_episode(i, self.episode(policy, share, np.random.default_rng((seed, i))))

    def episode(self, policy, share, rng) -> Labelled:
        x, seen = rng.normal(size=2), []
        for _ in range(12):
            seen.append(x)
            asked = policy is None or rng.random() < share
            u = wise(x) if asked else policy(x)
            x = np.array([x[0] - 0.2 * u[0], x[1]]) + 0.1 * rng.normal(size=2)
        rows = np.array(seen)[: 0 if self.silent else None]
        score = {"return": -float(abs(x[0])), "final_error": float(abs(x[0])), "success": None}
        return Labelled(rows, wise(rows), 12, score, 0.5, 0.25)


CONFIG = ImitateConfig(rounds=3, episodes=6, mixture=0.5, hidden=(8,), fit=QUICK)


def trained(label: Drift, folder: Path | None = None, config: ImitateConfig = CONFIG) -> Imitated:
    return imitate(config, label, BOX, folder=folder, fingerprint={"model": "a"})


def same(a: Imitated, b: Imitated) -> bool:
    pairs = zip(a.network.state_dict().values(), b.network.state_dict().values(), strict=True)
    return all(torch.equal(x, y) for x, y in pairs)


@pytest.fixture(scope="module")
def whole() -> tuple[Imitated, Drift]:
    label = Drift()
    return trained(label), label


def test_the_planner_acts_first_and_the_policy_more_and_more(whole):
    found, label = whole
    everyone = tuple(range(6))
    assert label.asked == [(False, 1.0, everyone), (True, 0.5, everyone), (True, 0.25, everyone)]
    assert [row["labels"] for row in found.curve] == [72, 144, 216]
    assert [row["round"] for row in found.curve] == [1, 2, 3]
    assert found.curve[0]["success"] is None
    assert found.facts["env_steps"] == 216
    assert found.facts["label_seconds"] == 9.0
    assert found.curve[-1]["held_out_error"] < 0.3
    seen = np.random.default_rng(5).normal(size=(300, 2))
    assert np.abs(NetworkPolicy(found.network)(seen) - wise(seen)).mean() < 0.3


@pytest.mark.parametrize("dies_at", [3, 9])
def test_a_killed_run_goes_on_and_gives_the_network_of_one_that_was_not(
    whole, tmp_path, dies_at, monkeypatch
):
    monkeypatch.setattr("sparsectl.policies.imitation.SAVE_EVERY", 0.0)
    folder = tmp_path / "labels"
    with pytest.raises(KeyboardInterrupt):
        trained(Drift(dies_at=dies_at), folder)
    again = Drift()
    found = trained(again, folder)
    assert again.played == 18 - dies_at, "what was played is not played again"
    assert same(found, whole[0])
    free = [{k: v for k, v in row.items() if k != "cpu_seconds"} for row in found.curve]
    assert free == [{k: v for k, v in r.items() if k != "cpu_seconds"} for r in whole[0].curve]
    done = Drift()
    assert same(trained(done, folder), found)
    assert not done.asked
    more = trained(again := Drift(), folder, ImitateConfig(**{**vars(CONFIG), "rounds": 4}))
    assert [a[2] for a in again.asked] == [tuple(range(6))]
    assert len(more.curve) == 4
    with pytest.raises(ConfigError, match=r"changed: imitate.mixture \(0.5 -> None\)"):
        trained(again, folder, ImitateConfig(**{**vars(CONFIG), "mixture": 0.0}))


def test_episodes_that_fail_cost_themselves_and_too_many_are_an_error():
    few = trained(Drift(failing=2), config=ImitateConfig(**{**vars(CONFIG), "rounds": 1}))
    assert few.facts["labels"] == 48
    with pytest.raises(DataError, match="3 of 6 episodes failed: it fell over"):
        trained(Drift(failing=3))
    with pytest.raises(DataError, match=r"gave no labels.*imitate\.seconds"):
        trained(Drift(silent=True))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"rounds": 0}, "imitate: rounds is 0, expected a whole number of at least 1"),
        ({"mixture": 1.5}, "imitate: mixture is 1.5, expected a number from 0 to 1"),
        ({"seconds": 0.0}, "imitate: seconds is 0.0, expected a number above 0"),
        ({"hidden": (8, 0)}, r"imitate: hidden is \[8, 0\]"),
    ],
)
def test_settings_that_make_no_sense_are_refused(values, message):
    with pytest.raises(ConfigError, match=message):
        ImitateConfig(**values)
    with pytest.raises(ConfigError, match=r"fit: held_out is 1\.0"):
        FitConfig(held_out=1.0)
