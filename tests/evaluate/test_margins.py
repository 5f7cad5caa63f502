"""A comparison whose constraints are drawn in: what is played, told and paid."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from synthetic_env import ENV, TASK, save_model

from sparsectl import dynamics
from sparsectl.data import CollectConfig
from sparsectl.errors import ConfigError
from sparsectl.evaluate import EvaluateConfig, compare, report
from sparsectl.evaluate.comparison import prepare
from sparsectl.evaluate.planned import GIVEN, WITHOUT, cost_of_margins
from sparsectl.evaluate.summary import summarise
from sparsectl.evaluate.table import notes
from sparsectl.files import FileError
from sparsectl.task.constraints import BoxConfig, ConstraintsConfig
from sparsectl.types import Status

LIMIT = ConstraintsConfig([BoxConfig("point[0]", 0.1, 1.0)])
CONFIG = EvaluateConfig(
    episodes=4, steps=6, budget=None, engine="serial", clips=0, planned_states=6
)
MIP = {"mip": {"nodes": 50, "starts": []}}


def run(folder, model, coverage=0.9, **options):
    task = replace(TASK, constraints=replace(LIMIT, coverage=coverage))
    data = CollectConfig(episode_steps=5)
    options = {"controllers": MIP, "config": CONFIG, "data": data, "task": task, **options}
    return compare(folder, env_id=ENV, models={"off": model}, horizon=2, **options)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """It believes that every step ends .02 further right than it does."""
    path = save_model(tmp_path_factory.mktemp("model") / "off")
    model = dynamics.load(path)[0]
    model.linears[-1].bias[0] += 0.02
    return dynamics.save(model, path, {"env_id": ENV})


@pytest.fixture(scope="module")
def results(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("compare")
    return {q: run(folder / str(q), model, q) for q in (None, 0.9)}


def violated(found):
    return sum(sum(row["violated"].values()) for row in found.rows)


def test_margins_keep_the_tasks_own_constraints_that_the_models_error_breaks(results):
    """Counted in the states visited, against the task's own limit in both."""
    assert violated(results[None]) > 3
    assert violated(results[0.9]) < violated(results[None])
    first = [r["violated"] for r in results[0.9].rows if not r["softened"]]
    assert first
    assert not any(first)


def test_settings_and_notes_say_by_how_much_and_what_it_costs(results):
    found = results[0.9]
    margins = found.settings["margins"]["off"]
    assert (margins["coverage"], margins["rollouts"], margins["horizon"]) == (0.9, 1000, 2)
    low = margins["drawn_in"]["low limit of 'point[0]'[0]"]
    assert low == pytest.approx([0.02, 0.04], abs=1e-5)
    names = {r["controller"] for r in found.planned}
    assert names == {"mip", f"mip ({WITHOUT})", f"mip ({GIVEN})"}
    extra = cost_of_margins(found.planned, "off")
    assert max(extra) > 0.01
    assert min(extra) > -1e-6
    (note,) = [n for n in notes(found, summarise(found)) if "coverage of 0.9" in n]
    assert "low limit of 'point[0]'[0] by up to 0.04 at step 2" in note
    assert "% more by that" in note
    assert "for a coverage of 0.9 by 1000 held-out rollouts" in report.render(found)


def test_margins_of_the_next_step_are_told_as_such_and_are_another_comparison(
    results, model, tmp_path
):
    task = replace(TASK, constraints=replace(LIMIT, coverage=0.9, coverage_steps=1))
    once = replace(CONFIG, episodes=1, planned_states=0)
    found = run(tmp_path / "next", model, task=task, config=once)
    assert found.settings["keys"] != results[0.9].settings["keys"]
    low = found.settings["margins"]["off"]["drawn_in"]["low limit of 'point[0]'[0]"]
    assert low == pytest.approx([0.02, 0.02], abs=1e-5)
    assert "a coverage of 0.9 up to step 1 by 1000" in " ".join(notes(found, summarise(found)))


def test_without_a_coverage_nothing_of_this_is_there(results):
    found = results[None]
    assert "margins" not in found.settings
    assert not any(WITHOUT in r["controller"] for r in found.planned)
    assert not any("coverage" in n for n in notes(found, summarise(found)))


def test_another_coverage_or_other_rollouts_are_another_comparison(results, model):
    folder = results[0.9].folder
    with pytest.raises(FileError, match="another configuration"):
        run(folder, model, 0.8)
    with pytest.raises(FileError, match="another configuration"):
        run(folder, model, data=CollectConfig(episode_steps=6))
    rows = (folder / "episodes.jsonl").read_bytes()
    run(folder, model)
    assert (folder / "episodes.jsonl").read_bytes() == rows


def test_the_key_of_a_task_without_coverage_knows_nothing_of_rollouts(model, tmp_path):
    def key(**options):
        task = replace(TASK, constraints=LIMIT)
        both = {"env_id": ENV, "task": task, "models": {"off": model}, "horizon": 2}
        return prepare(tmp_path / "x", **both, controllers=MIP, **options).players[0].key

    assert key() == key(data=CollectConfig(episode_steps=9))
    assert not (tmp_path / "x").exists()


def test_a_decision_that_only_margins_make_impossible_says_so(model, results):

    def planner(high):
        last = BoxConfig("point[0]", -9.0, high, when="terminal")
        limit = ConstraintsConfig([BoxConfig("point[0]", 0.1, 1.0), last], coverage=0.9)
        both = {"env_id": ENV, "task": replace(TASK, constraints=limit), "horizon": 2}
        ready = prepare(results[0.9].folder / "x", models={"off": model}, controllers=MIP, **both)
        return ready.players[0].build()

    plan = planner(1.0).plan([0.105, 0, -0.4, 0])  # inside the margin, and it moves out in time
    assert plan.status is Status.OPTIMAL
    assert plan.states[1, 0] >= 0.12 - 1e-6
    narrow = planner(0.13)  # narrower than the margin of the second step
    plan = narrow.plan([0.105, 0, -0.4, 0])
    assert plan.status is Status.SOFTENED
    assert plan.info["proved_infeasible"]
    assert plan.info["violated"]["margins_only"] is True
    far = narrow.plan([-0.9, 0, -0.9, 0])
    assert far.info["violated"]["margins_only"] is False


def test_too_few_rollouts_stop_a_comparison_before_it_writes_rows(model, tmp_path):
    with pytest.raises(ConfigError, match="rollouts are needed at every planned step"):
        run(tmp_path / "x", model, env_kwargs={"ends_at": 1})
    assert not (tmp_path / "x" / "episodes.jsonl").exists()
    assert not (tmp_path / "x" / "settings.json").exists()
