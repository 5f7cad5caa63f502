"""The closed-loop and solve-time studies, end to end on a tiny task."""

import csv
import json
import math
import shutil
from pathlib import Path

import cli_runs
import numpy as np
import pytest
import yaml

from scripts.closed_loop import report, runs, study, table
from scripts.mip import solve_times

pytestmark = pytest.mark.usefixtures("modes_in_a_moment", "figures_in_a_moment")
TINY = cli_runs.config("""
sparsify: {counts: [2, 0], hidden: [4], initial_steps: 40, removal_steps: 5, finetune_steps: 20,
           stride: 0.5}
controllers: {mip: {nodes: 50}, fast_mppi: {kind: mppi, samples: 16, iterations: 1}, zero: {},
              gradient: {starts: 4, steps: 2, rounds: 1}}
evaluate: {episodes: 3, engine: serial, workers: 1, error_label: final error (m)}
""")


@pytest.fixture(autouse=True)
def _home(tmp_path, monkeypatch):
    cli_runs.home(monkeypatch, tmp_path, TINY)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Runs with the dense model and its family: made once, copied by the tests that need them."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "tiny.yaml").write_text(TINY)
    config = runs.configured([str(folder / "tiny.yaml")])["tiny"]
    runs.prepared(config, folder / "runs")
    return folder / "runs"


def _rows(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


CLOSED = ["--tasks", "tiny.yaml", "--runs", "runs", "--out", "closed_loop.csv", "--workers", "1",
          "--engine", "serial", "--episodes", "2", "--steps", "3"]  # fmt: skip


def test_closed_loop_makes_the_run_plays_reports_and_goes_on(capsys):
    arguments = [*CLOSED, "--budgets", "0.05", "--two-models", "2"]
    assert study.main([*arguments, "--counts", "2"]) == 0
    rows = _rows("closed_loop.csv")
    played = [("dense", "cem"), ("dense", "fast_mppi"), ("dense", "gradient")]
    played += [("dense", "two_models2"), ("relus2", "gradient"), ("relus2", "mip")]
    assert [(r["model"], r["controller"]) for r in rows] == played
    assert {(r["task"], r["budget"], r["episodes"], r["steps"]) for r in rows} == {
        ("tiny", "0.05", "2", "3")
    }
    assert [r["relus"] for r in rows] == ["4"] * 3 + ["2"] * 3
    assert all(float(r["low"]) <= float(r["value"]) <= float(r["high"]) for r in rows)
    assert [bool(r["proved"]) for r in rows] == [False] * 5 + [True]
    page = Path("closed_loop.md").read_text()
    assert "Of 1 pairs of task and budget" in page
    assert "| relus2 | mip | 2 |" in page

    # A further member is added; what was played is kept.
    before = Path("runs/tiny/closed_loop/0.05s/dense/episodes.jsonl").read_text()
    capsys.readouterr()
    assert study.main([*arguments, "--counts", "2", "0", "7"]) == 0
    assert "no members of [7] ReLUs (there are: 2, 0)" in capsys.readouterr().err
    assert Path("runs/tiny/closed_loop/0.05s/dense/episodes.jsonl").read_text() == before
    assert len(_rows("closed_loop.csv")) == 8

    # No time left: nothing is played. The table alone is enough for the report.
    assert study.main([*CLOSED, "--budgets", "0.03", "--budget-seconds", "1e-9"]) == 0
    assert not Path("runs/tiny/closed_loop/0.03s").exists()
    Path("closed_loop.md").unlink()
    assert study.main([*CLOSED, "--runs", "elsewhere", "--report-only"]) == 0
    assert "| relus0 | mip | 2 |" in Path("closed_loop.md").read_text()
    assert study.main([*arguments, "--estimate", "--budgets", "60"]) == 0
    assert "8 players x 2 episodes x 3 steps: at most 48 min" in capsys.readouterr().out


def test_models_of_an_earlier_config_are_used_and_named(trained, capsys):
    shutil.copytree(trained, "runs")
    config = runs.configured(["tiny.yaml"])["tiny"]
    made = runs.prepared(config, Path("runs"))
    assert (made.relus, list(made.family)) == (4, [2, 0])
    stamp = (made.dense / "meta.json").stat().st_mtime_ns
    Path("tiny.yaml").write_text(TINY.replace("steps: 40", "steps: 50"))
    capsys.readouterr()
    config = runs.configured(["tiny.yaml"])["tiny"]
    again = runs.prepared(config, Path("runs"))
    assert "train.steps (40 -> 50)" in capsys.readouterr().err
    assert (again.dense / "meta.json").stat().st_mtime_ns == stamp


def test_the_config_says_what_is_compared_and_on_which_episodes(trained):
    """By return, from a later episode on, and with controllers that name their models."""
    shutil.copytree(trained, "runs")
    content = yaml.safe_load(TINY)
    content["controllers"]["mip"]["models"] = ["relus2"]
    content["evaluate"] |= {"first_episode": 7, "compared_by": "return", "until_success": True}
    Path("tiny.yaml").write_text(yaml.safe_dump(content))
    arguments = [*CLOSED, "--budgets", "0.05", "--counts", "2", "--two-models"]
    assert study.main(arguments) == 0
    rows = _rows("closed_loop.csv")
    assert {(r["model"], r["controller"]) for r in rows} >= {("dense", "cem"), ("relus2", "mip")}
    folder = Path("runs/tiny/closed_loop/0.05s/relus2")
    played = [json.loads(line) for line in (folder / "episodes.jsonl").read_text().splitlines()]
    returns = [r["return"] for r in played if r["controller"] == "mip"]
    assert sorted(r["episode"] for r in played if r["controller"] == "mip") == [7, 8]
    row = next(r for r in rows if r["controller"] == "mip")
    assert (row["measure"], row["unit"]) == ("return", "")
    assert float(row["value"]) == pytest.approx(np.mean(returns), rel=1e-4)


def _row(model, controller, value, spread=0.1, kind=None, measure="final error"):
    return {
        "task": "rope", "budget": 0.1, "model": model, "controller": controller,
        "kind": kind or controller, "relus": 24.0, "measure": measure, "unit": "mm",
        "value": value, "low": value - spread, "high": value + spread,
    }  # fmt: skip


def test_verdict_compares_the_best_of_both_sides():
    rows = [_row("dense", "cem", 5.0), _row("dense", "mppi", 4.0), _row("relus24", "mip", 6.0)]
    both = _row("dense", "two_models24", 3.0, kind="two_models")
    better_sampler = _row("relus24", "gradient", 1.0)
    at_least, clear, ours, theirs = report.verdict([*rows, both, better_sampler])
    assert (at_least, clear, ours, theirs["controller"]) == (True, True, both, "mppi")
    assert report.verdict(rows)[:2] == (False, True)
    wide = [*rows[:2], _row("relus24", "mip", 4.1, spread=1.0)]
    assert report.verdict(wide)[:2] == (False, False)
    returns = [{**r, "measure": "return"} for r in rows]
    assert report.verdict(returns)[:2] == (True, True), "a return is better if higher"
    assert report.verdict(rows[:2]) is None


def test_report_names_who_took_longer():
    rest = dict.fromkeys(("success", "closer", "difference", "proved", "median_gap", "load"))
    rest |= dict.fromkeys(("difference_low", "difference_high", "seconds_p50", "seconds_p99"))
    rest |= dict.fromkeys(("episodes", "failed", "deadline_misses", "decisions", "fallbacks"), 0.0)
    late = _row("relus24", "mip", 3.0) | rest | {"seconds_p95": 0.2}
    fine = _row("dense", "cem", 5.0) | rest | {"seconds_p95": 0.1}
    report.write([late, fine], Path("table.csv"))
    page = Path("table.md").read_text()
    assert "Not at equal time (p95 above 1.1 times the budget): rope 0.1 s mip, relus24" in page
    assert "| mip, relus24: 3.00 [2.90, 3.10] | cem: 5.00 [4.90, 5.10] |" in page
    assert "at least as good, clear |" in page
    report.write([fine], Path("table.csv"))
    assert "Not at equal time" not in Path("table.md").read_text()


def test_paired_difference_sees_what_intervals_over_starts_hide():
    starts = np.linspace(0.0, 100.0, 20)
    found = table.paired_difference(starts - 1.0, starts, 500)
    assert (found.value, found.low, found.high) == pytest.approx((-1.0, -1.0, -1.0))


SOLVE = ["--tasks", "tiny.yaml", "--runs", "runs", "--out", "solve_times.jsonl", "--states", "2",
         "--horizons", "1", "2", "--deadlines", "0.2", "--limit", "5"]  # fmt: skip


def test_solve_times_are_measured_once_and_reported(trained):
    shutil.copytree(trained, "runs")
    assert solve_times.main([*SOLVE, "--counts", "2"]) == 0
    rows = [json.loads(line) for line in Path("solve_times.jsonl").read_text().splitlines()]
    expected = [(m, h, s) for s in (0, 1) for m in ("2", "dense") for h in (1, 2)]
    assert [(r["model"], r["horizon"], r["state"]) for r in rows] == expected
    assert all(r["seconds_coarse"] <= r["seconds_fine"] <= 5 for r in rows)
    assert all(r["gaps"].keys() == {"0.2", "5"} and r["gaps"]["5"] <= 1e-3 for r in rows)
    assert solve_times.main([*SOLVE, "--counts", "2"]) == 0, "nothing is left to do"
    assert len(Path("solve_times.jsonl").read_text().splitlines()) == len(rows)
    lines = _rows("solve_times.csv")
    assert [(r["model"], r["horizon"], r["states"]) for r in lines] == [
        (m, h, "2") for m in ("2", "dense") for h in ("1", "2")
    ]
    assert lines[0]["modes"]
    assert not lines[2]["modes"], "the dense model is no member of the family"
    assert "## tiny (modes over 2 steps)" in Path("solve_times.md").read_text()


def test_medians_count_what_was_not_solved():
    common = {"task": "t", "relus": 8, "model": "8", "horizon": 3, "program": 8, "limit": 20.0,
              "binaries": 9, "directions": 2, "modes": 5, "modes_complete": False,
              "config_horizon": 5, "infeasible": False, "clock": "cpu"}  # fmt: skip
    quick = {**common, "seconds_coarse": 0.1, "seconds_fine": 0.2, "gaps": {"1": 0.0}}
    slow = {**common, "seconds_coarse": 3.0, "seconds_fine": None, "gaps": {"1": 0.5}}
    none = {**common, "seconds_coarse": None, "seconds_fine": None, "gaps": {"1": None}}
    (line,) = solve_times.table([quick, slow, none])
    assert (line["seconds_coarse"], line["seconds_fine"]) == (3.0, math.inf)
    assert (line["solved_coarse"], line["solved_fine"], line["gap_1"]) == (2, 1, 0.5)
    page = "\n".join(solve_times.markdown([line], [quick, slow, none])[-1])
    assert "| 8 | ≥ 5 | 3 | 9 | 3.0 | > 20 | 2 / 1 of 3 | 50 % |" in page
