"""Programs of a graph network: exact for the graph at hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsectl.dynamics import GraphConfig, GraphDynamics
from sparsectl.dynamics.kinds import RELU, set_kinds
from sparsectl.dynamics.lower import lower, programs
from sparsectl.errors import ConfigError
from sparsectl.program.graph import GraphPrograms
from sparsectl.task import CostConfig, Problem, Task, TaskConfig, TermConfig


@st.composite
def models(draw):
    widths = st.lists(st.integers(1, 6), min_size=1, max_size=3).map(tuple)
    size, count = draw(st.integers(1, 3)), draw(st.integers(1, 4))
    origin = draw(st.sampled_from([None, 0, 1]))
    config = GraphConfig(
        size=size, radius=draw(st.floats(0.1, 2)), edge=draw(widths), node=draw(widths),
        message=draw(st.integers(1, 4)), origin=origin, gain=0.3, absolute=draw(st.booleans()),
        skip=draw(st.booleans()),
    )  # fmt: skip
    model = made(config, count * size, size + 1, draw(st.integers(0, 10_000)))
    if draw(st.booleans()):
        generator = torch.Generator().manual_seed(0)
        set_kinds(model, [torch.randint(3, k.shape, generator=generator) for k in model.kinds])
    return model


def made(config: GraphConfig, nx: int, nu: int, seed: int) -> GraphDynamics:
    model = GraphDynamics(config, {"o": slice(0, nx)}, nx, nu).double()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if not tensor.is_floating_point():
                continue
            noise = torch.randn(tensor.shape, generator=generator).double()
            positive = name.endswith("std") or name == "reach"
            tensor.copy_(noise.abs() + 0.1 if positive else noise)
    return model


def decision(model: GraphDynamics, x0: np.ndarray, horizon: int = 1) -> Problem:
    config = TaskConfig(cost=CostConfig([TermConfig("observation")]))
    box = np.ones(model.nu)
    return Task(config, model.nx, -box, box).problem(x0, horizon)


def predicted(model: GraphDynamics, x: np.ndarray, u: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return model(torch.from_numpy(x).expand(len(u), -1), torch.from_numpy(u)).numpy()


@settings(max_examples=60, deadline=None)
@given(models(), st.integers(0, 10_000))
def test_the_program_of_a_state_is_the_model_at_that_state(model, seed):
    rng = np.random.default_rng(seed)
    x, u = rng.uniform(-1, 1, model.nx), rng.uniform(-1, 1, (7, model.nu))
    source = programs(model)
    assert isinstance(source, GraphPrograms)
    edges = source.neighbours(x)
    whole, here = source.program(edges), source.at(decision(model, x))
    expected = predicted(model, x, u)
    v = np.concatenate([np.tile(x, (7, 1)), u], axis=1)
    atol = 1e-9 * max(1.0, abs(expected).max())
    np.testing.assert_allclose(whole(v), expected, atol=atol)
    np.testing.assert_allclose(here(v), expected, atol=atol)
    relus, depth = [int((k == RELU).sum()) for k in model.kinds], len(model.config.edge)
    assert whole.m == len(edges) * sum(relus[:depth]) + model.objects * sum(relus[depth:])
    assert here.m <= whole.m


SMALL = GraphConfig(radius=0.5, edge=(6, 5), message=3, node=(5, 4), origin=0, gain=0.4)


def test_the_program_of_a_graph_is_exact_at_every_state_with_that_graph():
    model, rng = made(SMALL, 8, 4, 3), np.random.default_rng(0)
    source = programs(model)
    x = np.array([0.0, 0.0, 0.3, 0.0, 0.3, 0.3, -1.0, 1.0])
    edges = source.neighbours(x)
    assert edges == ((0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1))
    program, u = source.program(edges), rng.uniform(-1, 1, (1, 4))
    for near in x + rng.uniform(-0.02, 0.02, (20, 8)):
        assert source.neighbours(near) == edges
        expected = predicted(model, near, u)
        np.testing.assert_allclose(program(np.concatenate([near, u[0]]))[None], expected, atol=1e-9)


def test_without_a_graph_all_objects_are_neighbours():
    model = made(SMALL, 6, 4, 0)
    x, u = np.array([0.0, 0.0, 0.1, 0.0, 0.0, 0.1]), np.array([[0.3, -0.2, 0.5, 0.1]])
    program = lower(model)
    assert program.m == 6 * 11 + 3 * 9
    v = np.concatenate([x, u[0]])
    np.testing.assert_allclose(program(v)[None], predicted(model, x, u), atol=1e-9)


def test_over_several_steps_all_pairs_that_can_meet_are_neighbours():
    model = made(SMALL, 6, 4, 0)
    with torch.no_grad():
        model.reach.fill_(0.1)
    source = programs(model)
    x = np.array([0.0, 0.0, 0.65, 0.0, 0.0, 0.95])
    assert source.at(decision(model, x, 1)).m < source.at(decision(model, x, 2)).m
    assert source.at(decision(model, x, 2)).m == 2 * 11 + 3 * 9
    assert source.at(decision(model, x, 4)).m == 4 * 11 + 3 * 9
    assert source.at(decision(model, x, 4)) is source.at(decision(model, x + 0.001, 4))


def test_what_the_state_decides_is_no_neuron_any_more():
    config = GraphConfig(radius=0.5, edge=(6,), message=3, node=(5,))
    model = made(config, 6, 2, 0)
    with torch.no_grad():  # pairs that do not see the action
        model.edge[0].weight[:, 4:] = 0.0
        model.edge_skip.weight[:, 4:] = 0.0
    x = np.array([0.0, 0.0, 0.3, 0.0, 0.0, 0.3])
    program = programs(model).at(decision(model, x))
    assert program.m <= 3 * 5
    u = np.random.default_rng(0).uniform(-1, 1, (5, 2))
    v = np.concatenate([np.tile(x, (5, 1)), u], axis=1)
    np.testing.assert_allclose(program(v), predicted(model, x, u), atol=1e-9)


@pytest.mark.parametrize("edges", [[(0, 0)], [(0, 3)], [(-1, 0)], [(0, 1), (0, 1)]])
def test_a_graph_of_impossible_pairs_is_refused(edges):
    source = programs(made(SMALL, 6, 4, 0))
    with pytest.raises(ConfigError, match="graph: "):
        source.program(edges)


def test_where_neighbours_may_change_on_the_way_a_program_is_not_the_models():
    config = GraphConfig(size=2, radius=1.0, edge=(3,), node=(3,), message=2)
    model = made(config, 4, 2, 0)
    source = programs(model)
    move = source.reach
    near, between, far = ([0.0, 0, d, 0] for d in (0.1, 1.0, 1.0 + 100 * (move + 1)))
    for x0, exact in ((near, True), (between, False), (far, True)):
        assert source.exact_at(decision(model, np.array(x0), 1))
        longer = decision(model, np.array(x0), 2)
        assert source.exact_at(longer) == (exact and (x0 is not near or 2 * move < 0.9))


@pytest.mark.parametrize("seed", range(4))
def test_what_is_called_exact_is_the_model_however_far_its_objects_go(seed):
    """That no object had gone further in the data was taken for a bound on what the model does."""
    rng, told = np.random.default_rng(seed), []
    for size in (1e-3, 0.1, 1.0):
        model = made(replace(SMALL, origin=None), 4, 2, seed)
        with torch.no_grad():
            model.reach.fill_(0.0)
            model.change_std.mul_(size)
            model.change_mean.mul_(size)
        source = programs(model)
        for gap in (0.45, 0.55):
            problem = decision(model, np.array([0.0, 0.0, gap, 0.0]), 3)
            plans = rng.uniform(-1, 1, (200, 3, 2))
            start = torch.from_numpy(problem.x0).expand(200, -1)
            with torch.no_grad():
                real = model.rollout(start, torch.from_numpy(plans)).numpy()
            same = np.allclose(source.at(problem).rollout(problem.x0, plans), real, atol=1e-9)
            told.append(source.exact_at(problem))
            assert same or not told[-1]
    assert any(told)
    assert not all(told)
