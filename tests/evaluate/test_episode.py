"""One episode: pairing, scores, action checks, divergence, timing columns."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from players import Direct, Stateful
from synthetic_env import ENV, GAIN, TASK, Synthetic

from sparsectl.errors import ConfigError
from sparsectl.evaluate import run_episode
from sparsectl.task import CostConfig, ObservationConfig, TaskConfig, TermConfig
from sparsectl.task.constraints import BoxConfig, ConstraintsConfig
from sparsectl.types import Status


def test_a_good_controller_succeeds_and_the_row_is_finite_json():
    row = run_episode(ENV, None, Direct(), 10_000, budget=0.5)
    assert json.loads(json.dumps(row, allow_nan=False)) == row
    assert row["outcome"] == "finished"
    assert row["success"] is True
    assert row["steps"] == 8
    assert len(row["errors"]) == 9
    assert len(row["seconds"]) == len(row["gaps"]) == 8
    assert row["final_error"] == row["errors"][-1] < 0.05
    assert row["return"] == pytest.approx(-sum(row["errors"][1:]), abs=1e-6)
    assert row["mean_gap"] == pytest.approx(0.005)
    assert row["proved"] == 1.0
    assert row["mean_cost"] == 2.0
    assert row["deadline_misses"] == 0
    assert row["cold_seconds"] is None


def test_equal_seeds_start_equally_and_other_seeds_do_not():
    first = run_episode(ENV, None, Direct(), 10_000)
    again = run_episode(ENV, None, Direct(0.5), 10_000)
    other = run_episode(ENV, None, Direct(), 10_001)
    assert first["errors"][0] == again["errors"][0] != other["errors"][0]
    assert first["errors"] != again["errors"]


def test_the_controller_gets_its_memory_back():
    controller = Direct()
    run_episode(ENV, None, controller, 0, steps=3, controller_seed=7)
    assert [s.step for s in controller.calls] == [0, 1, 2]
    assert all(s.seed == 7 for s in controller.calls)
    assert controller.calls[0].plan is None
    assert controller.calls[2].plan is not None


def test_violations_are_measured_where_the_environment_went():
    """The planner claims to stand still, so that no plan of its own violates anything."""
    limits = ConstraintsConfig(boxes=[BoxConfig("point", [-9.0, -9.0], [0.1, 9.0])])
    controller, seen = Direct(config=replace(TASK, constraints=limits)), []
    keep = lambda _, observation, *__: seen.append(observation[0])  # noqa: E731
    rows = [
        run_episode(ENV, None, controller, seed, steps=6, on_decision=keep) for seed in range(8)
    ]
    starts = np.reshape(seen, (8, 6))
    reals = np.array([row["real_violations"] for row in rows])
    assert reals.shape == (8, 6)
    # the state after a step is where the next decision starts
    np.testing.assert_allclose(reals[:, :-1], np.clip(starts[:, 1:] - 0.1, 0, None), atol=1e-8)
    assert 0 < (reals > 0).mean() < 1
    for row, real in zip(rows, reals, strict=True):
        assert row["worst_real_violation"] == real.max()
        assert row["steps_violated"] == pytest.approx((real > 0).mean())
        assert row["worst_violation"] == 0.0
        counted = {"high limit of 'point'[0]": (real > 0).sum()} if real.any() else {}
        assert row["violated"] == counted


def test_what_steps_cost_is_told_whatever_their_planner_says_of_its_plans():
    """Planned costs of plans of other lengths, and those of policies, cannot be compared."""
    cost = CostConfig([TermConfig("point", "target", weight=1.0, terminal_weight=3.0)])
    seen = []
    keep = lambda _, observation, *__: seen.append(observation)  # noqa: E731
    controller = Direct(0.3, config=replace(TASK, cost=cost))
    row = run_episode(ENV, None, controller, 5, on_decision=keep)
    x, goal = seen[-1][:2], seen[-1][2:]
    last = x + GAIN * 0.3 * np.clip((goal - x) / GAIN, -1, 1)
    after = np.array([*(s[:2] for s in seen[1:]), last])
    made = 3.0 * np.abs(after - goal).sum(axis=1)
    assert row["task_cost"] == pytest.approx(made.sum(), rel=1e-5)
    assert row["mean_cost"] == 2.0


def test_what_nothing_reads_hides_no_violation(monkeypatch):
    """One entry that is NaN, and no step cost anything or violated a constraint."""
    seen = lambda env: np.array([*env.x, np.nan, np.inf])  # noqa: E731
    monkeypatch.setattr(Synthetic, "_observation", seen)
    limits = ConstraintsConfig(boxes=[BoxConfig("point", [-9.0, -9.0], [-8.0, 9.0])])
    parts = ObservationConfig({"point": "0:2"})
    task = TaskConfig(parts, CostConfig([TermConfig("point", [0.0, 0.0])]), limits)
    row = run_episode(ENV, None, Direct(config=task), 0)
    assert len(row["real_violations"]) == row["steps"] > 0
    assert row["steps_violated"] == 1.0
    assert row["task_cost"] > 0


def test_violations_at_a_price_are_counted_too_and_apart():
    """They were in no column: an episode through a priced region was one without violation."""
    high = {p: BoxConfig("point", [-9.0, -9.0], [-8.0, 9.0], price=p) for p in (None, 5)}
    hard, paid, both = (
        run_episode(ENV, None, Direct(config=replace(TASK, constraints=ConstraintsConfig(b))), 0)
        for b in ([high[None]], [high[5]], [high[None], high[5]])
    )
    names = {
        False: ("real_violations", "violated", "worst_real_violation", "steps_violated"),
        True: (
            "priced_violations", "priced_violated", "worst_priced_violation",
            "steps_priced_violated",
        ),
    }  # fmt: skip
    of = lambda row, priced: [row[name] for name in names[priced]]  # noqa: E731
    assert hard["steps_violated"] == 1.0
    assert of(hard, False) == of(paid, True) == of(both, False) == of(both, True)
    assert of(hard, True) == of(paid, False) == [[], {}, None, None]


def test_softened_plans_are_counted_by_what_they_violate():
    info = {"violation": 2.0, "violated": {"constraint": "a wall", "step": 1, "by": 2.0}}
    row = run_episode(ENV, None, Direct(status=Status.SOFTENED, info=info), 0, steps=3)
    assert (row["statuses"], row["softened"]) == ({"softened": 3}, {"a wall": 3})
    assert row["worst_violation"] == 2.0


def test_without_constraints_no_violation_is_claimed():
    row = run_episode(ENV, None, Direct(), 0, steps=2)
    assert row["real_violations"] == []
    assert row["worst_real_violation"] is row["steps_violated"] is None


def test_a_plain_policy_plays_too():
    row = run_episode(ENV, None, Stateful(), 0, steps=4)
    assert row["steps"] == 4
    assert row["mean_cost"] is row["mean_gap"] is None
    assert row["clipped_actions"] == 0


def test_actions_out_of_range_are_clipped_and_counted():
    wild = run_episode(ENV, None, Direct(scale=100.0), 3, steps=2)
    assert wild["clipped_actions"] == 2
    tame = run_episode(ENV, None, Direct(), 3, steps=2)
    assert tame["clipped_actions"] == 0


def test_a_late_decision_is_a_miss_and_the_supervisors_overruns_are_counted():
    row = run_episode(ENV, None, Direct(info={"overrun": 0.25}), 0, steps=3, budget=1e-9)
    assert row["deadline_misses"] == row["overruns"] == 3
    assert row["worst_overrun"] == 0.25


def test_fallbacks_are_counted_by_reason_and_carry_no_bound():
    row = run_episode(ENV, None, Direct(fallback="deadline", source="shifted"), 0, steps=3)
    assert row["fallbacks"] == {"deadline": 3}
    assert row["sources"] == {"shifted": 3}
    assert row["mean_gap"] is None


def test_without_offers_the_error_is_the_tasks_cost_and_success_is_unknown():
    row = run_episode(ENV, {"offers_error": False}, Direct(), 0)
    assert row["success"] is row["ever_success"] is None
    assert row["errors"][0] > row["errors"][-1] >= 0


def test_termination_by_the_environment_ends_the_episode():
    row = run_episode(ENV, {"ends_at": 3}, Direct(), 0)
    assert (row["outcome"], row["steps"]) == ("terminated", 3)


def test_success_is_judged_at_the_last_step():
    passing = run_episode(ENV, None, Direct(scale=2.0, bad_at=None), 0)
    assert passing["success"] == (passing["errors"][-1] < 0.05)
    assert passing["ever_success"] == (min(passing["errors"]) < 0.05)


def test_an_episode_may_end_when_the_task_is_solved():
    whole = run_episode(ENV, None, Direct(), 10_000)
    row = run_episode(ENV, None, Direct(), 10_000, until_success=True)
    assert row["success"] is True
    assert row["steps"] < whole["steps"]
    assert row["errors"] == whole["errors"][: row["steps"] + 1]
    assert min(row["errors"][:-1]) >= 0.05 > row["errors"][-1]
    assert run_episode(ENV, None, Direct(0.0), 10_000, until_success=True)["steps"] == 8


def test_a_cold_decision_is_made_apart():
    controller = Direct()
    row = run_episode(ENV, None, controller, 0, steps=2, warm_up=True)
    assert row["cold_seconds"] > 0
    assert len(row["seconds"]) == 2
    assert len(controller.calls) == 3


def test_pictures_are_taken_before_the_first_and_after_every_step():
    frames: list[np.ndarray] = []
    row = run_episode(ENV, None, Direct(), 0, steps=3, record=frames)
    assert len(frames) == 4
    assert row["clip_note"] is None
    assert not np.array_equal(frames[0], frames[3])


def test_an_episode_needs_a_limit():
    import gymnasium

    gymnasium.register("Endless-v0", "synthetic_env:Synthetic")
    with pytest.raises(ConfigError, match="no step limit"):
        run_episode("Endless-v0", None, Direct(), 0)


def test_infeasible_decisions_act_idle_and_show_in_the_statuses():
    empty = {"status": Status.INFEASIBLE, "cost": float("inf"), "bound": None}
    row = run_episode(ENV, None, Direct(**empty), 0, steps=2)
    assert row["statuses"] == {"infeasible": 2}
    assert row["mean_cost"] is None
