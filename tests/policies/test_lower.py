"""A lowered policy is the policy: same actions at every state, whatever the actions may be."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsectl.config import from_dict
from sparsectl.errors import ConfigError
from sparsectl.policies.lower import admissible, lower
from sparsectl.policies.network import NetworkConfig, NetworkPolicy, PolicyNetwork
from sparsectl.task import Task, TaskConfig

LOW, HIGH = np.array([-2.0, -1.0]), np.array([1.0, 3.0])
ACTIONS: list[dict[str, Any]] = [
    {},
    {"levels": [[-2, -0.5, 1], None]},
    {"integer": [False, True]},
    {"semicontinuous": [0.5, 0.7]},
    {"levels": [[0.25], [0, 1]]},
]


def task(action: dict[str, Any], **parts: Any) -> Task:
    observation = parts or {"state": {"b": "3", "a": "0:2"}, "goal": {"g": "2"}}
    config = {
        "observation": observation,
        "cost": {"terms": [{"of": "a"}]} if not parts else {"action": {"weight": 1.0}},
        "action": action,
    }
    return Task(from_dict(TaskConfig, config, "task"), 5, LOW, HIGH)


def network(seed: int, hidden: tuple[int, ...], reads: tuple[int, ...] = (0, 1, 2, 3)) -> Any:
    made = PolicyNetwork(NetworkConfig(hidden), 5, LOW, HIGH, seed=seed)
    made.normalise(np.random.default_rng(seed).normal(size=(50, 5)) * [1, 10, 1e-2, 1, 1])
    with np.errstate(all="ignore"):
        for parameter in made.layers[-1].parameters():
            parameter.data *= 4.0
        for entry in set(range(5)) - set(reads):
            made.layers[0].weight.data[:, entry] = 0.0
    return made


@pytest.mark.parametrize("action", ACTIONS)
@given(seed=st.integers(0, 10_000), hidden=st.sampled_from([(), (5,), (4, 3)]))
@settings(max_examples=15, deadline=None)
def test_lowered_policy_acts_as_it_does(
    action: dict[str, Any], seed: int, hidden: tuple[int, ...]
) -> None:
    rng, here, net = np.random.default_rng(seed), task(action), network(seed, hidden)
    near = rng.normal(size=5)
    program = lower(net, here, near)
    seen = rng.normal(size=(20, 5)) * [1, 10, 1e-2, 1, 1]
    seen[:, 2] = near[2]
    expected = np.stack([here.admit(a) for a in NetworkPolicy(net)(seen)])
    np.testing.assert_allclose(program(here.map.state(seen)), expected, atol=1e-9)


@pytest.mark.parametrize("action", ACTIONS)
def test_the_nearest_action_is_exact_between_levels_too(action: dict[str, Any]) -> None:
    here = task(action)
    wishes = np.random.default_rng(0).uniform(-4, 4, (200, 2))
    halves = np.round(wishes * 8) / 8
    for given_ in (wishes, halves):
        expected = np.stack([here.admit(a) for a in given_])
        np.testing.assert_allclose(admissible(here)(given_), expected, atol=1e-12)


def test_what_is_no_program_of_the_state_is_refused() -> None:
    plain, near = task({}), np.zeros(5)
    with pytest.raises(ConfigError, match="entry 4 of the observation, which is neither"):
        lower(network(0, (4,), (0, 4)), plain, near)
    with pytest.raises(ConfigError, match="tanh inside"):
        lower(PolicyNetwork(NetworkConfig((4,), "tanh"), 5, LOW, HIGH), plain, near)
    with pytest.raises(ConfigError, match="takes 4 numbers and gives 2, the task has observations"):
        lower(PolicyNetwork(NetworkConfig((4,)), 4, LOW, HIGH), plain, near)
    with pytest.raises(ConfigError, match=r"task.action.rate"):
        lower(network(0, (4,)), task({"rate": 0.5}), near)
    turning = task({}, state={"angle": {"entries": "1", "encode": "sincos"}, "rest": "2:5,0"})
    with pytest.raises(ConfigError, match="angle in entry 1"):
        lower(network(0, (4,), (1, 2)), turning, near)
    assert lower(network(0, (4,), (0, 2)), turning, near).n_in == turning.nx
