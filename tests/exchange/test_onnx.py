"""ONNX files that others wrote, and those that we write."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest
import random_problems
import torch

from sparsectl import dynamics
from sparsectl.dynamics.kinds import IDENTITY, RELU, ZERO, set_kinds
from sparsectl.dynamics.lower import lower
from sparsectl.errors import ConfigError, MissingExtra, ShapeError
from sparsectl.exchange import onnx_read, onnx_write
from sparsectl.policies.network import NetworkConfig, NetworkPolicy, PolicyNetwork
from sparsectl.program.algebra import stack

onnx = pytest.importorskip("onnx")
from onnx import helper, numpy_helper  # noqa: E402
from onnx.reference import ReferenceEvaluator  # noqa: E402

DRAW = np.random.default_rng(1)


def file(path, nodes, constants, inputs, outputs=("y",), kind=onnx.TensorProto.DOUBLE):
    """A file of nodes `("Op", inputs, outputs, attributes)`."""
    made = [helper.make_node(op, i, o, name=f"node_{k}", **a)
            for k, (op, i, o, a) in enumerate(nodes)]  # fmt: skip
    tensors = [numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()]
    graph = helper.make_graph(
        made, "g", [helper.make_tensor_value_info(n, kind, s) for n, s in inputs.items()],
        [helper.make_tensor_value_info(n, kind, ["a", "b"]) for n in outputs], tensors,
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path


NODES = [
    ("Split", ["v", "sizes"], ["a", "b"], {"axis": 1}),
    ("Gather", ["v", "picked"], ["g"], {"axis": 1}),
    ("Gather", ["v", "one"], ["h"], {"axis": 1}),
    ("Unsqueeze", ["h", "axis"], ["h1"], {}),
    ("Slice", ["v", "start", "stop", "axis", "down"], ["s"], {}),
    ("Shape", ["v"], ["shape"], {}),
    ("Reshape", ["s", "shape"], ["s1"], {}),
    ("Exp", ["logs"], ["weights"], {}),
    ("Sub", ["s1", "weights"], ["d"], {}),
    ("Gemm", ["d", "M", "c"], ["p"], {"transB": 1, "alpha": 0.5, "beta": 2.0}),
    ("Clip", ["p", "low", "high"], ["q"], {}),
    ("Max", ["q", "g", "c"], ["r"], {}),
    ("Min", ["weights", "s1"], ["w"], {}),
    ("ReduceMean", ["w"], ["mean"], {"axes": [1], "keepdims": 1}),
    ("Transpose", ["a"], ["t"], {"perm": [1, 0]}),
    ("MatMul", ["N", "t"], ["n"], {}),
    ("Flatten", ["n"], ["n1"], {"axis": 0}),
    ("Abs", ["b"], ["b1"], {}),
    ("LeakyRelu", ["n1"], ["n2"], {"alpha": 0.3}),
    ("Concat", ["n2", "b1", "h1", "mean"], ["z"], {"axis": 1}),
    ("Cast", ["z"], ["z1"], {"to": onnx.TensorProto.DOUBLE}),
    ("Mul", ["z1", "halves"], ["z2"], {}),
    ("Sum", ["z2", "r2"], ["y"], {}),
]  # fmt: skip
NODES.insert(-1, ("Concat", ["r", "r"], ["r2"], {"axis": 1}))
CONSTANTS = {
    "sizes": [3, 2], "picked": [0, -1, 2], "one": np.array(1), "axis": [1], "start": [4],
    "stop": [-99], "down": [-1], "logs": DRAW.normal(size=(1, 5)), "M": DRAW.normal(size=(3, 5)),
    "c": DRAW.normal(size=3), "low": np.array(-0.7), "high": np.array(0.9),
    "N": DRAW.normal(size=(2, 3)), "halves": np.full(6, 0.5),
}  # fmt: skip


def test_every_operation_is_what_the_reference_computes(tmp_path):
    path = file(tmp_path / "n.onnx", NODES, CONSTANTS, {"v": ["batch", 5]})
    program, sizes = onnx_read.read(path)
    assert sizes == {"v": 5}
    reference = ReferenceEvaluator(str(path))
    for v in DRAW.normal(size=(25, 1, 5)):
        assert np.allclose(program(v[0]), reference.run(None, {"v": v})[0][0], rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("nodes", "inputs", "said"),
    [
        ([("Tanh", ["v"], ["y"], {})], {}, "node 'node_0' is a Tanh, which is not piecewise lin"),
        ([("Relu", ["v"], ["r"], {}), ("Softmax", ["r"], ["y"], {})], {}, "'node_1' is a Softmax"),
        ([("Det", ["v"], ["y"], {})], {}, "node 'node_0' is a Det, which is not taken over"),
        ([("Mul", ["v", "v"], ["y"], {})], {}, "'node_0' (Mul) is a product of two things"),
        ([("Cast", ["v"], ["y"], {"to": 7})], {}, "'node_0' (Cast) is rounding"),
        (
            [("Gemm", ["v", "M", "bias"], ["y"], {})],
            {},
            "'node_0' reads 'bias', which the file does",
        ),
        ([("Split", ["v"], ["y", "z"], {"axis": 1})], {}, "'node_0' (Split) is used in a way"),
        ([("Identity", ["M"], ["y"], {})], {}, "does not depend on the input"),
        ([("Relu", ["v"], ["y"], {})], {"v": ["n", "k"]}, "input 'v' has no fixed size"),
        ([("Relu", ["v"], ["y"], {})], {"v": [32, 5]}, "takes batches of 32"),
    ],
)
def test_what_has_no_program_is_refused_by_name_and_node(nodes, inputs, said, tmp_path):
    path = file(tmp_path / "n.onnx", nodes, CONSTANTS, inputs or {"v": ["batch", 5]})
    with pytest.raises(ConfigError) as error:
        onnx_read.read(path)
    assert said in str(error.value)
    assert "n.onnx" in str(error.value)


@pytest.mark.parametrize("noop", [0, 1])
@pytest.mark.parametrize("given", [["v"], ["v", "none"]])
def test_no_axes_are_all_axes_unless_the_file_says_none(noop, given, tmp_path):
    nodes = [("ReduceSum", given, ["y"], {"noop_with_empty_axes": noop})]
    constants = {"none": np.zeros(0, np.int64)}
    path = file(tmp_path / "n.onnx", nodes, constants, {"v": ["batch", 5]})
    found = onnx_read.read(path)[0](np.arange(5.0))
    np.testing.assert_array_equal(found, np.arange(5.0) if noop else [10.0])


def test_files_that_are_none_and_sizes_that_do_not_fit(tmp_path):
    identity = [("Identity", ["v"], ["y"], {})]
    path = file(tmp_path / "net.onnx", identity, {}, {"v": ["batch", 5]})
    with pytest.raises(ConfigError, match=r"did you mean 'net.onnx'\?"):
        onnx_read.read(tmp_path / "nett.onnx")
    (tmp_path / "no.onnx").write_bytes(b"name: mine")
    with pytest.raises(ConfigError, match="is no valid ONNX file"):
        onnx_read.read(tmp_path / "no.onnx")
    with pytest.raises(ShapeError, match="takes 5 numbers and gives 5, expected 4 "):
        dynamics.from_onnx(path, predicts="next", nx=3, nu=1)
    two = [("Concat", ["u", "v"], ["z"], {"axis": 1}), ("Gemm", ["z", "W"], ["y"], {})]
    path = file(tmp_path / "two.onnx", two, {"W": np.ones((5, 3))}, {"u": [1, 2], "v": [1, 3]})
    with pytest.raises(ShapeError, match="inputs of 2 and 3 numbers, expected 3 and 2"):
        dynamics.from_onnx(path, predicts="next")
    inputs = {"u": [1, 3], "x": [1, 3]}  # of the same sizes
    named = [("Sub", ["u", "x"], ["y"], {})]
    with pytest.raises(ConfigError, match=r"takes u and x, in this order: set action_first: true"):
        dynamics.from_onnx(file(tmp_path / "named.onnx", named, {}, inputs), predicts="next")
    model = dynamics.from_onnx(path, predicts="next", action_first=True)
    assert torch.allclose(model(torch.ones(3), torch.zeros(2)), torch.full((3,), 3.0).double())


def test_without_the_package_the_command_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "onnx", None)
    monkeypatch.setattr(onnx_read.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"pip install 'sparsectl\[onnx\]'"):
        dynamics.from_onnx(tmp_path / "net.onnx", predicts="next")


def members(count, hidden=(6, 5)):
    config = dynamics.MLPConfig(hidden, members=count)
    model = dynamics.build(config, {"x": slice(0, 3)}, 3, 2, seed=4)
    for net in getattr(model, "networks", [model]):
        kinds = [torch.tensor(DRAW.choice([ZERO, RELU, RELU, IDENTITY], n)) for n in hidden]
        set_kinds(net, kinds)
    return model


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_a_sparse_model_goes_out_and_comes_back(count, precision, tmp_path):
    program = lower(members(count))
    sizes = {"state": 3, "action": 2}
    content = onnx_write.program(program, sizes, "next_state", precision=precision)
    (tmp_path / "m.onnx").write_bytes(content)
    x, u = (DRAW.normal(size=(9, n)).astype(precision) for n in (3, 2))
    values = ReferenceEvaluator(str(tmp_path / "m.onnx")).run(None, {"state": x, "action": u})[0]
    exact = {"float64": 1e-12, "float32": 1e-5}[precision]
    expected = program(np.concatenate([x, u], axis=1))
    assert np.allclose(values, expected, rtol=0, atol=exact)
    back = dynamics.from_onnx(tmp_path / "m.onnx", predicts="next")
    assert lower(back).m == program.m
    assert np.allclose(back(*map(torch.tensor, (x, u))), expected, rtol=0, atol=exact)


def test_steps_and_relus_of_one_level_go_out(tmp_path):
    relu = random_problems.dynamics(DRAW, 3, 2, (4,))
    mixed = replace(relu, step=np.array([True, False, True, False]))
    both = stack([mixed, relu], [1.0, 0.5])
    (tmp_path / "p.onnx").write_bytes(onnx_write.program(both, {"v": 5}, "y"))
    v = DRAW.normal(size=(9, 5))
    values = ReferenceEvaluator(str(tmp_path / "p.onnx")).run(None, {"v": v})[0]
    assert np.allclose(values, both(v), rtol=0, atol=1e-12)


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_a_policy_goes_out(activation, tmp_path):
    low, high = np.array([-1.0, 0.0]), np.array([1.0, 0.2])
    policy = PolicyNetwork(NetworkConfig((6, 5), activation), 4, low, high, seed=2)
    policy.normalise(DRAW.normal(2.0, 3.0, size=(20, 4)))
    with torch.no_grad():
        policy.linears[-1].weight.mul_(9.0)  # so that some actions are clipped
    content = onnx_write.network(policy.arrays(), activation, (low, high))
    (tmp_path / "p.onnx").write_bytes(content)
    o = DRAW.normal(2.0, 9.0, size=(30, 4))
    values = ReferenceEvaluator(str(tmp_path / "p.onnx")).run(None, {"observation": o})[0]
    assert np.allclose(values, NetworkPolicy(policy)(o), rtol=0, atol=1e-12)
    assert ((values == low) | (values == high)).any()
