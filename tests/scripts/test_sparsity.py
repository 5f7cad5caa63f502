"""The sparsity scoreboard: budgets, what is missing, and who is the lowest."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from scripts.mip import bounded, mode_penalty
from scripts.sparsity import planned, report, study, tasks
from scripts.sparsity.methods import METHODS, Schedule

SMALL = ["--hidden", "6", "4", "--schedule", "6", "4", "--dense-steps", "20"]
SMALL += ["--removal-steps", "2", "--finetune-steps", "24", "--tasks", "piecewise_affine"]


@pytest.fixture
def tiny(monkeypatch):
    """Little data in place of the task's."""
    original = tasks._data

    def few(config, root, amount, purpose):
        amount = type(amount)(transitions=600, episode_steps=20, policy="random")
        return original(config, root, amount, purpose)

    monkeypatch.setattr(tasks, "_data", few)


def rows(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_run_stops_goes_on_and_reports(tiny, tmp_path):
    out = tmp_path / "sparsity.jsonl"
    command = [*SMALL, "--seeds", "0", "--out", str(out), "--cache", str(tmp_path / "cache")]
    assert study.main([*command, "--methods", "magnitude", "snl", "--counts", "6"]) == 0
    first = rows(out)
    assert {r["method"] for r in first} == {"dense", "dense_long", "magnitude", "snl"}
    assert study.main(command) == 0
    found = rows(out)
    assert found[: len(first)] == first
    cells = [(r["method"], r["count"]) for r in found]
    assert len(set(cells)) == len(cells)
    levels = {("dense", 10), ("dense_long", 10)}
    assert set(cells) == levels | {(m, n) for m in METHODS for n in (6, 4)}
    for count in (6, 4):
        assert len({r["steps"] for r in found if r["count"] == count}) == 1
    assert all(np.isfinite(r["error_10"]) and r["cpu_seconds"] > 0 for r in found)
    for suffix in (".csv", ".md", ".png"):
        assert out.with_suffix(suffix).stat().st_size > 200
    # Another schedule: none of these rows count.
    assert study.main([*command, "--finetune-steps", "11", "--report-only"]) == 1


def test_a_spent_budget_starts_nothing(tiny, tmp_path):
    out = tmp_path / "sparsity.jsonl"
    command = [*SMALL, "--seeds", "0", "--out", str(out), "--cache", str(tmp_path / "cache")]
    assert study.main([*command, "--budget-seconds", "-1"]) == 1
    assert not out.exists()


def test_the_budget_of_a_count_is_what_the_rounds_before_it_take():
    schedule = Schedule((8, 4), dense=100, start=10, removal=5, finetune=20, rate=1e-2)
    assert schedule.rounds() == [(8, 25), (4, 35)]
    assert (schedule.total(8), schedule.total(4)) == (125, 160)
    assert schedule.down_to(8) == [(8, 25)]


def test_the_lowest_is_clear_only_without_overlap():
    def lowest(**errors):
        found = {m: report.interval(v) for m, v in errors.items()}
        return report.lowest(found)

    assert lowest(snl=[1.0, 1.1, 1.2], magnitude=[2.0, 2.1, 2.2]) == ("snl", True)
    assert lowest(snl=[1.0, 1.1, 2.5], magnitude=[2.0, 2.1, 2.2]) == ("snl", False)
    assert lowest(snl=[1.0], magnitude=[2.0]) == ("snl", False)
    assert lowest(snl=[1.0, 1.0]) == ("snl", False)
    assert lowest(snl=[1.0, 1.1], magnitude=[2.0]) == ("snl", True)


@pytest.mark.usefixtures("modes_in_a_moment")
def test_the_mode_penalty_is_measured_once(tiny, tmp_path, monkeypatch):
    schedule = Schedule((6, 4), dense=10, start=5, removal=2, finetune=12, rate=2e-2)
    monkeypatch.setattr(mode_penalty, "SCHEDULE", schedule)
    monkeypatch.setattr(mode_penalty, "DENSE", (6, 4))
    monkeypatch.setattr(mode_penalty, "HIDDEN", (3, 3, 3))
    monkeypatch.setattr(mode_penalty, "STARTS", 1)  # each is solved in a process of its own
    out = tmp_path / "modes.jsonl"
    command = ["--tasks", "piecewise_affine", "--seeds", "0", "--penalties", "0", "0.3"]
    command += ["--horizon", "2", "--out", str(out), "--cache", str(tmp_path / "cache")]
    assert mode_penalty.main(command) == 0
    found = rows(out)
    assert [(r["penalty"], r["relus"]) for r in found] == [(0, 6), (0, 4), (0.3, 6), (0.3, 4)]
    # another loss, another network; small programs are solved within the limit
    assert found[0]["error_10"] != found[2]["error_10"]
    assert all(r["modes_seen"] >= 1 and 0 <= min(r["seconds"]) < r["limit"] for r in found)
    table = out.with_suffix(".md").read_text()
    assert "| piecewise_affine | 6 | 0.3 | 1 |" in table
    assert mode_penalty.main(command) == 0
    assert rows(out) == found


def test_members_trained_for_their_bounds_are_measured_once(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(bounded, "_EPISODES", 1)
    monkeypatch.setitem(planned.STEPS, "piecewise_affine", 2)
    out = tmp_path / "bounded.jsonl"
    command = ["--tasks", "piecewise_affine", "--seeds", "0", "--hidden", "4", "4"]
    command += ["--steps", "10", "2", "12"]
    command += ["--problems", "1", "--horizon", "2", "--limit", "1", "--decision", "0.2"]
    command += ["--variants", "6", "6:relaxation:0.3", "--visited", "2"]
    command += ["--out", str(out), "--cache", str(tmp_path / "cache")]
    assert bounded.main(command) == 0
    plain, other = rows(out)
    assert (plain["term"], other["term"], other["weight"]) == ("none", "relaxation", 0.3)
    assert plain["error_10"] != other["error_10"]
    assert all(0 < r["seconds"][0] <= 1 for r in (plain, other))
    assert (
        "| piecewise_affine | 6 | relaxation_penalty | 0.3 | 1 |"
        in (tmp_path / "bounded.md").read_text()
    )
    assert out.with_suffix(".png").exists()
    assert bounded.main(command) == 0
    assert rows(out) == [plain, other]
