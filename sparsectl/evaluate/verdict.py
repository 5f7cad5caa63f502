"""Which planner to use, and why: paired differences of the episodes, not of the means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sparsectl.evaluate.log import FAILURES
from sparsectl.evaluate.results import Results
from sparsectl.report import statistics, text

Line = Mapping[str, Any]
_FEWEST = 3
"""Pairs of episodes below which nothing is said about a difference."""


def verdict(results: Results, lines: Sequence[Line]) -> list[str]:
    """Sentences: the planner to use, how much better it is, and what speaks against it.

    Compared are final errors, or returns where the settings say so or no error is known of one.
    Planners whose 95 % bootstrap interval of the mean difference from the best one holds 0 are not
    told apart: of these the cheapest, by median decision time, is taken.

    Args:
        lines: of `summary.summarise`.
    """
    if not lines:
        return []
    by_error = compared_by(results) == "error" and all(
        line["final_error"] is not None for line in lines
    )
    metric = "final_error" if by_error else "return"
    usable = [line for line in lines if line[metric] is not None]
    if not usable:
        return ["No episode could be scored: there is nothing to choose by."]
    if all(line["failed"] == line["episodes"] for line in usable):
        return ["Every episode of every planner failed: use none of them."]
    sign = 1.0 if by_error else -1.0
    best = min(usable, key=lambda line: sign * line[metric])
    if len(usable) == 1:
        return [f"{_name(best, results)} was played alone: there is nothing to compare it with."]
    found = {id(s): _difference(results, best, s, metric, sign) for s in usable if s is not best}
    if max(d.count for d in found.values()) < _FEWEST:
        return [f"Fewer than {_FEWEST} episodes of each planner: too few to tell them apart."]
    alike = [s for s in usable if s is best or not found[id(s)].low > 0]
    label = results.settings["evaluate"]["error_label"] if by_error else "return"
    if len(alike) == 1:
        rival = min((s for s in usable if s is not best), key=lambda s: found[id(s)].value)
        told = found[id(rival)]
        direction = "lower" if by_error else "higher"
        value, low, high = (text.number(v) for v in (told.value, told.low, told.high))
        why = (
            f"Use {_name(best, results)}: its {label} is {direction} than "
            f"{_name(rival, results)}'s, the next best, by {value} (95 % interval {low} to "
            f"{high}, {told.count} episodes)."
        )
        return [why, *_against(results, best)]
    costs = [s["seconds_p50"] for s in alike]
    known = [c for c in costs if c is not None]
    chosen = alike[costs.index(min(known))] if known else best
    names = ", ".join(_name(s, results) for s in alike)
    time = f" ({text.milliseconds(chosen['seconds_p50'])} ms a decision)" if known else ""
    why = (
        f"Use {_name(chosen, results)}{time}: no difference in {label} was found between {names}, "
        "and it is the cheapest of them."
    )
    return [why, *_against(results, chosen)]


def compared_by(results: Results) -> str:
    """`error` or `return`, see `EvaluateConfig`."""
    return str(results.settings["evaluate"].get("compared_by", "error"))


def _difference(
    results: Results, best: Line, other: Line, metric: str, sign: float
) -> statistics.Interval:
    """By how much the other is worse, over episodes; paired where equal seeds are equal starts."""
    scale = float(results.settings["evaluate"]["error_scale"]) if metric == "final_error" else 1.0
    ours, theirs = (
        {
            r["episode"]: sign * scale * float(r[metric])
            for r in results.of(line["model"], line["controller"])
            if r.get(metric) is not None
        }
        for line in (best, other)
    )
    if results.settings.get("unpaired"):
        return statistics.difference(list(theirs.values()), list(ours.values()), paired=False)
    both = [e for e in ours if e in theirs]
    return statistics.difference([theirs[e] for e in both], [ours[e] for e in both])


def _against(results: Results, line: Line) -> list[str]:
    """What speaks against a planner all the same."""
    found = []
    if line["deadline_misses"]:
        budget = 1000 * results.settings["evaluate"]["budget"]
        found.append(
            f"{line['deadline_misses']} of its {line['decisions']} decisions took longer than "
            f"{budget:g} ms."
        )
    for kind, share, worst in (
        ("hard constraints", "steps_violated", "worst_real_violation"),
        ("constraints at their price", "steps_priced_violated", "worst_priced_violation"),
    ):
        if line[share]:
            found.append(
                f"It violates {kind} in {text.percent(line[share])} of the steps, by "
                f"{text.number(line[worst])} at worst."
            )
    if line["failed"]:
        rows = results.of(line["model"], line["controller"])
        kinds = sorted({r["outcome"] for r in rows if r["outcome"] in FAILURES})
        found.append(f"{line['failed']} of its {line['episodes']} episodes failed ({kinds[0]}).")
    return found


def _name(line: Line, results: Results) -> str:
    many = len(results.models) > 1
    return line["controller"] + (f" with {line['model']}" if many else "")
