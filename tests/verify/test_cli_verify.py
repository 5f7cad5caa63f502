"""`sparsectl verify` on a tiny run: what it prints, writes and refuses."""

import csv
import fcntl
import json
import shutil
from pathlib import Path

import cli_runs
import gymnasium
import numpy as np
import pytest

from sparsectl import cli, environment
from sparsectl.cli import verify_table
from sparsectl.policies import checkpoint
from sparsectl.policies.network import NetworkConfig, PolicyNetwork
from sparsectl.task import Task
from sparsectl.verify import replay, starts, worst
from sparsectl.verify.result import Result

TINY = cli_runs.config("""
model: {hidden: [3]}
horizon: 3
task:
  observation: {state: {place: "0:2"}}
  cost: {terms: [{of: place}], action: {norm: l1, weight: 0.01}}
  constraints: {boxes: [{of: place, low: -0.9, high: 0.9}]}
controllers:
  mppi: {samples: 16, iterations: 1}
  net: {kind: policy, path: net}
  smooth: {kind: policy, path: smooth}
  small: {kind: policy, path: small}
verify: {seconds: 0.5, edge: 0.2, replays: 2, workers: 1}
""")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    (folder / "tiny.yaml").write_text(TINY)
    common = ("--config", str(folder / "tiny.yaml"), "--runs", str(folder / "runs"))
    assert cli.main(["collect", *common]) == 0
    assert cli.main(["train", *common]) == 0
    with environment.make("sparsectl/PiecewiseAffine-v0", {}) as env:
        size, box = env.observation_space.shape[0], env.action_space
    for name, config in (("net", NetworkConfig((3,))), ("smooth", NetworkConfig((3,), "tanh"))):
        net = PolicyNetwork(config, size, box.low, box.high)
        checkpoint.save(net, folder / "runs" / "tiny" / name)
    small = PolicyNetwork(NetworkConfig((3,)), size + 1, box.low, box.high)
    checkpoint.save(small, folder / "runs" / "tiny" / "small")
    return folder


@pytest.fixture
def home(trained, tmp_path, monkeypatch) -> Path:
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    return cli_runs.home(monkeypatch, tmp_path, TINY)


def test_it_proves_prints_and_writes(home, capsys):
    words = ("--controller", "net", "--from", "place: [-.5, .5]")
    assert cli_runs.run("verify", *words) == 0
    out = capsys.readouterr().out
    assert "volume of starts: safe" in out
    assert "outside the data" not in out
    found = json.loads((home / "runs/tiny/verify/net/verify.json").read_text())
    assert found["starts"] == {"place[0]": [-0.5, 0.5], "place[1]": [-0.5, 0.5]}
    assert found["proved"]
    assert found["cost"]["value"] <= found["cost"]["bound"]
    assert found["regret"]["value"] <= found["regret"]["bound"]
    cost = next(c for c in found["checks"] if c["what"] == "cost")
    assert cost["model"]["cost"] == pytest.approx(found["cost"]["value"], abs=1e-9)
    assert "cost" in cost["environment"]
    with open(home / "runs/tiny/verify/net/boxes.csv") as file:
        boxes = list(csv.DictReader(file))
    low, high = (np.array([[float(b[f"place[{i}] {e}"]) for i in (0, 1)] for b in boxes])
                 for e in ("low", "high"))  # fmt: skip
    assert np.prod(high - low, axis=1).sum() == pytest.approx(1.0)
    assert (home / "runs/tiny/verify/net/verify.png").stat().st_size > 1000
    assert cli_runs.run("verify", *words) == 2
    assert "already holds results" in capsys.readouterr().err


def test_a_policy_of_the_run_that_the_file_does_not_name_is_told(home, capsys):
    (home / "runs/tiny/policy").mkdir()
    assert cli_runs.run("verify", "--controller", "ppo") == 2
    assert "`controllers: {ppo: {kind: policy, path: policy}}`" in capsys.readouterr().err


def test_what_is_proved_to_be_none_has_no_gap_and_an_end_is_told(capsys):
    box = starts.Starts(-np.ones(1), np.ones(1), ("x",))
    none, cost = (worst.Worst(v, np.zeros(1), b, 1, True, 0.0) for v, b in ((0, 1e-6), (3, 3)))
    seen = {"cost": 1.5, "violated": None, "start_off_by": 0.0, "ended": True, "steps": 2}
    checks = [{"what": "cost", "environment": seen}]
    verify_table.show_all(Result(box, 5, True, None, cost, none, checks=checks))
    out = capsys.readouterr().out
    assert "100.00" not in out
    assert "cost 1.5 until the episode ends at step 2" in out


def test_numbers_that_no_solver_takes_leave_regret_open(home, capsys):
    words = ("--controller", "net", "--from", "place: [-1e300, 1e300]", "--verify.replays", "0")
    assert cli_runs.run("verify", *words) == 0
    out = capsys.readouterr().out
    assert "regret" in out
    assert "some starts are outside the data of the model (place[0] -" in out
    assert "cannot be put into a state" not in out


def test_a_policy_of_another_environment_is_told(home, capsys):
    net = PolicyNetwork(NetworkConfig((3,)), 2, -np.ones(1), np.ones(1))
    checkpoint.save(net, home / "runs/tiny/small", {"env_id": "other/Env-v0"})
    words = ("--controller", "small", "--verify.samples", "1", "--verify.no-regret")
    assert cli_runs.run("verify", *words) == 0
    assert "trained on 'other/Env-v0'" in capsys.readouterr().out


def test_planners_are_sampled_and_that_is_said(home, capsys):
    words = ("--controller", "mppi", "--verify.samples", "3", "--from", "place: [-.5, .5]")
    out = home / "runs/tiny/verify/mppi"
    out.mkdir(parents=True)
    with open(out / ".lock", "w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert cli_runs.run("verify", *words) == 2
    assert "another process works on" in capsys.readouterr().err
    (out / "boxes.csv").write_text("of a proof that --force replaces")
    assert cli_runs.run("verify", *words, "--force") == 0
    assert [p.name for p in out.iterdir()] == ["verify.json"]
    assert "nothing is proved about others" in capsys.readouterr().out
    found = json.loads((home / "runs/tiny/verify/mppi/verify.json").read_text())
    assert not found["proved"]
    assert found["cost"]["bound"] is None
    assert found["verdict"] in ("sampled", "counterexample")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--controller", "net", "--from", "plaec: 0"), "did you mean 'place'"),
        (("--controller", "net", "--from", "place: [.1, -.1]"), "low 0.1 is above high -0.1"),
        (("--controller", "net", "--from", "place: [2, 3]"), "all starts are beyond the high"),
        (("--controller", "net", "--from", "place: [.inf, .inf]"), "expected finite numbers"),
        (("--controller", "net", "--from", "[1, 2, 3], [4, 5, 6]"), "expected 2 numbers, got 3"),
        (("--controller", "net", "--verify.steps", "0"), "expected at least 1"),
        (("--controller", "nte"), "did you mean 'net'"),
        (("--controller", "net", "--from", ""), "--from is empty"),
        (("--controller", "net", "--from", "place: [-1.5e308, 1.5e308]"), "range overflows"),
        (("--controller", "net", "--verify.steps", "1000000"), "end after"),
        (("--controller", "net", "--axes", "place[1]", "place[1]"), "twice"),
        ((), "say which one is verified"),
        (("--controller", "smooth"), "tanh inside.*--verify.samples"),
        (("--controller", "small"), "takes observations of 3 numbers"),
        (("--controller", "net", "--axes", "place", "place[1]"), "no entry with a range"),
        (("--controller", "net", "--task.observation.delay", "1"), "actions that act at once"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_made(home, capsys, words, message):
    assert cli_runs.run("verify", *words) == 2
    import re

    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert re.search(message, error), error
    assert not (home / "runs/tiny/verify").exists()


def test_boxes_by_name_by_entry_and_as_two_lists():
    from sparsectl.config import from_dict
    from sparsectl.task import TaskConfig

    config = {"observation": {"state": {"p": "0:2", "v": "2"}}, "cost": {"terms": [{"of": "p"}]}}
    one = np.ones(1)
    task = Task(from_dict(TaskConfig, config, "task"), 3, -one, one)
    seen = np.array([[0.0, 1.0, 2.0], [0.5, 3.0, 1.0]])
    for text, low, high in (
        ("p[1]: [-.1, .2]", [0, -0.1, 1], [0.5, 0.2, 2]),
        ("p: [[1, 2], [3, 4]], v: 7", [1, 2, 7], [3, 4, 7]),
        ("-.1, .2", [-0.1] * 3, [0.2] * 3),
        ("[-.1, .2]", [-0.1] * 3, [0.2] * 3),
        ("[1, 2, 3], [4, 5, 6]", [1, 2, 3], [4, 5, 6]),
        (None, [0, 1, 1], [0.5, 3, 2]),
    ):
        box = starts.read(text, task, seen)
        np.testing.assert_array_equal(box.low, low)
        np.testing.assert_array_equal(box.high, high)
        assert box.names == ("p[0]", "p[1]", "v")


@pytest.mark.parametrize(
    ("env_id", "state"),
    [
        ("sparsectl/WallPole-v0", [0.1, 0.2, -0.1, 0.3]),
        ("sparsectl/CartPole-v0", [0.1, 0.4, 0.6, 0.8, -0.5]),
        ("CartPole-v1", [0.1, 0.2, -0.1, 0.3]),
        ("InvertedPendulum-v5", [0.1, -0.05, 0.2, 0.3]),
        ("Hopper-v5", [1.2, 0.01, -0.1, 0.05, 0.1, 0.3, -0.2, 0.1, 0.5, -0.4, 0.2]),
    ],
)
def test_environments_are_put_into_states(env_id, state):
    from sparsectl.task import TaskConfig

    with environment.make(env_id, {}) as env:
        task = Task.of(TaskConfig(), env)
        put = replay.setter(env, task, 0)
        assert put is not None
        seen = put(np.array(state))
        np.testing.assert_allclose(seen, state, atol=1e-7)
        later = env.step(task.u_high * (0.1 if env_id.endswith("v5") else 1.0))[0]
        assert 0 < abs(later - seen).max() < 1.0


def test_an_environment_without_a_way_in_is_said_to_have_none():
    from sparsectl.task import TaskConfig

    with environment.make("Pendulum-v1", {}) as env:
        assert replay.setter(env, Task.of(TaskConfig(), env), 0) is None
    with environment.make("InvertedPendulum-v5", {}) as env:  # what is observed is something else
        shifted = gymnasium.wrappers.TransformObservation(env, lambda seen: seen + 1.0, None)
        assert replay.setter(shifted, Task.of(TaskConfig(), shifted), 0) is None
