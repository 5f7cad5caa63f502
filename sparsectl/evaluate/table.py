"""The headline table of a comparison: its columns, what is said besides, and its files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from sparsectl.evaluate import model_errors, planned
from sparsectl.evaluate.regret import Regret
from sparsectl.evaluate.results import Results
from sparsectl.evaluate.summary import summarise
from sparsectl.evaluate.verdict import compared_by, verdict
from sparsectl.files import write_atomic
from sparsectl.report import screen, table, text
from sparsectl.report.table import Column, Line, measure, word
from sparsectl.task.margins import told


def columns(results: Results, lines: Sequence[Line]) -> list[Column]:
    """The columns that say something about these results."""
    label, budget = (results.settings["evaluate"][k] for k in ("error_label", "budget"))
    judged = any(line["success"] is not None for line in lines)
    chosen: list[Column] = []
    if len(results.models) > 1:
        chosen.append(word("model", "model"))
    chosen.append(word("controller", "controller"))
    if judged:
        chosen.append(Column("success", _success, "episodes that end in success, 95 % interval"))
    by_return = compared_by(results) == "return"
    if not by_return:
        chosen.append(measure(label, "final_error", "interquartile mean, 95 % interval"))
    if len({line["steps"] for line in lines}) > 1 or not judged:
        chosen.append(Column("steps", lambda s: text.number(s["steps"], 4), "mean episode length"))
    if by_return or not judged:
        chosen.append(measure("return", "return", "interquartile mean, 95 % interval"))
    made = "task's cost of all steps that were made, interquartile mean, 95 % interval"
    chosen.append(measure("cost", "task_cost", made))
    for p in (50, 95, 99):
        meaning = "decision time, median (p95, p99: percentiles)" if p == 50 else ""
        time = measure(f"p{p} [ms]", f"seconds_p{p}", meaning, show=text.milliseconds, wide=p == 95)
        chosen.append(time)
    if any(facts["policy"] for facts in results.settings.get("learnt", {}).values()):
        steps = "environment steps that model and policy were learnt from"
        cpu = "processor time of learning"
        chosen += [
            measure("env. steps", "env_steps", steps, show=_whole),
            measure("learnt [CPU s]", "cpu_seconds", cpu, show=_whole),
        ]
    if budget is not None:
        late = f"decisions that took longer than {1000 * budget:g} ms"
        fallback = "decisions in which a fallback acted"
        chosen += [
            Column("late", lambda s: str(s["deadline_misses"]), late),
            Column("fallb.", lambda s: str(s["fallbacks"]), fallback),
        ]
    if any(line["mean_gap"] is not None for line in lines):
        gap = "mean relative gap between the plan's cost and the proven bound"
        regret = Regret.of(results.settings)
        proved = f"decisions proved {regret.criterion}"
        chosen += [
            measure("gap", "mean_gap", gap, show=text.percent),
            measure(regret.heading, "mean_regret", regret.meaning, wide=True),
            measure("proved", "proved", proved, show=text.percent),
        ]
    if any("interventions" in line for line in lines):
        acted = "decisions in which the shield applied another action than the controller's"
        without = "decisions of a shield without a certificate: no safe plan was known in time"
        chosen += [
            word("interv.", "interventions", acted),
            word("needless", "needless", "of these, those that only the end of the plan asked for"),
            word("uncert.", "uncertified", without),
        ]
    worst = "in the states visited, and share of the steps with one"
    if any(results.settings["task"].get("constraints", {}).values()):
        real = f"worst violation of a hard constraint {worst}"
        planned = "worst violation in a plan, summed over its steps and hard constraints"
        chosen += [
            Column("violated", partial(_violated, "real"), real),
            measure("planned", "worst_violation", planned),
        ]
    if any(line.get("worst_priced_violation") is not None for line in lines):
        paid = f"worst violation of a constraint that has a price {worst}"
        chosen.append(Column("violated at a price", partial(_violated, "priced"), paid))
    return chosen + model_errors.columns(results.settings, lines)


def show(results: Results, console: Console | None = None) -> None:
    """Print verdict, table and notes to a terminal."""
    lines, reference = summarise(results), results.settings["reference"]
    console = console or screen.console()
    for sentence in verdict(results, lines):
        console.print(sentence, style="bold", markup=False, highlight=False)
    console.print(
        table.terminal(
            columns(results, lines),
            lines,
            title=results.settings["title"],
            bold=lambda line: line["controller"] == reference,
        )
    )
    for note in notes(results, lines):
        console.print(note, style="dim", markup=False)


def notes(results: Results, lines: Sequence[Line]) -> list[str]:
    """What a reader must know besides the table."""
    settings, found = results.settings, []
    total = settings["episodes"] * len(settings["keys"])
    if len(results.rows) < total:
        found.append(f"{len(results.rows)} of {total} episodes: the comparison is not complete.")
    if settings.get("unpaired"):
        found.append(settings["unpaired"])
    failed = [r for r in results.rows if r["outcome"] in ("error", "diverged", "bad_action")]
    if failed:
        first = failed[0]
        found.append(
            f"{len(failed)} episodes failed and count as such, e.g. {first['controller']} "
            f"episode {first['episode']}: {first['outcome']}: {first.get('message')}."
        )
    for model, margins in settings.get("margins", {}).items():
        found.append(_margins(results, model, margins))
    for line in lines:
        softened = (
            f"{line['softened']} of {line['decisions']} decisions were softened: no plan was found "
            "that keeps the hard constraints, so the one that acted pays for violating them, most"
        )
        for count, reasons, words in (
            ("fallbacks", "fallback_reasons", "a fallback acted for"),
            ("softened", "softened_reasons", softened),
            ("violated", "violated", "steps that violated a hard constraint, by it"),
            (
                "priced_violated",
                "priced_violated",
                "steps that violated a constraint at its price, by it",
            ),
        ):
            if line[count]:
                found.append(f"{line['controller']}: {words}: {text.reasons(line[reasons])}.")
    limits = results.settings["task"].get("constraints", {}).values()
    every = [item for items in limits if isinstance(items, list) for item in items]
    ends = any(i.get("when") == "terminal" and i.get("price") is None for i in every)
    if any("interventions" in line for line in lines) and not ends:
        found.append(
            "The task has no constraint on the end of a plan: what a shield certifies holds for "
            "the horizon, and that it can go on after it is not promised."
        )
    found += _regrets(results, lines)
    found += model_errors.notes(settings)
    cold = [line["cold_seconds"] for line in lines if line["cold_seconds"] is not None]
    if cold:
        found.append(
            f"The first decision of a process took up to {max(cold):.2f} s and is not in the times."
        )
    loads = [line["load"] for line in lines if line["load"] is not None]
    if loads and max(loads) > 1.2:
        found.append(
            f"The machine was overloaded (load {max(loads):.1f} per core): decision times and "
            "anytime results suffer; use fewer workers."
        )
    return found


def write_csv(results: Results) -> tuple[Path, Path]:
    """Write summary.csv, and episodes.csv with the scalar columns of every episode."""
    skipped = ("dump", "trace", "visited")
    return (
        write_atomic(results.folder / "summary.csv", table.csv(summarise(results), skipped)),
        write_atomic(results.folder / "episodes.csv", table.csv(results.rows, skipped)),
    )


def _margins(results: Results, model: str, margins: Mapping[str, Any]) -> str:
    """What drawing in means for a model: by how much, and what it costs."""
    extra = planned.cost_of_margins(results.planned, model)
    cost = text.percent(float(np.median(extra))) if extra else ""
    paid = f"; plans cost {cost} more by that (median of {len(extra)} states)" if extra else ""
    empty = margins["nothing_left"]
    lost = (
        f" Nothing is left within the {empty}: plan fewer steps, ask for less, or only for the "
        "next steps (coverage_steps)."
        if empty
        else ""
    )
    upto = f" up to step {margins['steps']}" if margins.get("steps") else ""
    return (
        f"{model}: for a coverage of {margins['coverage']:g}{upto} by {margins['rollouts']} "
        f"held-out rollouts, constraints are drawn in: {told(margins['drawn_in'])}{paid}. "
        f"“violated” is of the task's own constraints, “planned” of those drawn in.{lost}"
    )


def _regrets(results: Results, lines: Sequence[Line]) -> list[str]:
    """What bounds mean at the end of a plan, where the cost is a distance."""
    regret = Regret.of(results.settings)
    if not regret.distance:
        return []
    return [
        f"{line['controller']}: under the model no plan could end more than "
        f"{text.number(line['median_regret'])} {regret.unit} closer by the cost's distance "
        f"(median; 95 %: {text.number(line['regret_p95'])})."
        for line in lines
        if line["median_regret"] is not None
    ]


def _whole(value: float | None) -> str:
    return text.DASH if value is None else f"{value:,.0f}"


def _success(line: Line) -> str:
    if line["success"] is None:
        return text.DASH
    low, high = 100 * line["success_low"], 100 * line["success_high"]
    return f"{line['successes']}/{line['episodes']}\n{low:.0f}–{high:.0f} %"


def _violated(kind: str, line: Line) -> str:
    worst = line[f"worst_{kind}_violation"]
    share = line["steps_violated" if kind == "real" else "steps_priced_violated"]
    return text.DASH if worst is None else f"{text.number(worst)}\n{text.percent(share)}"
