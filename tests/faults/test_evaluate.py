"""Evaluation under faults: divergence, bad actions, no display, dead workers, foreign results."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "evaluate"))
from players import Direct
from synthetic_env import ENV, TASK, Synthetic, save_model

from sparsectl.errors import ConfigError
from sparsectl.evaluate import EvaluateConfig, compare, run_episode
from sparsectl.evaluate.divergence import Watch
from sparsectl.files import read_json_lines


@pytest.mark.parametrize("at", [0, 2])
def test_a_non_finite_action_is_refused_and_scored_as_failure(at):
    row = run_episode(ENV, None, Direct(bad_at=at), 0)
    assert row["outcome"] == "bad_action"
    assert row["message"] == "the action is not finite"
    assert row["success"] is False
    assert row["steps"] == at
    assert row["final_error"] == max(row["errors"])
    assert row["dump"]["actions"][-1] == [None, None]


def test_a_function_of_the_observation_is_a_policy_and_other_things_are_named():
    row = run_episode(ENV, None, lambda observation: np.zeros(2), np.int64(3), steps=2)
    assert (row["outcome"], row["seed"]) == ("finished", 3)
    for given in (Direct, "mip", None):
        with pytest.raises(ConfigError, match="expected an object with `predict`"):
            run_episode(ENV, None, given, 0)


@pytest.mark.parametrize(
    "wrong", [{"budget": np.nan}, {"budget": 0}, {"budget": np.inf}, {"steps": -1}, {"steps": 2.5}]
)
def test_a_limit_out_of_range_is_refused(wrong):
    with pytest.raises(ConfigError, match=rf"run_episode: {next(iter(wrong))} is "):
        run_episode(ENV, None, Direct(), 0, **wrong)


def test_a_non_finite_observation_ends_the_episode_as_diverged():
    row = run_episode(ENV, {"nan_at": 3}, Direct(), 0)
    assert row["outcome"] == "diverged"
    assert row["steps"] == 3
    assert row["success"] is False
    assert row["errors"][-1] is None
    assert row["final_error"] == max(e for e in row["errors"] if e is not None)
    assert row["dump"]["observations"][-1][:2] == [None, None]
    assert None not in row["dump"]["observations"][-2]


def test_mujoco_resetting_itself_is_noticed_although_all_numbers_are_finite():
    import gymnasium
    import mujoco

    mujoco.set_mju_user_warning(lambda text: None)
    env = gymnasium.make("InvertedPendulum-v5")
    env.reset(seed=0)
    watch = Watch(env)
    observation, *_ = env.step(np.zeros(1, np.float32))
    assert watch.reason(observation) is None
    env.unwrapped.data.qvel[:] = 1e12
    observation, *_ = env.step(np.zeros(1, np.float32))
    assert np.isfinite(observation).all()
    assert "diverged" in watch.reason(observation)
    env.close()


def test_a_planner_that_gives_up_ends_the_episode():
    row = run_episode(ENV, None, Direct(info={"terminate": True}, fallback="deadline"), 0)
    assert row["outcome"] == "gave_up"
    assert row["success"] is False
    assert row["steps"] == 0


def test_no_display_costs_the_clip_only():
    row = run_episode(ENV, {"blind": True}, Direct(), 0, record=[])
    assert row["clip_note"].startswith("no clip: ")
    assert "no OpenGL platform" in row["clip_note"]
    assert row["success"] is True


def test_an_environment_that_does_not_draw_is_not_told_about_opengl(monkeypatch):
    monkeypatch.setitem(Synthetic.metadata, "render_modes", [])
    row = run_episode(ENV, {"offers_error": True}, Direct(), 0, record=[])
    assert "render_modes'] has no 'rgb_array'" in row["clip_note"]
    assert "apt-get" not in row["clip_note"]


def test_a_dead_worker_costs_nothing_that_a_retry_cannot_mend(tmp_path):
    """The first unit kills its worker once; every row is there all the same."""
    config = EvaluateConfig(episodes=2, steps=2, workers=2, clips=0, planned_states=0)
    found = compare(
        tmp_path / "compare",
        env_id=ENV,
        env_kwargs={"dies_once": str(tmp_path / "died")},
        task=TASK,
        models={"exact": save_model(tmp_path / "model")},
        controllers={"zero": {}},
        horizon=2,
        config=config,
    )
    assert (tmp_path / "died").exists()
    assert [r["outcome"] for r in found.rows] == ["finished"] * 2


def test_a_unit_that_keeps_failing_is_an_error_row_and_is_tried_again(tmp_path):
    options = {
        "env_id": ENV,
        "env_kwargs": {"dies_once": "/nowhere/died"},  # touching it fails at every step
        "task": TASK,
        "models": {"exact": save_model(tmp_path / "model")},
        "controllers": {"zero": {}},
        "horizon": 2,
        "config": EvaluateConfig(episodes=1, steps=2, engine="serial", clips=0, planned_states=0),
    }
    for attempts in (1, 2):
        found = compare(tmp_path / "compare", **options)
        assert [r["outcome"] for r in found.rows] == ["error"]
        assert found.rows[0]["success"] is False
        assert "FileNotFoundError" in found.rows[0]["message"]
        assert len(read_json_lines(tmp_path / "compare" / "episodes.jsonl")) == attempts
