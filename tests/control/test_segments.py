"""No planned segment crosses a keep-out, whoever plans: thin and moving walls, on-off jets."""

from __future__ import annotations

import time

import numpy as np
import pytest
import torch

from sparsectl import dynamics
from sparsectl.control import ControllerState, build
from sparsectl.dynamics import MLPConfig
from sparsectl.dynamics.lower import lower
from sparsectl.task import ActionConfig, CostConfig, ObservationConfig, Task, TaskConfig, TermConfig
from sparsectl.task.constraints import ConstraintsConfig, KeepOutConfig

HORIZON, SCENES = 5, 8
NAMES = {"position": slice(0, 2)}
TOLERATED = 2e-6
PLANNERS = {
    "scip": {"kind": "mip", "backend": "scip"},
    "highs": {"kind": "mip", "backend": "highs"},
    "mip": {"kind": "mip"},
    # These use all of the time that they are given.
    "cem": {"kind": "cem"},
    "mppi": {"kind": "mppi"},
    "gradient": {"kind": "gradient"},
    "relaxation": {"kind": "relaxation", "polish": 4},
    "two_models": {"kind": "two_models"},
}


def jets(forwards: float, backwards: float) -> dynamics.Dynamics:
    """A point that moves by a gain times the action, another one forwards than backwards."""
    model = dynamics.build(MLPConfig(hidden=(4,)), NAMES, 2, 2)
    first, last = model.linears
    with torch.no_grad():
        for layer in model.linears:
            layer.weight.zero_()
            layer.bias.zero_()
        if model.skip is not None:
            model.skip.weight.zero_()
        for i in range(2):
            first.weight[2 * i, 2 + i], first.weight[2 * i + 1, 2 + i] = 1.0, -1.0
            last.weight[i, 2 * i], last.weight[i, 2 * i + 1] = forwards, -backwards
    return model


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    path = tmp_path_factory.mktemp("sparse") / "4"
    return jets(0.5, 0.4), dynamics.save(jets(0.48, 0.42), path, {"env_id": "Toy-v0"})


def scene(seed: int) -> tuple[Task, np.ndarray, tuple[float, ...], np.ndarray]:
    """A wall between start and goal, thinner than a step: (task, observation, box, path)."""
    rng = np.random.default_rng(seed)
    thick, x, half = 10.0 ** rng.uniform(-3, -2), rng.uniform(-0.2, 0.2), rng.uniform(0.2, 0.5)
    y = rng.uniform(-0.6, 0.6)
    box = (x, y - half, x + thick, y + half)
    path = np.zeros((HORIZON + 1, 2))
    if seed % 2:
        path = np.cumsum(rng.uniform(-0.15, 0.15, path.shape), axis=0)
    region = KeepOutConfig("position", box=box, path=path.tolist() if seed % 2 else None)
    levels = ActionConfig(levels=[-1.0, 0.0, 1.0] if seed % 3 == 2 else None)
    config = TaskConfig(
        ObservationConfig({"position": "0:2"}),
        CostConfig([TermConfig("position", [0.8, 0.0], "l1", 1.0, 5.0)]),
        ConstraintsConfig(keep_out=[region]),
        levels,
    )
    start = np.array([-0.7, rng.uniform(-0.1, 0.1)])
    return Task(config, 2, -np.ones(2), np.ones(2)), start, box, path


def depth(points: np.ndarray, box: tuple[float, ...], path: np.ndarray) -> float:
    """How deep 200 points of every segment are in the box, in the frame of the box."""
    share, frame = np.linspace(0, 1, 200)[:, None, None], points - path
    x, y = np.moveaxis((1 - share) * frame[:-1] + share * frame[1:], -1, 0)
    x0, y0, x1, y1 = box
    return float(np.minimum(np.minimum(x - x0, x1 - x), np.minimum(y - y0, y1 - y)).max())


@pytest.mark.parametrize("name", PLANNERS)
def test_no_segment_of_a_plan_that_claims_to_be_feasible_crosses_a_wall(models, name):
    dense, path = models
    entry = {**PLANNERS[name], **({"sparse": str(path)} if name == "two_models" else {})}
    claimed, seconds = 0, 0.3 if entry["kind"] == "mip" else 0.04
    for seed in range(SCENES):
        goal, start, box, motion = scene(seed)
        planner = build(name, entry, goal, dense, lower(dense), HORIZON, "cpu")
        plan, _ = planner.decide(
            start, ControllerState(seed=seed), deadline=time.perf_counter() + seconds
        )
        if not plan.status.has_plan:
            continue
        assert goal.inputs is None or goal.inputs.excess(plan.actions) <= 1e-9
        crosses = depth(plan.states, box, motion) > TOLERATED
        if "violated" in plan.info:
            continue
        assert not crosses, f"scene {seed}: {plan.status}, {plan.info}"
        claimed += 1
    assert claimed >= (SCENES if name in ("scip", "highs", "mip") else 1)


def test_a_plan_that_jumps_through_a_wall_is_found():
    """The check of this file: both ends outside, the way between them is not."""
    _, _, box, path = scene(0)
    middle = (box[1] + box[3]) / 2
    points = np.linspace([-0.7, middle], [0.8, middle], HORIZON + 1)
    x, y = points.T
    outside = (x < box[0]) | (x > box[2]) | (y < box[1]) | (y > box[3])
    assert outside.all()
    assert depth(points, box, path) > 1e-4
