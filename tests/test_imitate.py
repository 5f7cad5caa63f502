"""A planner that is asked while a policy acts, and the command that trains the policy."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import cli_runs
import numpy as np
import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parent / "evaluate"))  # workers find it, too

import players
import synthetic_env
import torch

from sparsectl import cli
from sparsectl.errors import ConfigError
from sparsectl.evaluate.player import Player, Setting
from sparsectl.imitate import Labeller, prices
from sparsectl.policies import checkpoint
from sparsectl.policies.imitation import Labelled
from sparsectl.policies.network import NetworkPolicy, from_arrays
from sparsectl.task import value

CEM = {"kind": "cem", "samples": 16, "elites": 4, "iterations": 2}
TINY = cli_runs.config("""
imitate: {rounds: 2, episodes: 3, steps: 4, hidden: [6], fit: {epochs: 5}}
controllers: {mip: {starts: [], seconds: null, explore: 0}, mppi: {samples: 16, iterations: 1}}
evaluate: {episodes: 1, steps: 3, workers: 1, engine: serial, planned_states: 0, clips: 0}
""")
RUN = Path("runs/tiny")


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> str:
    return str(synthetic_env.save_model(tmp_path_factory.mktemp("model") / "exact"))


def labeller(model: str, budget: float | None = None, entry=CEM, **options) -> Labeller:
    env = {"offers_error": False}
    setting = Setting(synthetic_env.ENV, env, synthetic_env.TASK, 2, 5, budget, 0)
    options = {"engine": "serial", **options}
    return Labeller(Player(setting, "imitated", model, "it", entry, "d"), **options)


def asked(ask: Labeller, policy=None, share=1.0, episodes=(0, 1, 2)) -> list[Labelled]:
    found: dict[int, Labelled | str] = {}
    ask(policy, share, episodes, 7, found.__setitem__)
    assert all(isinstance(e, Labelled) for e in found.values()), found
    return [found[i] for i in episodes]  # type: ignore[misc]


def upwards(task_size: int = 4) -> NetworkPolicy:
    """Always (.5, 1)."""
    layers = [(np.zeros((2, task_size)), np.array([0.5, 1.0]))]
    return NetworkPolicy(from_arrays(layers, -np.ones(2), np.ones(2)))


def test_the_planner_acts_or_the_policy_does_and_the_planner_says_what_to_do(model):
    gain = synthetic_env.GAIN
    for found in asked(labeller(model)):
        assert found.steps == len(found.actions) == 5
        moved = np.diff(found.observations[:, :2], axis=0)
        np.testing.assert_allclose(moved, gain * found.actions[:-1], atol=1e-6)
        assert found.score["success"] is None
        assert found.score["return"] < 0
        assert found.label_seconds > 0
    for found in asked(labeller(model), upwards(), 0.0):
        moved = np.diff(found.observations[:, :2], axis=0)
        np.testing.assert_allclose(moved, np.tile([0.05, 0.1], (4, 1)), atol=1e-6)
        to_goal = found.observations[:, 2:] - found.observations[:, :2]
        far = np.abs(to_goal) > 0.2
        assert (np.sign(found.actions) == np.sign(to_goal))[far].all(), "labels are the planner's"
    mixed = asked(labeller(model), upwards(), 0.5)
    by_policy = [
        np.allclose(move, [0.05, 0.1], atol=1e-6)
        for found in mixed
        for move in np.diff(found.observations[:, :2], axis=0)
    ]
    assert 2 <= sum(by_policy) <= 10


def test_labels_do_not_depend_on_the_order_of_episodes(model):
    one = asked(labeller(model), upwards(), 0.5, (0, 1))
    two = asked(labeller(model), upwards(), 0.5, (1, 0))[::-1]
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a.observations, b.observations)
        np.testing.assert_array_equal(a.actions, b.actions)


def test_what_a_fallback_does_is_no_label(model, monkeypatch):
    ask = labeller(model)
    late = players.Direct(fallback="deadline")
    monkeypatch.setitem(sys.modules["sparsectl.evaluate.unit"]._built, ask.player.key, late)
    (found,) = asked(ask, episodes=(0,))
    assert (found.steps, found.actions.shape, found.observations.shape) == (5, (0, 2), (0, 4))


@pytest.mark.parametrize(("step", "labels", "lost"), [(1, 5, 0.0), (3, 0, 1.0)])
def test_a_plan_that_ends_beyond_a_limit_is_no_label_and_three_end_the_episode(
    model, monkeypatch, step, labels, lost
):
    ask = labeller(model)
    plans = players.Direct(info={"violated": {"step": step}})
    monkeypatch.setitem(sys.modules["sparsectl.evaluate.unit"]._built, ask.player.key, plans)
    (found,) = asked(ask, episodes=(0,))
    assert (len(found.actions), found.score["lost"]) == (labels, lost)
    assert found.steps == (2 if lost else 5)
    assert (found.score["return"] is None) == bool(lost)


def test_what_is_wrong_with_the_planner_is_said_at_once(model):
    with pytest.raises(ConfigError, match="unknown key 'sample'"):
        labeller(model, entry={"kind": "cem", "sample": 3}).check()


@pytest.fixture
def trained(tmp_path, monkeypatch):
    cli_runs.home(monkeypatch, tmp_path, TINY)
    assert cli_runs.run("collect") == cli_runs.run("train") == 0


def imitate(*words: str) -> int:
    return cli.main(["policy", "imitate", "--config", "tiny.yaml", *words])


@pytest.mark.usefixtures("trained")
def test_a_policy_is_trained_by_one_command_and_only_once(capsys):
    assert imitate() == 2
    assert "say who is imitated: `--controller NAME`, one of mip, mppi" in capsys.readouterr().err
    assert imitate("--imitate.controller", "mipp") == 2
    assert "controller 'mipp' is none of `controllers` (did you mean 'mip'?)" in (
        capsys.readouterr().err
    )
    assert not (RUN / "imitation").exists()
    assert imitate("--controller", "mip") == 0
    network, meta = checkpoint.load(RUN / "imitation")
    assert (meta["made_by"], meta["env_id"]) == ("imitation of mip", "sparsectl/PiecewiseAffine-v0")
    assert (meta["env_steps"], meta["labels"], meta["rounds"]) == (24, 24, 2)
    assert network.config.hidden == (6,)
    header, *rows = (RUN / "imitation.csv").read_text().splitlines()
    assert header.startswith("round,planner_share,env_steps,labels,return,final_error,success")
    assert [r.split(",")[:4] for r in rows] == [["1", "1.0", "12", "12"], ["2", "0.0", "24", "24"]]
    before = (RUN / "imitation" / "meta.json").read_text()
    capsys.readouterr()
    assert imitate("--controller", "mip") == 0
    assert "imitate: done before (runs/tiny/imitation)" in capsys.readouterr().err
    assert imitate("--controller", "mppi") == 2
    assert "made with another config" in capsys.readouterr().err
    assert (RUN / "imitation" / "meta.json").read_text() == before
    assert imitate("--controller", "mip", "--imitate.rounds", "3") == 0
    assert "round 3, 36 labels" in capsys.readouterr().err
    first = checkpoint.load(RUN / "imitation")[0].state_dict()
    assert imitate("--controller", "mip", "--imitate.rounds", "3", "--force") == 0
    again = checkpoint.load(RUN / "imitation")[0].state_dict()
    assert all(torch.equal(first[k], again[k]) for k in first)


@pytest.mark.usefixtures("trained")
def test_a_run_whose_controllers_name_the_imitation_makes_it_first(capsys):
    more = """
imitate: {controller: mip, rounds: 1, episodes: 2, steps: 4, hidden: [6], fit: {epochs: 5}}
controllers:
  mip: {starts: [], seconds: null, explore: 0}
  learnt: {kind: policy, path: imitation}
  started: {kind: mppi, samples: 16, iterations: 1, proposal: imitation}
"""
    Path("tiny.yaml").write_text(yaml.safe_dump(yaml.safe_load(TINY) | yaml.safe_load(more)))
    assert cli_runs.run("compare") == 2
    assert "imitation" in capsys.readouterr().err
    assert cli_runs.run("run") == 0
    assert checkpoint.load(RUN / "imitation")[1]["labels"] == 8
    rows = (RUN / "compare" / "summary.csv").read_text()
    assert all(name in rows for name in ("learnt", "started"))


def test_the_states_on_a_plans_way_cost_what_it_still_pays_and_another_may_act(model):
    def lot(controller: str, **options):
        ask = labeller(model, entry={**CEM, "horizon": 4})
        short = labeller(model, entry={**CEM, "horizon": 2}).player
        options |= {"actor": short} if controller == "short" else {}
        return prices(ask, np.zeros((0, 4)), 1, 0.0, 3, **options)[0]

    whole, parts = lot("far"), lot("far", steps=2)
    assert (len(whole.costs), len(parts.costs)) == (5, 10)
    np.testing.assert_array_equal(parts.inputs[::2], whole.inputs)
    # Two steps and then the other two are the plan: the same weight at every step.
    np.testing.assert_allclose(parts.costs[::2] + parts.costs[1::2], whole.costs, rtol=1e-9)
    other = lot("short")
    np.testing.assert_array_equal(other.inputs[0], whole.inputs[0])
    assert other.costs[0] == whole.costs[0]
    assert not np.array_equal(other.inputs[1:], whole.inputs[1:])


@pytest.mark.usefixtures("trained")
def test_a_value_network_is_fitted_by_one_command_and_planners_read_it(capsys):
    words = ("--value.states", "20", "--value.episodes", "2", "--value.fit.epochs", "5",
             "--value.steps", "2", "--value.rounds", "1")  # fmt: skip
    fit = ["policy", "value", "--config", "tiny.yaml", "--value.horizon", "4", *words]
    assert cli.main([*fit, "--value.controller", "zero"]) == 2
    assert "value: controller 'zero' is none of `controllers`" in capsys.readouterr().err
    assert cli.main([*fit, "--controller", "mip"]) == 0
    assert "value: mip, 4 steps ahead, at 20 states and in 2 episodes" in capsys.readouterr().err
    meta = json.loads((RUN / "value" / "meta.json").read_text())
    assert meta["states"] == 2 * (20 + 2 * 2 * 3)  # two on the way of every plan
    found = value.load(RUN / "value")
    assert (dict(found.state), dict(found.goal)) == ({"observation": 2}, {})
    assert cli.main([*fit, "--controller", "mip"]) == 0
    assert "value: done before (runs/tiny/value)" in capsys.readouterr().err
    plan = ("plan", "--config", "tiny.yaml", "--task.cost.value", str(RUN / "value"))
    assert cli.main([*plan, "--controllers.mip.seconds", "0.3"]) == 0
    assert "optimal" in capsys.readouterr().out
    assert cli.main([*plan, "--controllers.mip.backend", "hull"]) == 2
    assert "backend 'hull' cannot plan here: a value network stands at the end" in (
        capsys.readouterr().err
    )
