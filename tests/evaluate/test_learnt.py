"""What players were learnt from: counted whole, in the table and in a figure."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
import fake_results

from sparsectl import checkpoint
from sparsectl.evaluate import plots, results, table
from sparsectl.evaluate.learnt import learnt
from sparsectl.evaluate.player import Player, Setting
from sparsectl.evaluate.summary import summarise
from sparsectl.policies import checkpoint as networks
from sparsectl.policies.network import NetworkConfig, PolicyNetwork
from sparsectl.task import TaskConfig

SETTING = Setting("x", {}, TaskConfig(), 4, 3, None, 0)
CURVE = [
    {"steps": 500, "return_mean": -9.0, "errors": [0.5, 0.4, 0.3, None], "costs": [1.0] * 4},
    {"steps": 9000, "return_mean": -4.0, "errors": [0.05, 0.04, 0.03, 0.02], "costs": [0.5] * 4},
]


@pytest.fixture
def paths(tmp_path):
    """A model of known cost and a policy with its curve."""
    model = {"transitions": 700, "cpu_seconds": 2.5}
    checkpoint.save_tensors(tmp_path / "model", {"a": np.zeros(1)}, {}, model)
    network = PolicyNetwork(NetworkConfig((4,)), 2, -np.ones(1), np.ones(1))
    meta = {"env_steps": 9000, "cpu_seconds": 7.0, "curve": CURVE}
    networks.save(network, tmp_path / "policy", meta)
    return tmp_path


def test_a_policy_counts_itself_a_planner_its_model_and_one_with_both_the_sum(paths):
    entries = {
        "mip": {},
        "ppo": {"kind": "policy", "path": str(paths / "policy")},
        "both": {"kind": "cem", "proposal": str(paths / "policy")},
    }
    players = [
        Player(SETTING, "m", str(paths / "model"), name, entry, "d")
        for name, entry in entries.items()
    ]
    found = learnt(players)
    spent = {k: (f["env_steps"], f["cpu_seconds"], f["policy"]) for k, f in found.items()}
    assert spent == {
        "m/mip": (700, 2.5, False),
        "m/ppo": (9000, 7.0, True),
        "m/both": (9700, 9.5, False),
    }
    assert [row["steps"] for row in found["m/ppo"]["curve"]] == [500, 9000]


def test_what_is_not_known_is_not_told(paths):
    checkpoint.save_tensors(paths / "old", {"a": np.zeros(1)}, {}, {"transitions": 700})
    found = learnt([Player(SETTING, "m", str(paths / "old"), "mip", {}, "d")])
    assert found["m/mip"]["cpu_seconds"] is None


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = fake_results.write(tmp_path_factory.mktemp("fake"), episodes=3, pictures=False)
    return results.read(folder)


def test_a_comparison_without_policies_is_as_it_was(found):
    assert plots.FIGURES["error_against_steps"][0](found) is None
    lines = summarise(found)
    assert "env. steps" not in [c.title for c in table.columns(found, lines)]


def test_curves_and_points_stand_in_one_figure_and_columns_in_the_table(found):
    told = dict(found.settings["learnt"])
    told["model/zero"] = {"env_steps": 9000, "cpu_seconds": 7.0, "policy": True, "curve": CURVE}
    with_policy = replace(found, settings={**found.settings, "learnt": told})
    axes = plots.FIGURES["error_against_steps"][0](with_policy).axes[0]
    course = next(line for line in axes.get_lines() if len(line.get_xdata()) == 2)
    assert list(course.get_xdata()) == [500, 9000]
    np.testing.assert_allclose(course.get_ydata(), [400, 35])  # the error's unit is mm
    at = {tuple(line.get_xdata()) for line in axes.get_lines() if len(line.get_xdata()) == 1}
    assert at == {(50_000,), (9000,)}
    lines = summarise(with_policy)
    columns = {c.title: c for c in table.columns(with_policy, lines)}
    line = next(x for x in lines if x["controller"] == "zero")
    assert columns["env. steps"].cell(line) == "9,000"
    assert columns["learnt [CPU s]"].cell(line) == "7"
