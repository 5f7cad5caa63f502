"""ONNX files of ReLU programs and of plain networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from sparsectl.exchange.onnx_read import require
from sparsectl.program.relu_program import Level, ReluProgram

Precision = Literal["float64", "float32"]
_OPSET, _IR = 17, 8
"""Of 2022: what runtimes read that are not of this year."""


def program(
    source: ReluProgram,
    inputs: Mapping[str, int],
    output: str,
    *,
    precision: Precision = "float64",
    notes: Mapping[str, str] | None = None,
) -> bytes:
    """Content of a file that computes a program: one Gemm and one Relu for each level of neurons.

    Args:
        source: of ReLU and step neurons.
        inputs: sizes by name, in the order of the program's inputs; each is (batch, size).
        output: name of the outputs, (batch, n_out).
        precision: of weights and values; `float64` is the program exactly.
        notes: written into the file as its properties.

    Raises:
        MissingExtra: the package `onnx` is not installed.
    """
    graph = _Graph(precision)
    names, ends = list(inputs), np.cumsum([0, *inputs.values()])
    blocks = [(n, slice(a, b)) for n, a, b in zip(names, ends[:-1], ends[1:], strict=True)]
    for level in source.levels:
        A = source.A[level.start : level.stop].toarray()
        pre = graph.affine(blocks, A, level.b)
        start = source.n_in + level.start
        blocks += _neurons(graph, pre, level, start)
    graph.affine(blocks, source.C.toarray(), source.d, output)
    return graph.content(inputs, (output, source.n_out), notes or {})


def network(
    layers: Sequence[tuple[np.ndarray, np.ndarray]],
    activation: Literal["relu", "tanh"],
    box: tuple[np.ndarray, np.ndarray],
    *,
    precision: Precision = "float64",
    notes: Mapping[str, str] | None = None,
) -> bytes:
    """Content of a file of a policy: `observation` (batch, n) to `action` (batch, nu), in its box.

    Args:
        layers: (W, b) of shapes (n_l, n_{l-1}) and (n_l,), from input to output.
        activation: of every hidden layer.
        box: lowest and highest actions. Shapes (nu,).

    Raises:
        MissingExtra: the package `onnx` is not installed.
    """
    graph, x = _Graph(precision), "observation"
    size = layers[0][0].shape[1]
    for W, b in layers[:-1]:
        pre = graph.affine([(x, slice(0, W.shape[1]))], W, b)
        x = graph.node("Relu" if activation == "relu" else "Tanh", [pre])
    W, b = layers[-1]
    y = graph.affine([(x, slice(0, W.shape[1]))], W, b)
    above = graph.node("Max", [y, graph.constant(box[0])])
    graph.node("Min", [above, graph.constant(box[1])], "action")
    return graph.content({"observation": size}, ("action", len(b)), notes or {})


def _neurons(graph: _Graph, pre: str, level: Level, start: int) -> list[tuple[str, slice]]:
    """Neurons of pre-activations, in blocks of one kind each: steps are no ReLUs."""
    place = slice(start, start + level.stop - level.start)
    if level.step is None:
        return [(graph.node("Relu", [pre]), place)]
    # z = relu(a) where it is a ReLU, [a >= 0] where it is a step.
    step = level.step.astype(np.float64)
    on = graph.node("GreaterOrEqual", [pre, graph.constant(np.zeros(1))])
    as_number = graph.node("Cast", [on], to=graph.kind)
    steps = graph.node("Mul", [as_number, graph.constant(step)])
    relus = graph.node("Mul", [graph.node("Relu", [pre]), graph.constant(1.0 - step)])
    return [(graph.node("Add", [steps, relus]), place)]


class _Graph:
    """Nodes and constants, named as they come."""

    def __init__(self, precision: Precision) -> None:
        require()
        import onnx

        self.dtype = np.dtype(precision)
        self.kind = onnx.helper.np_dtype_to_tensor_dtype(self.dtype)
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, value: np.ndarray) -> str:
        """Name of an array."""
        import onnx.numpy_helper as helper

        name = f"constant_{len(self.constants)}"
        array = np.ascontiguousarray(value, dtype=self.dtype)
        self.constants.append(helper.from_array(array, name))
        return name

    def node(self, kind: str, inputs: Sequence[str], name: str | None = None, **more: Any) -> str:
        """Name of the one output of a new node."""
        import onnx.helper as helper

        name = name or f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], name=name, **more))
        return name

    def affine(
        self,
        blocks: Sequence[tuple[str, slice]],
        W: np.ndarray,
        b: np.ndarray,
        name: str | None = None,
    ) -> str:
        """W [blocks] + b; only blocks that it reads are joined."""
        read = [block for block in blocks if W[:, block[1]].any()] or list(blocks[:1])
        x = read[0][0] if len(read) == 1 else self.node("Concat", [n for n, _ in read], axis=1)
        columns = np.concatenate([W[:, place] for _, place in read], axis=1)
        return self.node("Gemm", [x, self.constant(columns.T), self.constant(b)], name)

    def content(
        self, inputs: Mapping[str, int], output: tuple[str, int], notes: Mapping[str, str]
    ) -> bytes:
        """The file."""
        import onnx
        import onnx.helper as helper

        def info(name: str, size: int) -> Any:
            return helper.make_tensor_value_info(name, self.kind, ["batch", size])

        graph = helper.make_graph(
            self.nodes, "sparsectl", [info(*pair) for pair in inputs.items()], [info(*output)],
            self.constants,
        )  # fmt: skip
        model = helper.make_model(
            graph, producer_name="sparsectl", ir_version=_IR,
            opset_imports=[helper.make_opsetid("", _OPSET)],
        )  # fmt: skip
        helper.set_model_props(model, dict(notes))
        onnx.checker.check_model(model, full_check=True)
        return model.SerializeToString()
