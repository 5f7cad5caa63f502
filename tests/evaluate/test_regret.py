"""Regret bounds in the unit of the task error, and decisions proved within it."""

import dataclasses
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
import fake_results

from sparsectl.config import from_dict
from sparsectl.errors import ConfigError
from sparsectl.evaluate import planned, results, table
from sparsectl.evaluate.config import EvaluateConfig
from sparsectl.evaluate.log import EpisodeLog
from sparsectl.evaluate.regret import Regret
from sparsectl.evaluate.summary import summarise
from sparsectl.task import TaskConfig
from sparsectl.types import Plan, Status

END = {"of": "links", "target": "goal", "weight": 0.0, "terminal_weight": 3.0}
NAMES = {"observation": {"state": {"links": "0:2"}, "goal": {"goal": "2:4"}}}


def _weight(*terms, **more):
    cost = {"terms": list(terms), **more.pop("cost", {})}
    return from_dict(TaskConfig, {**NAMES, "cost": cost, **more}).distance_weight


def test_a_cost_is_a_distance_where_nothing_else_costs():
    assert _weight(END) == 3.0
    assert _weight(END, {**END, "of": "links[0:1]"}) == 3.0
    assert _weight({**END, "weight": 0.1}) is None
    assert _weight({**END, "norm": "l2sq"}) is None
    assert _weight({**END, "dead_zone": 0.01}) is None
    assert _weight(END, {**END, "terminal_weight": 1.0}) is None
    assert _weight(END, cost={"action": {"norm": "l1", "weight": 0.1}}) is None
    priced = {"boxes": [{"of": "links", "low": -1.0, "high": 1.0, "price": 2.0}]}
    assert _weight(END, constraints=priced) is None
    assert _weight() is None


@pytest.fixture
def found(tmp_path):
    """A comparison in millimetres whose cost is 4 times a distance in metres."""
    found = results.read(fake_results.write(tmp_path, pictures=False))
    evaluate = {**found.settings["evaluate"], "proved_within": 5.0}
    evaluate |= {"error_label": "final error [mm]", "error_scale": 1000}
    settings = {**found.settings, "distance_weight": 4.0, "evaluate": evaluate}
    return dataclasses.replace(found, settings=settings)


def test_tables_tell_regret_in_the_unit_of_the_error(found):
    rows = [r for r in found.rows if r["controller"] == "mip"]
    each = [
        1000 * (c - b) / 4
        for r in rows for c, b in zip(r["costs"], r["bounds"], strict=True) if b is not None
    ]  # fmt: skip
    line = next(s for s in summarise(found, resamples=10) if s["controller"] == "mip")
    assert line["mean_regret"] == pytest.approx(sum(each) / len(each))
    assert line["regret_p95"] >= line["median_regret"]
    headings = {c.title for c in table.columns(found, [line])}
    assert "regret [mm]" in headings
    said = [note for note in table.notes(found, [line]) if "closer" in note]
    assert said
    assert "mm closer" in said[0]


def test_decisions_within_the_tolerance_count_as_proved(found):
    line = next(s for s in summarise(found, resamples=10) if s["controller"] == "mip")
    count = total = 0
    for r in found.rows:
        if r["controller"] != "mip":
            continue
        for cost, bound, gap in zip(r["costs"], r["bounds"], r["gaps"], strict=True):
            total += 1
            count += gap is not None and (gap <= 0.01 or 250 * (cost - bound) <= 5.0)
    assert line["proved"] == pytest.approx(count / total)
    plain = {**found.settings["evaluate"], "proved_within": None}
    strict = dataclasses.replace(found, settings={**found.settings, "evaluate": plain})
    less = next(s for s in summarise(strict, resamples=10) if s["controller"] == "mip")
    assert less["proved"] < line["proved"]


def test_a_cost_that_is_no_distance_is_told_in_its_own_unit(found):
    regret = Regret.of({**found.settings, "distance_weight": None})
    assert (regret.heading, regret.told(2.0, 1.5)) == ("regret", 0.5)
    assert regret.words(2.0, 1.5) == "no plan can cost less by more than 0.5"
    assert (
        Regret.of(found.settings).words(2.0, 1.5)
        == "no plan can end more than 1.2e+02 mm closer, by the cost's distance"
    )
    assert regret.words(2.0, None) == ""


def test_planned_states_count_alike(found):
    rows = [{**r, "bound": r["cost"] - 0.016, "gap": 0.3} for r in found.planned if r["bound"]]
    (line,) = planned.summarise(
        [r for r in rows if r["controller"] == "mip"], Regret.of(found.settings)
    )
    assert line["regret_median"] == pytest.approx(4.0)
    assert line["proved"] == 1.0
    (bare,) = planned.summarise([r for r in rows if r["controller"] == "mip"])
    assert bare["proved"] == 0.0


@pytest.mark.parametrize("wrong", [-1.0, float("nan"), "1 mm"])
def test_a_bad_tolerance_of_the_report_is_refused(wrong):
    with pytest.raises(ConfigError, match=r"proved_within is .*at least 0"):
        EvaluateConfig(proved_within=wrong)


@pytest.mark.parametrize(
    ("claim", "cost", "bound", "proved"),
    [
        ("optimal to 20 %", 1.0, 0.85, False),
        ("within 0.5 of the optimum", 1.0, 0.6, False),
        ("optimal to 1 %", 1.0, 0.995, True),
        ("optimal", 1e-8, 0.0, True),
    ],
)
def test_a_gap_that_was_asked_for_is_not_one_percent(claim, cost, bound, proved):
    plan = Plan(np.zeros((1, 1)), np.zeros((2, 1)), Status.OPTIMAL, cost, bound, claim=claim)
    log = EpisodeLog(None)
    log.decision(plan, 0.1)
    assert log.row("finished")["proved"] == float(proved)
    names = {"model": "m", "episode": 0, "step": 0}
    (line,) = planned.summarise([{**names, **planned._row("mip", plan, True)}])
    assert line["proved"] == float(proved)


def test_no_plan_is_measured_against_one_that_violates_constraints():
    plan = Plan(np.zeros((1, 1)), np.zeros((2, 1)), Status.HEURISTIC, 2.0)
    softened = dataclasses.replace(plan, status=Status.SOFTENED, cost=1.0, info={"violated": {}})
    names = {"model": "m", "episode": 0, "step": 0}
    given = (("cem", plan, False), ("mip", softened, True))
    rows = [{**names, **planned._row(*row)} for row in given]
    ours, reference = planned.summarise(rows)
    assert (ours["above_median"], ours["infeasible"]) == (None, 0)
    assert (reference["above_median"], reference["infeasible"]) == (None, 1)
