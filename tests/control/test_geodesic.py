"""The shortest way round keep-outs as terminal cost of samplers."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from sparsectl.control import ControllerState, build
from sparsectl.control.samplers import geodesic
from sparsectl.dynamics.base import Dynamics
from sparsectl.errors import ConfigError
from sparsectl.program import ReluProgram
from sparsectl.task import ConstraintsConfig, CostConfig, ObservationConfig, Task, TaskConfig
from sparsectl.task.constraints import BoxConfig, KeepOutConfig
from sparsectl.task.cost import TermConfig

WALLS = [(0.9, -0.5, 1.0, 0.5), (0.3, 0.4, 1.0, 0.5), (0.3, -0.5, 1.0, -0.4)]
"""A pocket that is open to the left."""
GOAL = [1.5, 0.0]


class Walker(Dynamics):
    def __init__(self) -> None:
        super().__init__()
        self.nx = self.nu = 2
        self.register_buffer("one", torch.ones(1))

    def forward(self, x, u):
        return x + u


PROGRAM = ReluProgram(
    4, sp.csr_array((0, 4)), np.zeros(0), sp.csr_array(np.hstack([np.eye(2)] * 2)), np.zeros(2)
)


def task(keep_out=None, norm="l2sq", of="place", state=None, **constraints) -> Task:
    regions = [KeepOutConfig("place", box=w) for w in WALLS] if keep_out is None else keep_out
    config = TaskConfig(
        ObservationConfig(state or {"place": "0:2"}),
        CostConfig([TermConfig(of, GOAL if of == "place" else 0.0, norm, 0.0, 1.0)]),
        ConstraintsConfig(keep_out=regions, **constraints),
    )
    size = 2 if state is None else 4
    return Task(config, size, -0.1 * np.ones(2), 0.1 * np.ones(2))


def way(**settings) -> geodesic.CostToGo:
    found = geodesic.cost_to_go(task(**settings).problem(np.array([0.6, 0.0]), 4))
    assert found is not None
    return found


@pytest.mark.parametrize("norm", ["l1", "linf", "l2sq"])
def test_with_nothing_in_the_way_it_is_the_straight_distance(norm):
    aside = [KeepOutConfig("place", box=(-0.5, 1.0, -0.4, 1.1))]
    to_go = way(norm=norm, keep_out=aside)
    points = np.random.default_rng(0).uniform([0.2, -0.3], [1.4, 0.9], (50, 2))
    straight = to_go.term.E @ (points - GOAL).T
    length = {
        "l1": abs(straight).sum(0),
        "linf": abs(straight).max(0),
        "l2sq": np.linalg.norm(straight, axis=0),
    }[norm]
    np.testing.assert_allclose(to_go.distance(points), length, rtol=1e-12)
    np.testing.assert_allclose(to_go.distance(torch.tensor(points)).numpy(), length, rtol=1e-12)


def test_the_way_out_of_a_pocket_goes_round_its_walls():
    to_go = way()
    inside, outside = np.array([[0.6, 0.0]]), np.array([[1.2, 0.0]])
    corner, other = np.array([0.3, 0.5]), np.array([1.0, 0.5])
    shortest = (
        np.linalg.norm(inside[0] - np.array([0.3, 0.4]))
        + np.linalg.norm(corner - np.array([0.3, 0.4]))
        + np.linalg.norm(other - corner)
        + np.linalg.norm(other - GOAL)
    )
    assert to_go.distance(inside)[0] == pytest.approx(shortest, rel=0.06)
    assert to_go.distance(outside)[0] == pytest.approx(0.3)
    assert to_go(inside)[0] == pytest.approx(to_go.distance(inside)[0] ** 2)


def test_no_way_leads_through_a_thin_wall():
    thin = [KeepOutConfig("place", box=(0.99, -3.0, 1.0, 0.5))]
    to_go = way(keep_out=thin, boxes=[BoxConfig("place", [-1.0, -1.0], [2.0, 2.0])])
    over = np.linalg.norm([0.1, 0.5]) + np.linalg.norm([0.5, 0.5])
    assert to_go.distance(np.array([[0.9, 0.0]]))[0] == pytest.approx(over, rel=0.08)


@pytest.mark.parametrize("kind", ["cem", "mppi"])
def test_samplers_leave_a_pocket_only_with_it(kind):
    """Eight steps out of the pocket end farther from the goal than none."""
    it = task()
    found = {}
    for how in ("straight", "geodesic"):
        entry = {"kind": kind, "samples": 128, "iterations": 10, "cost_to_go": how}
        planner = build("it", entry, it, Walker(), PROGRAM, 8, "cpu")
        x, state = np.array([0.6, 0.0]), ControllerState(seed=1)
        for _ in range(35):
            plan, state = planner.decide(x, state)
            x = plan.states[1]
            assert plan.cost == pytest.approx(((plan.states[-1] - GOAL) ** 2).sum())
            assert plan.info["violation"] < 1e-3
        found[how] = np.linalg.norm(x - GOAL)
    assert found["straight"] > 0.5
    assert found["geodesic"] < 0.1


def test_the_same_scene_is_mapped_once():
    geodesic._way.cache_clear()
    planner = build("it", {"kind": "cem", "samples": 8, "elites": 4, "iterations": 1,
                           "cost_to_go": "geodesic"}, task(boxes=[BoxConfig("place", -1.0, 2.0)]),
                    Walker(), PROGRAM, 4, "cpu")  # fmt: skip
    for x in ([0.6, 0.0], [0.5, 0.0], [-0.3, 0.2]):
        planner.plan(np.array(x))
    assert geodesic._way.cache_info().misses == 1


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"keep_out": []}, "the task has none"),
        (
            {
                "state": {"place": "0:2", "other": "2:4"},
                "keep_out": [KeepOutConfig("other", box=WALLS[0])],
            },
            "no cost term pulls 'other'",
        ),
        ({"of": "place[0:1]"}, "no cost term pulls 'place'"),
    ],
)
def test_tasks_in_which_it_has_no_meaning_are_refused(settings, words):
    entry = {"kind": "cem", "cost_to_go": "geodesic"}
    with pytest.raises(ConfigError, match=words) as error:
        build("far", entry, task(**settings), Walker(), PROGRAM, 4, "cpu")
    assert "controllers.far.cost_to_go" in str(error.value)
    assert "\n" not in str(error.value)


def test_another_name_of_it_is_refused_with_the_nearest_one():
    with pytest.raises(ConfigError, match="geodesic"):
        build("it", {"kind": "mppi", "cost_to_go": "geodesics"}, task(), Walker(), PROGRAM, 4)


def test_regions_of_another_point_do_not_stand_in_the_way():
    state = {"place": "0:2", "other": "2:4"}
    place, other = (
        [KeepOutConfig(name, box=w) for w in walls]
        for name, walls in (("place", WALLS), ("other", [(0.5, -0.1, 0.6, 0.1)]))
    )
    points = np.random.default_rng(0).uniform(-0.5, 1.4, (50, 2))
    ways = []
    for regions in (place, [*other, *place]):
        problem = task(state=state, keep_out=regions).problem(np.array([0.6, 0, 0, 0]), 4)
        to_go = geodesic.cost_to_go(problem)
        assert to_go is not None
        ways.append(to_go.distance(points))
    np.testing.assert_allclose(ways[0], ways[1], atol=0.05)
