"""Models from elsewhere in a config, and ours as files for elsewhere."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import cli_runs
import numpy as np
import pytest
import torch
import yaml
from torch import nn

from sparsectl import cli, dynamics
from sparsectl.exchange import onnx_read, onnx_write
from sparsectl.policies import checkpoint as policies
from sparsectl.policies.network import NetworkConfig, PolicyNetwork

pytest.importorskip("onnx")
TINY = cli_runs.config("""
model: {from: net.onnx, predicts: change}
controllers: {mip: {nodes: 50, starts: []}, mppi: {samples: 16, iterations: 1}}
evaluate: {episodes: 2, steps: 3, workers: 1, engine: serial, planned_states: 2, clips: 0}
""")


@pytest.fixture
def net(monkeypatch, tmp_path):
    """A network of the task's sizes, which is in `net.onnx`."""
    cli_runs.home(monkeypatch, tmp_path, TINY)
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)).double()
    write(net, "net.onnx")
    return net


def write(net, path):
    from sparsectl.exchange import torch_read

    program = torch_read.read(net, (3,))
    Path(path).write_bytes(onnx_write.program(program, {"v": 3}, "y"))


def files():
    return sorted(str(p) for p in Path().rglob("*") if p.is_file())


def test_a_config_plans_with_a_file_that_is_read_once(net, capsys):
    assert cli_runs.run("run") == 0
    told = capsys.readouterr().err
    assert "takes [state; action] and gives the change of the state; 4 ReLUs" in told
    assert not Path("runs/tiny/data").exists()
    rows = Path("runs/tiny/compare/episodes.jsonl").read_text().splitlines()
    assert {json.loads(row)["model"] for row in rows} == {"net"}
    model, meta = dynamics.load("runs/tiny/model")
    v = torch.randn(9, 3, dtype=torch.float64)
    expected = v[:, :2] + net(v)
    assert torch.allclose(model(v[:, :2], v[:, 2:]), expected, rtol=0, atol=1e-12)
    assert meta["imported"]["predicts"] == "change"
    assert cli_runs.run("train") == 0
    assert "was read before" in capsys.readouterr().err
    assert cli_runs.run("plan", "--only", "mip") == 0
    assert yaml.safe_load(Path("runs/tiny/config.yaml").read_text())["model"]["from"] == "net.onnx"
    write(nn.Linear(3, 2), "net.onnx")
    assert cli_runs.run("plan") == 2
    assert "was made with another config: model.sha256" in capsys.readouterr().err


@pytest.mark.usefixtures("net")
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--model.from", "nett.onnx", "--model.predicts", "next"], "did you mean 'net.onnx'?"),
        (["--model.from", "net.onnx"], "needs `predicts: next` or `predicts: change`"),
        (["--model.predicts", "nxt"], "did you mean 'next'?"),
        (["--env.id", "InvertedPendulum-v5"], "takes 3 numbers and gives 2, expected 5"),
        (["--model.from", "tiny.yaml", "--model.predicts", "next"], "is no valid ONNX file"),
        (["--online.rounds", "1"], "takes the network of a file as it is"),
    ],
)
def test_a_file_that_does_not_fit_is_one_clear_error_before_anything_is_created(
    words, said, capsys
):
    before = files()
    assert cli_runs.run("run", *words) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1
    assert files() == before


@pytest.mark.usefixtures("net")
def test_a_model_and_a_policy_go_out_and_nothing_is_replaced(capsys):
    model = dynamics.build(dynamics.MLPConfig((5,)), {"observation": slice(0, 2)}, 2, 1)
    dynamics.save(model, "runs/other/sparse/5", {"env_id": "Any-v0"})
    words = ["export", "--model", "runs/other/sparse/5", "--out", "five.onnx"]
    assert cli.main(words) == 0
    assert "[state 2; action 1] to next state, 5 ReLUs, float64" in capsys.readouterr().err
    back = dynamics.from_onnx("five.onnx", predicts="next")
    x, u = torch.randn(9, 2), torch.randn(9, 1)
    assert torch.allclose(back(x, u).float(), model(x, u), rtol=0, atol=1e-6)
    assert cli.main(words) == 2
    assert "'five.onnx' is there already" in capsys.readouterr().err
    policy = PolicyNetwork(NetworkConfig((4,)), 3, np.array([-1.0]), np.array([1.0]))
    policies.save(policy, "policy")
    assert cli.main(["export", "--model", "policy", "--out", "policy.onnx"]) == 0
    assert onnx_read.read("policy.onnx")[1] == {"observation": 3}


@pytest.mark.usefixtures("net")
def test_what_cannot_go_out_is_said(capsys, monkeypatch):
    names = {"observation": slice(0, 4)}
    graph = dynamics.build(dynamics.GraphConfig(edge=(3,), node=(3,)), names, 4, 2)
    dynamics.save(graph, "graph")
    assert cli.main(["export", "--model", "graph", "--out", "graph.onnx"]) == 2
    assert "is a graph network" in capsys.readouterr().err
    assert cli.main(["export", "--model", "nowhere", "--out", "graph.onnx"]) == 2
    assert "nowhere" in capsys.readouterr().err
    monkeypatch.setattr(onnx_read.importlib.util, "find_spec", lambda name: None)
    monkeypatch.delitem(sys.modules, "onnx")
    assert cli.main(["export", "--model", "graph", "--out", "graph.onnx"]) == 2
    assert "pip install 'sparsectl[onnx]'" in capsys.readouterr().err
    assert not Path("graph.onnx").exists()
