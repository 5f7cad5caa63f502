"""Bodies are read off environments."""

from __future__ import annotations

import math

import gymnasium
import numpy as np
import pytest

import sparsectl  # noqa: F401  registers the tasks
from sparsectl.circuits import Body, BodyConfig, body_of
from sparsectl.environment import make


class Bent(gymnasium.Env):
    """Three joints that it says nothing of."""

    observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (8,))
    action_space = gymnasium.spaces.Box(-1, 1, (3,), np.float32)


@pytest.mark.parametrize("links", [3, 6, 14])
def test_swimmers_tell_their_joints(links):
    body = body_of(make("sparsectl/Swim-v0", {"links": links}))
    limit = 2 * math.pi / links
    assert body == Body(links - 1, slice(0, links - 1), limit, None, 4 * links - 1)


def test_swimmers_with_a_target_tell_where_it_is():
    assert body_of(make("sparsectl/SwimTarget-v0")).target == slice(5, 7)


@pytest.mark.parametrize("excluded", [True, False])
def test_gymnasium_s_swimmer_is_known(excluded):
    env = make("Swimmer-v5", {"exclude_current_positions_from_observation": excluded})
    start = 1 if excluded else 3
    limit = math.radians(100)
    assert body_of(env) == Body(2, slice(start, start + 2), limit, None, start + 7)
    env.reset(seed=0)
    env.unwrapped.data.qpos[3:5] = [0.3, -0.2]
    seen = env.unwrapped._get_obs()
    np.testing.assert_allclose(seen[body_of(env).angles], [0.3, -0.2])


def test_what_an_environment_does_not_tell_is_given():
    expected = Body(3, slice(2, 5), 0.5, slice(6, 8), 8)
    assert body_of(Bent(), BodyConfig(angles="2:5", limit=0.5, target="6:8")) == expected
    assert body_of(Bent(), {"angles": "2:5", "limit": 0.5, "target": "6:8"}) == expected


def test_what_is_given_counts_more_than_what_is_told():
    body = body_of(make("Swimmer-v5"), {"limit": 0.5})
    assert (body.limit, body.angles) == (0.5, slice(1, 3))


def test_an_observation_is_as_large_as_its_parts_where_nothing_is_said():
    assert Body(3, slice(0, 3), 1.0, slice(3, 5)).size == 5
