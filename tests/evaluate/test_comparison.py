"""The whole comparison on the synthetic task, with the real controllers and workers."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from synthetic_env import ENV, TASK, save_model

from sparsectl.errors import CheckpointError, ConfigError
from sparsectl.evaluate import EvaluateConfig, compare
from sparsectl.evaluate.planned import GIVEN, summarise
from sparsectl.files import FileError, read_json_lines

CONTROLLERS = {
    "mip": {"nodes": 50, "starts": []},
    "mppi": {"samples": 16, "iterations": 2},
    "zero": {},
}
CONFIG = EvaluateConfig(episodes=2, steps=4, budget=None, engine="serial", planned_states=3)
TIMES = ("seconds", "cold_seconds", "load", "overrun")


def run(folder, model, *, config=CONFIG, controllers=CONTROLLERS, **options):
    options = {"env_id": ENV, "task": TASK, "horizon": 2, **options}
    return compare(
        folder, models={"exact": model}, controllers=controllers, config=config, **options
    )


def timeless(rows):
    return [{k: v for k, v in r.items() if not k.startswith(TIMES)} for r in rows]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_model(tmp_path_factory.mktemp("model") / "exact")


@pytest.fixture(scope="module")
def done(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("compare") / "serial"
    return run(folder, model)


def test_every_episode_is_played_once_with_paired_starts(done):
    names = [(r["controller"], r["episode"]) for r in done.rows]
    assert names == [(c, e) for c in CONTROLLERS for e in range(2)]
    for episode in range(2):
        starts = {r["errors"][0] for r in done.rows if r["episode"] == episode}
        assert len(starts) == 1
    assert all(r["outcome"] == "finished" for r in done.rows)
    assert done.rows[0]["errors"][0] != done.rows[1]["errors"][0]


def test_each_row_is_the_work_of_its_own_controller(model, tmp_path):
    """Also where the entries are equal: here all of them are empty."""
    config = EvaluateConfig(episodes=1, steps=1, engine="serial", clips=0, planned_states=0)
    found = run(tmp_path, model, controllers={"zero": {}, "random": {}, "cem": {}}, config=config)
    assert [set(r["sources"]) for r in found.rows] == [{"zero"}, {"random"}, {"cem"}]
    assert len({r["key"] for r in found.rows}) == 3


def test_a_controller_plays_with_the_models_that_it_names(model, tmp_path):
    config = EvaluateConfig(
        episodes=1, steps=1, engine="serial", clips=0, planned_states=1,
        models={"twin": str(model)},
    )  # fmt: skip
    controllers = {"zero": {}, "cem": {"models": ["twin"], "iterations": 1}}
    found = run(tmp_path, model, controllers=controllers, config=config)
    played = {(r["model"], r["controller"]) for r in found.rows}
    assert played == {("exact", "zero"), ("twin", "zero"), ("twin", "cem")}


def test_the_file_holds_one_finite_json_line_per_episode(done):
    lines = (done.folder / "episodes.jsonl").read_text().splitlines()
    assert len(lines) == 6
    for line in lines:
        json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} in JSON"))


def test_the_mip_controller_beats_doing_nothing_and_proves_it(done):
    for ours, theirs in zip(done.of("exact", "mip"), done.of("exact", "zero"), strict=True):
        assert ours["final_error"] < theirs["final_error"]
        assert ours["proved"] == 1.0


def test_the_first_decision_of_a_controller_is_apart(done):
    assert [r["cold_seconds"] is None for r in done.of("exact", "mip")] == [False, True]


def test_a_clip_and_a_filmstrip_of_the_first_episode(done):
    from PIL import Image

    first, second = done.of("exact", "mip")
    with Image.open(done.clip(first, "clip.webp")) as clip:
        assert 3 <= clip.n_frames <= 5  # equal neighbours are merged
    with Image.open(done.clip(first, "filmstrip.webp")) as strip:
        assert strip.width == 5 * 80 + 4 * 4
    assert done.clip(second, "clip.webp") is None


def test_planned_costs_at_the_same_states_are_never_below_the_reference(done):
    states = {(r["episode"], r["step"]) for r in done.planned}
    assert len(states) == 3
    summary = {s["controller"]: s for s in summarise(done.planned)}
    assert set(summary) == {*CONTROLLERS, f"mip ({GIVEN})"}
    assert all(s["better_than_reference"] == 0 for s in summary.values())
    assert summary["zero"]["above_median"] > 0.0
    assert summary[f"mip ({GIVEN})"]["above_max"] == pytest.approx(0.0)


def test_the_reference_is_given_all_plans_whatever_is_wrapped_around_it(model, tmp_path):
    config = replace(CONFIG, episodes=1, planned_states=2, stall_noise=0.1, budget=5.0)
    found = run(tmp_path / "noisy", model, config=config)
    given = [r for r in found.planned if r["controller"] == f"mip ({GIVEN})"]
    assert len(given) == 2
    for row in given:
        others = [r["cost"] for r in found.planned if r["step"] == row["step"]]
        assert row["cost"] <= min(others) + 1e-9


def test_a_second_call_plays_nothing(done, model):
    before = (done.folder / "episodes.jsonl").read_bytes()
    planned = (done.folder / "planned.jsonl").read_bytes()
    again = run(done.folder, model)
    assert again.rows == done.rows
    assert (done.folder / "episodes.jsonl").read_bytes() == before
    assert (done.folder / "planned.jsonl").read_bytes() == planned


def test_two_workers_give_the_same_rows_and_resume_where_a_kill_left_off(done, model, tmp_path):
    lines = (done.folder / "episodes.jsonl").read_text().splitlines(keepends=True)
    folder = tmp_path / "resumed"
    shutil.copytree(done.folder / "clips", folder / "clips")
    (folder / "episodes.jsonl").write_text("".join(lines[:2]) + lines[2][:40])
    config = replace(CONFIG, engine="process", workers=2)
    resumed = run(folder, model, config=config)
    assert timeless(resumed.rows) == timeless(done.rows)
    planned = [timeless(r.planned) for r in (resumed, done)]
    assert sorted(planned[0], key=str) == sorted(planned[1], key=str)
    assert len(read_json_lines(folder / "episodes.jsonl")) == 6


def test_more_episodes_keep_the_old_ones(model, tmp_path):
    controllers = {"zero": {}}
    config = EvaluateConfig(episodes=1, steps=2, engine="serial", clips=0, planned_states=0)
    run(tmp_path, model, controllers=controllers, config=config)
    more = run(tmp_path, model, controllers=controllers, config=replace(config, episodes=3))
    assert [r["episode"] for r in more.rows] == [0, 1, 2]
    assert len(read_json_lines(tmp_path / "episodes.jsonl")) == 3


def test_other_episodes_are_reported_alone_and_keep_the_old_ones(model, tmp_path):
    controllers = {"zero": {}}
    config = EvaluateConfig(episodes=2, steps=2, engine="serial", clips=0, planned_states=1)
    old = run(tmp_path, model, controllers=controllers, config=config)
    fresh = run(tmp_path, model, controllers=controllers, config=replace(config, first_episode=7))
    assert [r["episode"] for r in fresh.rows] == [7, 8]
    assert {r["episode"] for r in fresh.planned} <= {7, 8}
    assert [r["seed"] for r in fresh.rows] == [10_007, 10_008]
    again = run(tmp_path, model, controllers=controllers, config=config)
    assert again.rows == old.rows
    assert len(read_json_lines(tmp_path / "episodes.jsonl")) == 4
    with pytest.raises(ConfigError, match="first_episode is -1"):
        replace(config, first_episode=-1)


def test_what_a_controller_refuses_is_said_before_anything_is_written(model, tmp_path):
    entry = {"far": {"kind": "cem", "cost_to_go": "geodesic"}}
    with pytest.raises(ConfigError, match=r"controllers\.far\.cost_to_go is geodesic.*has none"):
        run(tmp_path / "new", model, controllers=entry)
    assert not (tmp_path / "new").exists()


def test_another_configuration_is_refused_unless_forced(done, model):
    before = (done.folder / "episodes.jsonl").read_bytes()
    with pytest.raises(FileError, match="another configuration"):
        run(done.folder, model, controllers={**CONTROLLERS, "mppi": {"samples": 32}})
    assert (done.folder / "episodes.jsonl").read_bytes() == before


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"controllers": {"gradiant": {}}}, ConfigError, "did you mean 'gradient'"),
        ({"controllers": {"mppi": {"sample": 3}}}, ConfigError, "did you mean 'samples'"),
        ({"env_id": "sparsectl/Rop-v0"}, ConfigError, "Rope"),
        ({"env_id": "sparsectl/Rope-v0"}, CheckpointError, "trained for .*Synthetic-v0"),
        ({"horizon": 0}, ConfigError, "horizon"),
        ({"controllers": {"zero": {"models": ["exakt"]}}}, ConfigError, "did you mean 'exact'"),
        ({"controllers": {"zero": {"models": "exact"}}}, ConfigError, "a list of names"),
        ({"model": Path("nowhere")}, CheckpointError, "nowhere"),
    ],
)
def test_bad_arguments_create_nothing(options, error, message, model, tmp_path):
    folder = tmp_path / "new"
    with pytest.raises(error, match=message):
        run(folder, options.pop("model", model), **options)
    assert not folder.exists()
