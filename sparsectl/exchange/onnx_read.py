"""ReLU programs of ONNX files."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np

from sparsectl.errors import (
    ConfigError,
    MissingExtra,
    NonFiniteError,
    SparsectlError,
    nearest,
    prefixed,
)
from sparsectl.exchange.onnx_operations import OPERATIONS
from sparsectl.exchange.refused import refused
from sparsectl.program.relu_program import ReluProgram
from sparsectl.program.trace import NotPiecewiseLinear, Symbol, Tape


def require() -> None:
    """Refuse early where the package is not installed.

    Raises:
        MissingExtra: naming the pip command.
    """
    if importlib.util.find_spec("onnx") is None:
        raise MissingExtra("ONNX files need the onnx extra: pip install 'sparsectl[onnx]'")


def read(path: str | Path) -> tuple[ReluProgram, dict[str, int]]:
    """The program of a network, and the sizes of its inputs by name, in the order of the file.

    Weights are taken as the file has them and computed with in float64. A first axis without a
    size is that of batches.

    Raises:
        MissingExtra: the package `onnx` is not installed.
        ConfigError: no such file, no valid ONNX, an operation that is not piecewise linear or not
            known (named with its node), inputs without sizes, or several outputs.
        NonFiniteError: a NaN or infinity among the weights.
    """
    require()
    import onnx
    import onnx.inliner

    if not Path(path).is_file():
        others = [p.name for p in Path(path).parent.glob("*.onnx")]
        raise ConfigError(f"no ONNX file at '{path}'" + nearest(Path(path).name, others))
    try:
        model = onnx.load(str(path))
    except Exception as error:  # protobuf and the file system each have their own
        raise ConfigError(f"'{path}' is no valid ONNX file: {_first(error)}") from error
    return _Reader(onnx.inliner.inline_local_functions(model), str(path)).program()


class _Reader:
    """One pass over the nodes, in the file's order, which is topological."""

    def __init__(self, model: Any, where: str) -> None:
        import onnx.numpy_helper as helper

        self.model, self.graph, self.where = model, model.graph, where
        self.values: dict[str, Any] = {"": None}
        for tensor in self.graph.initializer:
            self.values[tensor.name] = helper.to_array(tensor)

    def program(self) -> tuple[ReluProgram, dict[str, int]]:
        outputs = [value.name for value in self.graph.output]
        if len(outputs) != 1:
            raise ConfigError(
                f"{self.where}: {len(outputs)} outputs ({', '.join(outputs)}), expected one: what "
                "is predicted"
            )
        given = [value for value in self.graph.input if value.name not in self.values]
        shapes = [self._shape(value) for value in given]
        sizes = tuple(int(np.prod(shape)) for shape in shapes)
        tape = Tape(sum(sizes))
        for i, (value, shape) in enumerate(zip(given, shapes, strict=True)):
            self.values[value.name] = tape.inputs(shape, sum(sizes[:i]))
        for node in self.graph.node:
            self._run(node)
        result = self.values[outputs[0]]
        if not isinstance(result, Symbol):
            raise ConfigError(f"{self.where}: the output does not depend on the input")
        with prefixed(self.where, NonFiniteError):
            names = [value.name for value in given]
            return tape.program(result), dict(zip(names, sizes, strict=True))

    def _shape(self, value: Any) -> tuple[int, ...]:
        """With 1 for a batch of any size."""
        tensor = value.type.tensor_type
        sizes = [d.dim_value if d.HasField("dim_value") else None for d in tensor.shape.dim]
        if len(sizes) > 1 and sizes[0] is None:
            sizes[0] = 1
        if not sizes or None in sizes:
            raise ConfigError(f"{self.where}: input '{value.name}' has no fixed size")
        if len(sizes) > 1 and sizes[0] != 1:
            raise ConfigError(
                f"{self.where}: input '{value.name}' takes batches of {sizes[0]}, expected 1 or "
                "any number: export it with a free first axis"
            )
        return tuple(int(size or 0) for size in sizes)

    def _run(self, node: Any) -> None:
        import onnx.helper as helper

        for name in node.input:
            if name not in self.values:  # a sparse bias was left out silently
                raise ConfigError(
                    f"{self.where}: node '{node.name or node.output[0]}' reads '{name}', which the "
                    "file does not hold as a plain tensor: export it without sparse initializers"
                )
        inputs = [self.values[name] for name in node.input]
        if not any(isinstance(value, Symbol) for value in inputs):
            found = self._fold(node, inputs)
        else:
            name = node.name or next(iter(node.output), "")
            operation = OPERATIONS.get(node.op_type) if node.domain in ("", "ai.onnx") else None
            if operation is None:
                raise refused(self.where, name, node.op_type, OPERATIONS)
            attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
            try:
                found = operation(inputs, attributes)
            except NotPiecewiseLinear as error:
                raise ConfigError(
                    f"{self.where}: node '{name}' ({node.op_type}) is {error}, which is not "
                    "piecewise linear"
                ) from None
            except SparsectlError as error:
                raise type(error)(f"{self.where}: node '{name}': {error}") from None
            except (TypeError, ValueError, LookupError, AttributeError) as error:
                raise ConfigError(
                    f"{self.where}: node '{name}' ({node.op_type}) is used in a way that is not "
                    f"known: {_first(error)}"
                ) from error
        for name, value in zip(node.output, found, strict=False):
            self.values[name] = value

    def _fold(self, node: Any, inputs: list[Any]) -> list[Any]:
        """What depends on constants alone: whatever it is, it is a constant."""
        import onnx.helper as helper
        from onnx.reference import ReferenceEvaluator

        infos = [helper.make_tensor_value_info(n, 0, None) for n in node.input if n]
        outputs = [helper.make_tensor_value_info(n, 0, None) for n in node.output]
        graph = helper.make_graph([node], "constants", infos, outputs)
        model = helper.make_model(graph, opset_imports=self.model.opset_import)
        fed = {n: v for n, v in zip(node.input, inputs, strict=True) if n}
        try:
            return list(ReferenceEvaluator(model).run(None, fed))
        except Exception as error:
            raise ConfigError(
                f"{self.where}: node '{node.name or node.output[0]}' ({node.op_type}) of constants "
                f"cannot be computed: {_first(error)}"
            ) from error


def _first(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
