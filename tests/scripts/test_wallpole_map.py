"""The map of recoverable starts: the model on paper, its terminal set, verdicts both ways, rows."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from scripts.closed_loop import wallpole_map, wallpole_paper, wallpole_search
from scripts.closed_loop.runs import configured
from sparsectl import experiment
from sparsectl.envs.wallpole.env import LIMITS, WallPoleEnv
from sparsectl.envs.wallpole.scene import WALL
from sparsectl.program.algebra import affine
from sparsectl.program.relu_program import ReluProgram


@pytest.fixture(scope="module")
def task():
    return experiment.check(configured(["wallpole"])["wallpole"])


@pytest.fixture(scope="module")
def program() -> ReluProgram:
    return wallpole_paper.program()


def simulated(state, action):
    env = WallPoleEnv()
    env.set_state(np.asarray(state, dtype=float))
    return env.step(np.array([action]))[0]


def test_the_model_on_paper_is_the_simulator_to_first_order(program):
    rng = np.random.default_rng(0)
    for _ in range(10):
        state, action = rng.uniform(-0.05, 0.05, 4), rng.uniform(-0.1, 0.1)
        predicted = program(np.append(state, action))
        np.testing.assert_allclose(predicted, simulated(state, action), atol=4e-4)
    for side in (-1, 1):
        state = np.array([side * 0.52, 0.0, 0.0, 0.0])
        predicted = program(np.append(state, 0.0))
        assert abs(predicted[3]) > 0.05  # the wall pushes 2 N for 0.05 s
        np.testing.assert_allclose(predicted, simulated(state, 0.0), atol=0.05)


def test_the_terminal_set_of_the_config_shrinks_under_its_feedback(task):
    limits = task.problem(np.zeros(4), 1).constraints
    H = limits.G[::2] / limits.sides(1)[0][::2, None]  # upper and lower limits alternate
    np.testing.assert_allclose(limits.G[1::2], -limits.G[::2])
    model, K = wallpole_paper.linear(), wallpole_paper.gain()
    closed = model.A + model.B @ K
    for row in H @ closed:
        assert wallpole_paper.largest(row, H) < 0.995
    assert wallpole_paper.largest(K[0], H) <= 1 + 2e-3  # the force suffices
    assert wallpole_paper.largest(wallpole_paper.TIP / WALL, H) <= 1 + 1e-3  # no wall is touched


def test_in_the_terminal_set_the_feedback_keeps_the_simulator_within_the_limits(task):
    env, rng, tried = WallPoleEnv(), np.random.default_rng(1), 0
    target = wallpole_map.target(task)
    while tried < 8:
        state = rng.uniform(-LIMITS, LIMITS)
        if not target.inside(state):
            continue
        tried += 1
        seen = env.set_state(state)
        for _ in range(80):
            seen = env.step(wallpole_paper.gain() @ seen)[0]
            assert (abs(seen) <= LIMITS * (1 + 1e-3)).all()
        assert abs(seen).max() < 0.1


def test_a_start_that_needs_the_wall_is_recoverable_and_its_plan_leans_on_it(task, program):
    start = np.array([0.4, 0.0, 0.0, 0.6])
    kind, found = wallpole_map.verdict(program, task, start, 20)
    assert kind == "recoverable"
    states = program.rollout(start, found.actions)
    problem = task.problem(start, 20)
    assert problem.constraints.worst(states) <= 1e-6
    end = wallpole_map.target(task)
    assert (end.rows @ states[-1] - end.sides).max() <= 1e-6
    assert (states @ wallpole_paper.TIP).max() > WALL + 0.01
    model = wallpole_paper.linear()
    air = affine(np.hstack([model.A, model.B]), np.zeros(4))
    assert wallpole_map.verdict(air, task, start, 20)[0] == "lost"


@pytest.mark.parametrize(
    ("start", "kind"),
    [
        ((0.4, 0.0, 0.0, -0.1), "recoverable"),
        ((0.4, 0.12, 0.0, 0.2), "lost"),
        ((0.0, 0.15, 0.0, 0.0), "lost"),
    ],
)
def test_both_verdicts_are_proved(task, program, start, kind):
    found = wallpole_map.verdict(program, task, np.array(start), 20)
    assert found[0] == kind
    if kind == "lost":  # none of many random plans keeps the limits
        plans = np.random.default_rng(0).uniform(-1, 1, (20_000, 20, 1))
        states = program.rollout(np.array(start), np.repeat(plans[:, ::4], 4, axis=1))
        assert not (abs(states[:, 1:]) <= LIMITS).all((-1, -2)).any()


@pytest.fixture(scope="module")
def planned(task, program):
    """Starts that the model on paper calls recoverable, its plans, and what the simulator says."""
    starts = np.array([[0.4, 0.0, 0.0, -0.1], [0.4, -0.031, 0.0, 0.3], [0.4, 0.188, 0.0, -0.8]])
    found = []
    for start in starts:
        kind, plan = wallpole_map.verdict(program, task, start, 30)
        assert kind == "recoverable"
        own = plan.actions[:, 0], program.rollout(start, plan.actions)
        target = wallpole_map.target(task)
        found.append(
            (start, wallpole_search.confirmed(wallpole_search.simulator(), start, target, own, 30))
        )
    return found


def test_a_confirmed_plan_keeps_every_limit_when_it_is_applied(task, planned):
    """Recoverable starts counted as decided, and of 42 plans 12 broke a limit in the simulator."""
    for start, found in planned:
        assert found is not None
        how, actions = found
        assert how in wallpole_map.CONFIRMED
        assert abs(actions).max() <= 1
        env = WallPoleEnv()
        env.set_state(start)
        states = np.array([env.step(np.array([action]))[0] for action in actions])
        assert (abs(states) <= LIMITS).all()
        assert wallpole_map.target(task).inside(states[-1])
    assert len({how for _, (how, _) in planned}) > 1  # not all plans do it as they come


def test_nothing_is_confirmed_where_nothing_can_be_kept(task):
    start = np.array([0.4, 0.25, 0.0, 0.5])  # falls, and is within 0.02 s of the limit
    target = wallpole_map.target(task)
    assert wallpole_search.confirmed(wallpole_search.simulator(), start, target, None, 8) is None


def test_correcting_a_plan_never_makes_it_worse(task, program):
    env, target, rng = (
        wallpole_search.simulator(),
        wallpole_map.target(task),
        np.random.default_rng(3),
    )
    for start in ((0.3, 0.02, 0.0, 0.1), (0.4, 0.1, -0.2, 0.0)):
        guess = rng.uniform(-1, 1, 15)
        before, after = (
            target.missed(wallpole_search.rollout(env, np.array(start), actions))
            for actions in (guess, wallpole_search.improved(env, np.array(start), guess, target))
        )
        assert after < before


def test_the_study_decides_simulates_and_reports(tmp_path, monkeypatch):
    monkeypatch.setattr(wallpole_map, "GRID", 3)
    out = tmp_path / "map.jsonl"
    monkeypatch.setattr(wallpole_search, "ROUNDS", 2)
    arguments = ["--out", str(out), "--horizon", "8", "--simulated", "9"]
    assert wallpole_map.main(arguments) == 0
    rows = list(csv.DictReader(out.with_suffix(".csv").read_text().splitlines()))
    assert len(rows) == 9
    assert {r["verdict"] for r in rows} >= {"lost"}
    assert all(r["agrees"] in ("True", "False") for r in rows)
    for row in rows:
        agrees = (row["verdict"] == "recoverable") == (row["confirmed"] in wallpole_map.CONFIRMED)
        assert row["agrees"] == str(agrees)
    for suffix in (".png", ".md"):
        assert out.with_suffix(suffix).stat().st_size > 200
    before = out.read_text()
    assert wallpole_map.main(arguments) == 0
    assert out.read_text() == before
