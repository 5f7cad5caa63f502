"""Open-loop errors on rollouts that nobody trained on, and the file that keeps them."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import toys

sys.path.insert(0, str(Path(__file__).parents[1] / "evaluate"))
from synthetic_env import ENV, TASK, save_model

from sparsectl import dynamics
from sparsectl.data import CollectConfig
from sparsectl.dynamics import calibration
from sparsectl.dynamics.calibration import Rollouts, calibrate, errors
from sparsectl.dynamics.windows import Trajectories
from sparsectl.errors import ConfigError
from sparsectl.task import ObservationConfig, Task, TaskConfig
from sparsectl.task.constraints import BoxConfig, ConstraintsConfig, HalfSpaceConfig, KeepOutConfig
from sparsectl.task.margins import ROLLOUTS

H = 3
BOX = ConstraintsConfig([BoxConfig("point", -2.0, 2.0)], coverage=0.9)
ROLL = Rollouts(ENV, {}, CollectConfig(episode_steps=5), 0)


def gaps_of(*args) -> np.ndarray:
    """Errors without regard to limits."""
    states, predicted = dynamics.open_loop(*args)
    np.testing.assert_allclose(states[:, 0], predicted[:, 0], atol=1e-6)
    return (states - predicted)[:, 1:]


def task(coverage: float | None = 0.9) -> Task:
    config = replace(TASK, constraints=replace(BOX, coverage=coverage))
    return Task(config, 4, -np.ones(2), np.ones(2))


def biased(path: Path, by: float) -> tuple:
    """The exact model with a bias in its first entry, saved."""
    model = dynamics.load(save_model(path))[0]
    model.linears[-1].bias[0] += by
    dynamics.save(model, path, {"env_id": ENV})
    return model, path, f"bias {by}"


def test_errors_are_those_of_a_loop_written_by_hand(linear, linear_map):
    data = Trajectories.of(linear, linear_map)
    model = dynamics.fit_linear(
        dynamics.build(dynamics.MLPConfig((4,)), linear_map.names, 3, 1), data
    ).double()
    model.linears[0].bias.requires_grad_(False).add_(0.3)
    found = gaps_of(model, linear, linear_map, 7)
    assert found.shape == (len(linear), 7, 3)
    starts = []
    for states, actions, row in zip(data.states, data.actions, found, strict=True):
        gaps = []
        for t in range(len(actions) - 6):
            x = torch.from_numpy(states[t])
            gap = []
            for k in range(7):
                x = model(x, torch.from_numpy(actions[t + k]))
                gap.append(states[t + k + 1] - x.detach().numpy())
            gaps.append(abs(np.array(gap) - row).max())
        assert min(gaps) < 1e-9
        starts.append(int(np.argmin(gaps)))
    assert {0, 8} <= set(starts)  # all of the 9 there are, at random
    again = gaps_of(model, linear, linear_map, 7)
    assert np.array_equal(found, again)


def test_episodes_that_end_before_the_horizon_have_no_errors_after_that(linear_map):
    episodes = toys.simulate(lambda x, u: 0.9 * x + 0.1 * u, [2, 9, 4], 3, 1)
    model = dynamics.build(dynamics.MLPConfig((4,)), linear_map.names, 3, 1)
    found = gaps_of(model, episodes, linear_map, 5)
    assert (~np.isnan(found[..., 0])).sum(1).tolist() == [2, 5, 4]
    long = gaps_of(model, episodes, linear_map, 12)
    assert long.shape == (3, 12, 3)
    assert (~np.isnan(long[..., 0])).sum(1).tolist() == [2, 9, 4]


def test_a_rollout_counts_as_long_as_it_is_like_a_plan():
    """Its predictions are finite and keep limits that always hold, windows and prices aside."""
    limits = ConstraintsConfig(
        [
            BoxConfig("point[0]", -1.0, 1.0),
            BoxConfig("point[0]", -0.1, 0.1, when="terminal"),
            BoxConfig("point[0]", -0.1, 0.1, price=1.0),
            BoxConfig("point[0]", [[-0.1], [-0.2]], 1.0),
            BoxConfig("point", "target", 1.0),
        ],
        [HalfSpaceConfig("point", [0.0, 1.0], 1.0)],
        [KeepOutConfig("point", box=(0.4, -1, 0.5, 1)), KeepOutConfig("point", boxes="four")],
    )
    parts = ObservationConfig({"point": "0:2"}, {"target": "0:2", "four": "0:4"})
    both = Task(TaskConfig(parts, TASK.cost, limits), 4, -np.ones(2), np.ones(2))
    assert set(both.lasting.names) == {
        "high limit of 'point[0]'[0]", "low limit of 'point[0]'[0]", "half-space of 'point'",
        "keep-out of 'point' point 0",
    }  # fmt: skip
    predicted = np.zeros((5, 4, 2))
    predicted[0, 2:] = 0.3  # inside
    predicted[1, 2, 0] = 1.1  # too high at step 2
    predicted[2, 1] = 0.45  # in the region at step 1
    predicted[3, 2, 1], predicted[3, 3] = 2.0, np.nan
    predicted[4, 3] = np.inf
    found = errors(both, predicted + 0.25, predicted)
    assert (~np.isnan(found[..., 0])).sum(1).tolist() == [3, 1, 0, 1, 2]
    np.testing.assert_allclose(found[0], 0.25)


def test_a_task_is_drawn_in_by_what_its_model_misses(tmp_path):
    model, path, content = biased(tmp_path / "model", 0.01)
    drawn = calibrate(task(), model, path, content, H, ROLL)
    assert len(drawn.margins.errors) == ROLLOUTS
    problem = drawn.problem(np.zeros(4), H)
    gap = problem.own.sides(H) - problem.constraints.sides(H)
    # The model moves .01 too far a step: only the low limit of the first entry needs a margin.
    expected = {"low limit of 'point'[0]": 0.01 * np.arange(1, H + 1)}
    for name, values in zip(problem.own.names, gap.T, strict=True):
        np.testing.assert_allclose(values, expected.get(name, 0.0), atol=1e-6)
    assert calibrate(task(None), model, path, content, H, ROLL).margins is None
    limits = replace(drawn.config.constraints, coverage_steps=1)
    next_step = Task(replace(drawn.config, constraints=limits), 4, -np.ones(2), np.ones(2))
    problem = calibrate(next_step, model, path, content, H, ROLL).problem(np.zeros(4), H)
    gap = problem.own.sides(H) - problem.constraints.sides(H)
    np.testing.assert_allclose(gap.max(axis=1), 0.01, atol=1e-6)


def test_margins_of_late_actions_are_of_where_plans_begin(tmp_path, monkeypatch):
    monkeypatch.setattr(calibration, "ROLLOUTS", 30)
    model, path, content = biased(tmp_path / "model", 0.01)
    seen = replace(task().config.observation, delay=2)
    late = Task(replace(task().config, observation=seen), 4, -np.ones(2), np.ones(2))
    rollouts = replace(ROLL, env_kwargs={"delay": {"actions": 2}})
    drawn = calibrate(late, model, path, content, H, rollouts)
    low = drawn.margins.by_name(drawn.constraints)["low limit of 'point'[0]"]
    np.testing.assert_allclose(low, 0.01 * np.arange(3, H + 3), atol=1e-6)


def test_margins_far_from_zero_are_as_those_near_it(tmp_path, monkeypatch):
    far = np.full((30, H + 1, 2), 5e6)
    monkeypatch.setattr(calibration, "open_loop", lambda *_, **__: (far + 0.01, far))
    model, path, content = biased(tmp_path / "model", 0.01)
    limits = replace(BOX, boxes=[BoxConfig("point", 4e6, 6e6)])
    there = Task(replace(TASK, constraints=limits), 4, -np.ones(2), np.ones(2))
    for _ in range(2):  # measured, then read again
        drawn = calibrate(there, model, path, content, H, ROLL)
        found = drawn.margins.by_name(drawn.constraints)["high limit of 'point'[0]"]
        np.testing.assert_allclose(found, 0.01, rtol=1e-6)


def test_errors_are_kept_and_measured_again_when_model_or_rollouts_are_others(tmp_path):
    model, path, content = biased(tmp_path / "model", 0.01)
    file = path / f"calibration-{H}.safetensors"

    def margin(model, content, rollouts=ROLL):
        drawn = calibrate(task(), model, path, content, H, rollouts)
        low = drawn.margins.by_name(drawn.constraints)["low limit of 'point'[0]"]
        return drawn.margins.errors, low[-1]

    first, value = margin(model, content)
    written = file.read_bytes()
    worse = biased(tmp_path / "other", 0.05)[0]
    same, kept = margin(worse, content)  # believed to be the same model: what is kept counts
    assert np.array_equal(first, same)
    assert (kept, file.read_bytes()) == (value, written)
    assert margin(worse, "another")[1] == pytest.approx(5 * value, rel=1e-3)
    margin(model, content)
    assert file.read_bytes() == written
    margin(model, content, replace(ROLL, seed=1))
    assert file.read_bytes() != written
    margin(model, content)
    for damage in (b"", written[:100], b"nonsense"):
        file.write_bytes(damage)
        margin(model, content)
        assert file.read_bytes() == written
    assert dynamics.load(path)  # a checkpoint still


def test_a_model_that_is_saved_again_has_no_errors_yet(tmp_path):
    model, path, content = biased(tmp_path / "model", 0.01)
    calibrate(task(), model, path, content, H, ROLL)
    dynamics.save(model, path, {"env_id": ENV})
    assert not list(path.glob("calibration*"))


def test_episodes_are_as_long_as_the_plan_and_end_where_the_environment_ends_them(tmp_path):
    model, path, content = biased(tmp_path / "model", 0.01)
    drawn = calibrate(task(), model, path, content, 7, ROLL)
    assert not np.isnan(drawn.margins.errors).any()
    ending = replace(ROLL, env_kwargs={"ends_at": 4})
    with pytest.raises(ConfigError, match="rollouts are needed at every planned step, and 0 of"):
        calibrate(task(), model, path, content, 7, ending)
    drawn = calibrate(task(), model, path, content, 4, ending)
    assert len(drawn.margins.errors) >= ROLLOUTS


def test_the_margins_of_two_seeds_are_of_other_episodes():
    model = dynamics.build(dynamics.MLPConfig((4,)), task().map.names, 2, 2)
    one, other = (replace(ROLL, seed=s).record(model, task(), H)["states"] for s in (0, 1))
    assert not np.isclose(one, other).any()
