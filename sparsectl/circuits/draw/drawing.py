"""A circuit drawn on the worm's body, with the weights on it."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch, PathPatch
from matplotlib.path import Path as Outline
from matplotlib.patheffects import withStroke

from sparsectl import files
from sparsectl.circuits.draw import layout
from sparsectl.circuits.draw.wiring import wiring
from sparsectl.circuits.policy.circuit import Circuit
from sparsectl.errors import ConfigError, nearest

INK, MUTED, BODY, PAPER, CUT = "#1a1b1c", "#77797c", "#f6f2e9", "#ffffff", "#b9bbbe"
COLOURS = {"excitatory": "#0068b3", "inhibitory": "#d65a00", "none": CUT}
KINDS = {"sensor": "#008f68", "oscillator": "#5b50b8", "neuron": "#3d4f63", "muscle": "#a3213f"}
_MARKS = {"sensor": "D", "oscillator": "o", "neuron": "o", "muscle": "s"}
_NAMES = {"sensor": "stretch sensor", "neuron": "motor neuron"}
_DASHES = (0, (3, 2))
_SUFFIXES = (".png", ".svg", ".pdf")
_WIDEST, _INCH = 15.0, 0.85


def draw(circuit: Circuit) -> Figure:
    """Wiring figure.

    Blue arrows excite, orange bars inhibit; width grows with the weight. Weights are printed where
    they differ from those of the same synapse of the joint before and of the other side. Lesioned
    parts are grey and dashed.
    """
    graph = wiring(circuit)
    return _Drawing(graph, circuit).figure


def save(figure: Figure, path: str | Path, force: bool = False) -> Path:
    """Write a figure as .png, .svg or .pdf.

    Raises:
        ConfigError: another suffix.
        FileError: the file exists and `force` is false, or cannot be written.
    """
    path = Path(path)
    if path.suffix not in _SUFFIXES:
        raise ConfigError(f"unknown kind of figure '{path.name}'" + nearest(path.suffix, _SUFFIXES))
    if path.exists() and not force:
        raise files.FileError(f"'{path}' exists: name another file, or pass force=True")
    content = io.BytesIO()
    figure.savefig(content, format=path.suffix[1:], dpi=200, facecolor=PAPER)
    return files.write_atomic(path, content.getvalue())


class _Drawing:
    """The figure in the making; lines and letters scale with the body."""

    def __init__(self, graph: nx.DiGraph, circuit: Circuit) -> None:
        self.graph, self.circuit, self.joints = graph, circuit, circuit.body.joints
        left = -2.9 if any(d["kind"] == "input" for _, d in graph.nodes(data=True)) else -1.8
        self.rows = layout.rows(graph)
        width, low = self.joints * layout.PITCH + 0.9 - left, -2.5 - 0.32 * len(self.rows)
        self.inch = min(_INCH, _WIDEST / width)
        self.scale = self.inch / _INCH
        size = (
            max(width * self.inch, 8.4),
            (2.5 - low) * self.inch + 0.9 + 0.3 * len(self._notes()),
        )
        self.figure = Figure(figsize=size, layout="constrained")
        self.axes: Axes = self.figure.add_subplot()
        self.axes.set_axis_off()
        self.axes.set_aspect("equal")
        self.axes.set_xlim(left, left + width)
        self.axes.set_ylim(low, 2.5)
        self._body()
        for start, end, data in graph.edges(data=True):
            self._edge(start, end, data)
        if "speed" in graph:
            self._bus(graph.nodes["speed"]["cut"])
        for start, end in layout.told(graph):
            self._weight(start, end)
        for name, data in graph.nodes.items():
            self._node(name, data)
        self._rows()
        self._words()
        self._legend()

    def _body(self) -> None:
        shape = Outline(layout.outline(self.joints))
        edge = {"edgecolor": "#d8cfbd", "linewidth": 1.4}
        self.axes.add_patch(PathPatch(shape, facecolor=BODY, zorder=0, **edge))

    def _edge(self, start: str, end: str, data: dict[str, Any]) -> None:
        """An arrow or, for inhibition, a line that ends in a bar."""
        points, bend = layout.curve(self.graph, start, end)
        inhibits, cut = data["sign"] == "inhibitory", data["cut"]
        width = self.scale * (0.9 if cut else 0.8 + 1.0 * min(abs(data["weight"]), 3.0))
        ends = [layout.RADIUS[self.graph.nodes[n]["kind"]] * self.inch * 72 for n in (start, end)]
        self.axes.add_patch(
            FancyArrowPatch(
                points[0],
                points[2],
                connectionstyle=f"arc3,rad={bend}",
                arrowstyle="|-|,widthA=0,widthB=2.4" if inhibits else "-|>",
                mutation_scale=self.scale * (2.2 if inhibits else 9) + (not inhibits) * width,
                shrinkA=0 if start == "speed" else ends[0],
                shrinkB=ends[1] + (3.5 if inhibits else 1.5) * self.scale,
                color=CUT if cut else COLOURS[data["sign"]],
                linewidth=width,
                linestyle=_DASHES if cut else "-",
                zorder=2,
            )
        )

    def _bus(self, cut: bool) -> None:
        """The speed input's way to all motor neurons."""
        last = (self.joints - 1) * layout.PITCH - 0.42
        signs = {d["sign"] for _, _, d in self.graph.out_edges("speed", data=True)}
        colour = CUT if cut or len(signs) > 1 else COLOURS[signs.pop()]
        x = [last, layout.LEFT, layout.LEFT, last]
        y = [layout.BUS, layout.BUS, -layout.BUS, -layout.BUS]
        style: dict[str, Any] = {"color": colour, "linewidth": 1.1 * self.scale, "zorder": 1}
        self.axes.plot(x, y, linestyle=_DASHES if cut else "-", **style)

    def _weight(self, start: str, end: str) -> None:
        data = self.graph.edges[start, end]
        x, y = layout.label(self.graph, start, end)
        text = _number(data["weight"])
        self._text(x, y, text, 8.5, COLOURS[data["sign"]], fontweight="bold")

    def _rows(self) -> None:
        """Weights of long receptive fields, below the joints that they reach."""
        for row, (far, joints) in enumerate(self.rows.items()):
            y = -2.66 - 0.32 * row
            words = f"from {far} joints ahead"
            self._text(0.4, y, words, 8.5, MUTED, path_effects=[])
            for joint, pair in joints.items():
                signs = "excitatory" if min(pair) >= 0 else "inhibitory"
                colour = COLOURS[signs if any(pair) else "none"]
                x, text = joint * layout.PITCH, " / ".join(map(_number, pair))
                self._text(x, y, text, 8.5, colour, path_effects=[], fontweight="bold")

    def _text(self, x: float, y: float, text: str, size: float, colour: str, **more: Any) -> None:
        halo = [withStroke(linewidth=2.5, foreground=BODY)]
        style = {"ha": "center", "va": "center", "zorder": 5, "path_effects": halo, **more}
        self.axes.text(x, y, text, fontsize=max(size * self.scale, 5), color=colour, **style)

    def _node(self, name: str, data: dict[str, Any]) -> None:
        (x, y), kind = layout.place(data, name), data["kind"]
        colour, radius = CUT if data["cut"] else KINDS.get(kind, INK), layout.RADIUS[kind]
        style: dict[str, Any] = {"facecolor": colour, "edgecolor": PAPER, "zorder": 4}
        if kind == "muscle":
            round_ = "round,pad=0,rounding_size=0.12"
            corner = (x - 0.4, y - radius)
            self.axes.add_patch(FancyBboxPatch(corner, 0.8, 2 * radius, boxstyle=round_, **style))
        elif kind == "sensor":
            square = np.array([[0, 1], [1, 0], [0, -1], [-1, 0]]) * 1.1 * radius + [x, y]
            self.axes.add_patch(PathPatch(Outline(np.vstack([square, square[:1]])), **style))
        else:
            self.axes.add_patch(Circle((x, y), radius, **style))
        if kind == "oscillator":
            at = np.array([0, 0, 0.5, 0.5, 1, 1])
            wave = np.array([0, 1, 1, -1, -1, 0])
            line: dict[str, Any] = {"color": PAPER, "linewidth": 1.3, "zorder": 6}
            self.axes.plot(x - 0.12 + 0.24 * at, y + 0.075 * wave, **line)
        elif kind == "input":
            self.axes.text(x - 0.2, y, name, fontsize=10, color=INK, ha="right", va="center")

    def _words(self) -> None:
        config, count = self.circuit.config, self.circuit.count
        facts = [
            f"{self.joints} joint{'s' * (self.joints > 1)}",
            f"{count} parameters ({config.sharing})",
            f"period {self.graph.graph['period']:.3g} steps",
        ]
        title = "\n".join(["Motor circuit: " + ", ".join(facts), *self._notes()])
        self.axes.set_title(title, fontsize=13, color=INK, pad=4)
        tail = self.joints * layout.PITCH + 0.6
        for x, word in ((-1.5, "head"), (tail, "tail")):
            style: dict[str, Any] = {"ha": "center", "va": "center", "rotation": 90}
            self.axes.text(x, 0, word, fontsize=10, color=MUTED, **style)
        for sign, word in ((1, "dorsal"), (-1, "ventral")):
            self._text(tail - 1.1, sign * 1.3, word, 9, MUTED)

    def _notes(self) -> list[str]:
        """Lines below the title: what no drawn line tells."""
        facts = ["stretch acts crossed too"] * self.circuit.config.crossed
        if self.graph.graph["onset"] == "posture":
            facts.append("the first cycle begins on the side it is not bent to")
        lesions = self.circuit.lesions
        return [", ".join(facts)] * bool(facts) + ["without " + ", ".join(lesions)] * bool(lesions)

    def _legend(self) -> None:
        cut = any(d["cut"] for *_, d in self.graph.edges(data=True))
        handles = [
            Line2D([], [], marker=m, color=KINDS[k], ls="", ms=8, label=_NAMES.get(k, k))
            for k, m in _MARKS.items()
        ]
        for sign in ("excitatory", "inhibitory"):
            handles.append(Line2D([], [], color=COLOURS[sign], lw=2.2, label=sign))
        if cut:
            handles.append(Line2D([], [], color=CUT, ls=_DASHES, label="lesioned"))
        place: dict[str, Any] = {"loc": "outside lower center", "ncols": len(handles)}
        self.figure.legend(
            handles=handles, frameon=False, fontsize=9, columnspacing=1.2, handlelength=1.5, **place
        )


def _number(weight: float) -> str:
    return f"{weight:.2f}".replace("-", "\N{MINUS SIGN}")
