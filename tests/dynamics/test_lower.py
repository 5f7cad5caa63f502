"""Lowering is exact: the program computes what the torch model computes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsectl.dynamics import MLPConfig, StructureConfig, build
from sparsectl.dynamics.lower import lower
from sparsectl.errors import NonFiniteError

STRUCTURES = (
    StructureConfig(),
    StructureConfig({"points": "hand"}),
    StructureConfig({"points": "hand"}, {"hand": 0.02}),
    StructureConfig(exact={"hand": -1.5}),
)


@st.composite
def models(draw):
    points = draw(st.integers(1, 3))
    names = {"hand": slice(0, 2), "points": slice(2, 2 + 2 * points)}
    hidden = tuple(draw(st.lists(st.integers(1, 7), max_size=3)))
    members, structure = draw(st.integers(1, 3)), draw(st.sampled_from(STRUCTURES))
    config = MLPConfig(hidden, members, structure, skip=draw(st.booleans()))
    seed, mixed = draw(st.integers(0, 10_000)), draw(st.booleans())
    model = build(config, names, 2 + 2 * points, 2, seed=seed).double()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            noise = torch.randn(tensor.shape, generator=generator).double()
            if "kinds_" in name:
                if mixed:
                    tensor.copy_(torch.randint(0, 3, tensor.shape, generator=generator))
                continue
            tensor.copy_(noise.abs() + 0.1 if name.endswith("_std") else noise)
    return model, seed


@settings(max_examples=60, deadline=None)
@given(models())
def test_the_program_is_the_model_in_double_precision(drawn):
    model, seed = drawn
    program = lower(model)
    rng = np.random.default_rng(seed)
    x, u = rng.normal(size=(5, model.nx)), rng.normal(size=(5, 3, model.nu))
    with torch.no_grad():
        expected = model.rollout(torch.from_numpy(x), torch.from_numpy(u)).numpy()
    scale = np.abs(expected).max()
    np.testing.assert_allclose(program.rollout(x, u), expected, atol=1e-9 * max(1.0, scale))
    kinds = [k for name, k in model.named_buffers() if "kinds_" in name]
    relus = [int((k == 1).sum()) for k in kinds]
    assert program.m == sum(relus)
    assert (program.n_in, program.n_out) == (model.nx + model.nu, model.nx)
    if all(bool((k == 1).all()) for k in kinds):
        assert len(program.levels) == len(model.config.hidden)


def small(**changes):
    return build(MLPConfig((3,), **changes), {"x": slice(0, 2)}, 2, 1)


def test_lowering_a_float32_model_leaves_it_alone_and_agrees_to_its_precision():
    model = small()
    program = lower(model)
    assert next(model.parameters()).dtype == torch.float32
    assert all(p.requires_grad for p in model.parameters())
    x, u = torch.randn(50, 2), torch.randn(50, 1)
    found = program(torch.cat([x, u], 1).numpy())
    np.testing.assert_allclose(found, model(x, u).detach().numpy(), atol=1e-5)


def test_no_neuron_is_dropped_even_if_its_weights_are_zero():
    model = small()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    program = lower(model)
    assert program.m == 3
    np.testing.assert_array_equal(program(np.array([1.0, 2.0, 3.0])), [1.0, 2.0])


def test_a_model_without_hidden_layers_is_an_affine_program():
    program = lower(build(MLPConfig(()), {"x": slice(0, 2)}, 2, 1))
    assert (program.m, program.levels) == (0, ())


@pytest.mark.parametrize("kind", [0, 2])
def test_without_relus_any_depth_is_an_affine_program(kind):
    model = build(MLPConfig((5, 4, 3)), {"x": slice(0, 2)}, 2, 1).double()
    for kinds in model.kinds:
        kinds.fill_(kind)
    program = lower(model)
    assert (program.m, program.levels) == (0, ())
    x, u = torch.randn(9, 2).double(), torch.randn(9, 1).double()
    found = program(torch.cat([x, u], 1).numpy())
    np.testing.assert_allclose(found, model(x, u).detach().numpy(), atol=1e-12)


def test_a_non_finite_weight_is_refused():
    model = small()
    with torch.no_grad():
        model.linears[0].weight[0, 0] = torch.nan
    with pytest.raises(NonFiniteError):
        lower(model)


def test_what_cannot_be_lowered_is_named():
    with pytest.raises(TypeError, match=r"cannot lower a Linear .*MLPDynamics"):
        lower(torch.nn.Linear(2, 2))
