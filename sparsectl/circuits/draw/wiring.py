"""A circuit as a directed graph: one node per sensor, oscillator, neuron and muscle."""

from __future__ import annotations

import networkx as nx
import numpy as np

from sparsectl.circuits.policy.circuit import Circuit
from sparsectl.circuits.policy.lesions import intact

SIDES = ("dorsal", "ventral")


def wiring(circuit: Circuit) -> nx.DiGraph:
    """Graph of a circuit.

    Nodes are `sensor_dorsal_2`, `oscillator_0`, `neuron_ventral_4`, `muscle_dorsal_0` (number of
    the joint last), and the inputs `speed`, `right`, `left`. Their attributes: `kind`, `side`
    (dorsal, ventral or none), `joint` (-1 for inputs), `cut` (whether a lesion took it out).

    Edges have `group` (kind of synapse), `weight` (after signs and lesions), `sign` (excitatory,
    inhibitory, or none for a weight of 0) and `cut`. An unsigned circuit's signs are those of its
    weights.

    With `crossed` stretch, the edge from a sensor to its own side stands for the one to the other
    side too, whose weight is minus its own.

    The graph has `joints`, `crossed`, `onset`, `parameters` and `period` [control steps]. With
    `onset` by posture, all sensors decide once where the first cycle begins; no edges stand for
    that. Any of networkx's writers exports it.
    """
    body, weights = circuit.body, circuit.weights()
    graph = nx.DiGraph(
        joints=body.joints,
        crossed=circuit.config.crossed,
        onset="dorsal" if "onset" in circuit.lesions else circuit.config.onset,
        parameters=circuit.count,
        period=circuit.steps_per_cycle(),
    )
    _Writer(graph, circuit, weights).write()
    return graph


class _Writer:
    """Adds the nodes and edges of a circuit."""

    def __init__(self, graph: nx.DiGraph, circuit: Circuit, weights: dict[str, np.ndarray]) -> None:
        self.graph, self.circuit, self.weights = graph, circuit, weights
        self.joints = circuit.body.joints
        self.sensors = intact(circuit.lesions, "proprioceptor", self.joints)
        self.modules = intact(circuit.lesions, "module", self.joints)

    def write(self) -> None:
        config = self.circuit.config
        self._node("oscillator", "", 0)
        for joint in range(self.joints):
            for side in SIDES:
                self._node("sensor", side, joint, cut=not self.sensors[joint])
                self._node("neuron", side, joint, cut=not self.modules[joint])
                self._node("muscle", side, joint, cut=not self.modules[joint])
        for name in ("speed",) * config.speed + ("right", "left") * config.turn:
            self.graph.add_node(name, kind="input", side="", joint=-1, cut=name in self._lesions)
        for joint in range(self.joints):
            for row, side in enumerate(SIDES):
                self._synapses(joint, row, side)

    @property
    def _lesions(self) -> set[str]:
        found = set(self.circuit.lesions)
        return found | {"right", "left"} if "turn" in found else found

    def _synapses(self, joint: int, row: int, side: str) -> None:
        config, other = self.circuit.config, SIDES[1 - row]
        neuron = f"neuron_{side}_{joint}"
        for k in range(1, min(config.reach, joint) + 1):
            self._edge("proprioception", f"sensor_{side}_{joint - k}", neuron, k - 1, row, joint)
        for k in range(min(config.reflex, self.joints - joint)):
            self._edge("reflex", f"sensor_{side}_{joint + k}", neuron, k, row, joint)
        if joint == 0:
            self._edge("oscillator", "oscillator_0", neuron, 0, row, joint)
        if config.speed:
            self._edge("speed", "speed", neuron, 0, row, joint)
        if config.turn and joint < config.turn_joints:
            self._edge("turn", ("right", "left")[row], neuron, 0, row, joint)
        self._edge("ipsilateral", neuron, f"muscle_{side}_{joint}", 0, row, joint)
        # A synapse belongs to the muscle it reaches.
        self._edge(
            "contralateral", f"neuron_{other}_{joint}", f"muscle_{side}_{joint}", 0, row, joint
        )

    def _node(self, kind: str, side: str, joint: int, cut: bool = False) -> None:
        name = "_".join(part for part in (kind, side, str(joint)) if part)
        gone = cut or (kind == "oscillator" and "oscillator" in self.circuit.lesions)
        self.graph.add_node(name, kind=kind, side=side, joint=joint, cut=bool(gone))

    def _edge(self, group: str, start: str, end: str, channel: int, row: int, joint: int) -> None:
        weight = float(self.weights[group][channel, row, joint])
        ends = (self.graph.nodes[n]["cut"] for n in (start, end))
        cut = group in self.circuit.lesions or any(ends)
        sign = "excitatory" if weight > 0 else "inhibitory" if weight < 0 else "none"
        self.graph.add_edge(start, end, group=group, weight=weight, sign=sign, cut=cut)
