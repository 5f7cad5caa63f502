"""One cost, several readers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsectl.errors import ConfigError
from sparsectl.task import CostConfig, TermConfig
from sparsectl.task.cost import ActionCostConfig, bind
from sparsectl.task.reference import Decision

NAMES = {"points": slice(0, 4), "pusher": slice(4, 6)}
NX, NU = 6, 2
GOAL = {"target": np.array([0.3, -0.2, 0.1, 0.5])}


def loop_cost(config: CostConfig, states: np.ndarray, actions: np.ndarray) -> float:
    """The formula of the module, written out entry by entry."""

    def norm(v, kind):
        return {"l1": sum(map(abs, v)), "linf": max(map(abs, v)), "l2sq": sum(x * x for x in v)}[
            kind
        ]

    total, horizon = 0.0, len(actions)
    parts = {
        "points": lambda x: x[0:4],
        "pusher": lambda x: x[4:6],
        "pusher - mean(points)": lambda x: x[4:6] - (x[0:2] + x[2:4]) / 2,
    }
    for t in range(1, horizon + 1):
        for term in config.terms:
            e = parts[term.of](states[t])
            target = GOAL[term.target] if isinstance(term.target, str) else np.asarray(term.target)
            distance = norm(e - target, term.norm)
            if term.norm != "l2sq":
                distance = max(0.0, distance - term.dead_zone)
            last = term.terminal_weight if term.terminal_weight is not None else term.weight
            total += (last if t == horizon else term.weight) * distance
    return total + config.action.weight * sum(norm(u, config.action.norm) for u in actions)


norms = st.sampled_from(["l1", "l2sq", "linf"])
weights = st.floats(0, 10)


@st.composite
def terms(draw):
    of = draw(st.sampled_from(["points", "pusher", "pusher - mean(points)"]))
    target = draw(st.just("target") if of == "points" else st.sampled_from([0.0, 0.7, [0.1, -2.0]]))
    norm = draw(norms)
    dead = draw(st.floats(0, 1)) if norm != "l2sq" else 0.0
    return TermConfig(of, target, norm, draw(weights), draw(st.none() | weights), dead)


configs = st.builds(
    CostConfig, st.lists(terms(), max_size=3), st.builds(ActionCostConfig, norms, weights)
)


@settings(max_examples=60)
@given(configs, st.integers(1, 4), st.integers(0, 2**31))
def test_numpy_torch_and_the_formula_agree(config, horizon, seed):
    rng = np.random.default_rng(seed)
    states, actions = rng.normal(size=(5, horizon + 1, NX)), rng.normal(size=(5, horizon, NU))
    cost = bind(config, NAMES, NX, Decision(GOAL, 0, 1))
    numpy_cost = cost(states, actions)
    torch_cost = cost(torch.from_numpy(states), torch.from_numpy(actions))
    assert numpy_cost.shape == (5,)
    np.testing.assert_allclose(torch_cost.numpy(), numpy_cost, rtol=1e-12, atol=1e-12)
    expected = [loop_cost(config, s, a) for s, a in zip(states, actions, strict=True)]
    np.testing.assert_allclose(numpy_cost, expected, rtol=1e-9, atol=1e-9)


def test_torch_keeps_float32_and_gradients():
    config = CostConfig([TermConfig("points", "target")], ActionCostConfig("l2sq", 0.1))
    cost = bind(config, NAMES, NX, Decision(GOAL, 0, 1))
    states = torch.randn(3, 4, NX, requires_grad=True)
    actions = torch.randn(3, 3, NU, requires_grad=True)
    total = cost(states, actions)
    assert total.dtype == torch.float32
    total.sum().backward()
    assert states.grad[:, 0].abs().max() == 0  # x_0 is not counted
    assert states.grad[:, 1:, :4].abs().min() == 1
    torch.testing.assert_close(actions.grad, 0.2 * actions.detach())


def test_the_cost_of_a_term_at_its_target_is_zero():
    cost = bind(
        CostConfig([TermConfig("points", "target", norm="linf")]), NAMES, NX, Decision(GOAL, 0, 1)
    )
    states = np.zeros((3, NX))
    states[:, :4] = GOAL["target"]
    assert cost(states, np.ones((2, NU))) == 0


@pytest.mark.parametrize(
    "make",
    [
        lambda: CostConfig([TermConfig("points", weight=-1.0)]),
        lambda: CostConfig([TermConfig("points", weight=float("inf"))]),
        lambda: CostConfig([TermConfig("points", weight=float("nan"))]),
        lambda: CostConfig([TermConfig("points", terminal_weight=-0.1)]),
        lambda: CostConfig([TermConfig("points", dead_zone=-0.1)]),
        lambda: CostConfig([TermConfig("points", norm="l2sq", dead_zone=0.1)]),
        lambda: CostConfig(action=ActionCostConfig(weight=-1.0)),
        lambda: CostConfig(action=ActionCostConfig(weight=float("nan"))),
    ],
)
def test_values_without_meaning_are_refused(make):
    with pytest.raises(ConfigError):
        make()


@pytest.mark.parametrize(
    ("term", "words"),
    [
        (TermConfig("pointz"), "did you mean 'points'"),
        (TermConfig("points", "targt"), "did you mean 'target'"),
        (TermConfig("pusher", "target"), "has 2 entries, its target has shape (4,)"),
        (TermConfig("pusher", [1.0, 2.0, 3.0]), "has 2 entries, its target has shape (3,)"),
        (TermConfig("pusher", float("inf")), "not finite"),
    ],
)
def test_names_and_sizes_are_checked(term, words):
    with pytest.raises(ConfigError) as caught:
        bind(CostConfig([term]), NAMES, NX, Decision(GOAL, 0, 1))
    assert words in str(caught.value)
