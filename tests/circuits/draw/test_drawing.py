"""The wiring as a graph and as a figure."""

from __future__ import annotations

import sys

import networkx as nx
import numpy as np
import pytest
import torch
from matplotlib.patches import FancyArrowPatch

from sparsectl.circuits import Body, Circuit, CircuitConfig, lesion
from sparsectl.circuits.draw.drawing import draw, save
from sparsectl.circuits.draw.wiring import wiring
from sparsectl.circuits.policy import vector


def body(joints):
    return Body(joints, slice(0, joints), 1.0, target=slice(joints, joints + 2))


def texts(figure):
    return [t.get_text() for t in figure.axes[0].texts]


def module():
    circuit = Circuit(CircuitConfig(sharing="module"), body(5))
    noise = np.random.default_rng(0).normal(scale=0.3, size=circuit.count)
    vector.load(circuit, vector.flatten(circuit) + torch.from_numpy(noise))
    return circuit


RICH = CircuitConfig(
    reach=3,
    reflex=2,
    speed=True,
    turn=True,
    turn_joints=2,
)


def test_the_graph_of_the_paper_s_circuit():
    graph = wiring(Circuit(CircuitConfig(), body(5)))
    told = {"joints": 5, "crossed": False, "onset": "dorsal", "parameters": 4}
    told["period"] = pytest.approx(60)
    assert graph.graph == told
    assert graph.number_of_nodes() == 1 + 5 * 6
    assert graph.number_of_edges() == 2 * (4 + 1 + 5 + 5)
    assert set(graph.successors("sensor_dorsal_1")) == {"neuron_dorsal_2"}
    assert set(graph.predecessors("neuron_ventral_0")) == {"oscillator_0"}
    crossed = graph.edges["neuron_ventral_3", "muscle_dorsal_3"]
    assert crossed == {
        "group": "contralateral",
        "weight": -1.0,
        "sign": "inhibitory",
        "cut": False,
    }


def test_the_weights_of_the_graph_make_the_actions():
    circuit, state = module(), torch.tensor([0.6], dtype=torch.float64)
    graph = wiring(circuit)
    angles = torch.from_numpy(np.random.default_rng(1).normal(size=7))
    bent = np.clip(angles.numpy()[:5], -1, 1)
    active = {"oscillator_0": {"dorsal": 0.0, "ventral": 1.0}}
    for name in nx.topological_sort(graph):
        data = graph.nodes[name]
        if data["kind"] == "sensor":
            active[name] = max(bent[data["joint"]] * (1 if data["side"] == "dorsal" else -1), 0)
        elif data["kind"] in ("neuron", "muscle"):
            given = [
                (active[s] if s != "oscillator_0" else active[s][data["side"]]) * e["weight"]
                for s, _, e in graph.in_edges(name, data=True)
            ]
            active[name] = np.clip(sum(given), 0, 1)
    expected = [active[f"muscle_dorsal_{i}"] - active[f"muscle_ventral_{i}"] for i in range(5)]
    np.testing.assert_allclose(circuit(angles, state)[0].detach(), expected, atol=1e-12)


def test_lesions_are_marked():
    graph = wiring(lesion(module(), ["proprioceptor:1", "module:3", "contralateral"]))
    cut = {n for n, data in graph.nodes.items() if data["cut"]}
    sides = ("dorsal", "ventral")
    assert cut == {f"sensor_{s}_1" for s in sides} | {
        f"{kind}_{s}_3" for kind in ("neuron", "muscle") for s in sides
    }
    assert graph.edges["sensor_dorsal_1", "neuron_dorsal_2"]["cut"]
    assert graph.edges["neuron_dorsal_0", "muscle_ventral_0"]["cut"]
    assert not graph.edges["neuron_dorsal_0", "muscle_dorsal_0"]["cut"]


def test_the_graph_is_exported(tmp_path):
    graph = wiring(Circuit(RICH, body(4)))
    nx.write_graphml(graph, tmp_path / "circuit.graphml")
    read = nx.read_graphml(tmp_path / "circuit.graphml")
    assert read.edges["speed", "neuron_dorsal_0"]["weight"] == -1
    assert dict(read.nodes) == dict(graph.nodes)


def test_the_figure_carries_the_weights_once_where_they_are_shared():
    circuit = Circuit(CircuitConfig(), body(5))
    vector.load(circuit, torch.tensor([1.47, 0.53, 1.32, -0.87], dtype=torch.float64))
    numbers = [t for t in texts(draw(circuit)) if any(c.isdigit() for c in t)]
    assert sorted(numbers) == sorted(["1.47", "0.53", "1.32", "−0.87"])


def test_the_figure_carries_every_weight_of_single_joints():
    circuit = module()
    shown = texts(draw(circuit))
    for weight in vector.flatten(circuit).tolist():
        assert f"{weight:.2f}".replace("-", "−") in shown


def test_a_figure_has_a_line_for_every_synapse():
    for circuit in (Circuit(CircuitConfig(), body(1)), Circuit(RICH, body(7)), module()):
        drawn = [p for p in draw(circuit).axes[0].patches if isinstance(p, FancyArrowPatch)]
        assert len(drawn) == wiring(circuit).number_of_edges()


def test_long_receptive_fields_have_rows_of_weights():
    shown = texts(draw(Circuit(RICH, body(7))))
    assert {"from 2 joints ahead", "from 3 joints ahead", "right", "left", "speed"} <= set(shown)


@pytest.mark.parametrize("suffix", [".png", ".svg"])
def test_figures_are_saved_and_not_overwritten_by_chance(tmp_path, suffix):
    figure, path = draw(lesion(module(), "module:2")), tmp_path / f"circuit{suffix}"
    save(figure, path)
    before = path.read_bytes()
    assert len(before) > 5_000
    with pytest.raises(Exception, match="exists"):
        save(figure, path)
    save(figure, path, force=True)


def test_drawing_needs_no_display(tmp_path, monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.setenv("MPLBACKEND", "TkAgg")
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)  # importing it fails
    save(draw(Circuit(CircuitConfig(), body(3))), tmp_path / "circuit.png")
    assert (tmp_path / "circuit.png").read_bytes()[:4] == b"\x89PNG"
