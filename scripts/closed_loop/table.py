"""The table of the closed-loop study: one row per task, budget, model and controller."""

from __future__ import annotations

import csv
import math
import re
from pathlib import Path

import numpy as np

from scripts.study import Row
from sparsectl import seeding
from sparsectl.evaluate import results
from sparsectl.evaluate.results import Results
from sparsectl.evaluate.summary import summarise
from sparsectl.files import csv_text, read_json, write_atomic
from sparsectl.report import statistics
from sparsectl.report.statistics import Interval, iqm

FOLDER, FACTS = "closed_loop", "facts.json"
KEY = ("task", "budget", "model", "controller")
TEXTS = ("task", "model", "controller", "kind", "measure", "unit")
_SUCCESS = ("success", "success_low", "success_high")
_TIMES = ("decisions", "seconds_p50", "seconds_p95", "seconds_p99", "deadline_misses", "fallbacks",
          "proved", "median_gap", "load")  # fmt: skip
FIELDS = (
    *KEY, "kind", "relus", "episodes", "steps", "failed", "measure", "unit", "value", "low", "high",
    *_SUCCESS, "difference", "difference_low", "difference_high", "closer", "closer_low",
    "closer_high", *_TIMES,
)  # fmt: skip
_SAME = ("episodes", "failed", *_SUCCESS, *_TIMES)


def collect(runs: Path, path: Path, resamples: int = 10_000) -> list[Row]:
    """Rows of all runs, and those of the table that no run here has; the table is written.

    `value` is the interquartile mean, with its 95 % bootstrap interval, of the final error, of the
    length where an episode ends with success, or of the return where there is no error or the
    config compares by it. Against
    the dense model's best planner, with episodes of the same start as pairs: `difference` of the
    two interquartile means, and `closer`, the probability that an episode ends better.
    """
    rows = {_key(r): r for r in read(path)}
    found: dict[tuple, list[tuple[Row, list[float]]]] = {}
    for facts_path in sorted(runs.glob(f"*/{FOLDER}/*/*/{FACTS}")):
        if not (facts_path.parent / results.SETTINGS).is_file():
            continue
        facts = read_json(facts_path)
        for row, values in _rows(results.read(facts_path.parent), facts, resamples):
            found.setdefault((row["task"], row["budget"]), []).append((row, values))
    for pairs in found.values():
        _compare(pairs, resamples)
        rows |= {_key(row): row for row, _ in pairs}
    ordered = sorted(rows.values(), key=lambda r: (*_key(r)[:2], -r["relus"], *_key(r)[2:]))
    if ordered:
        shown = [{k: f"{v:.5g}" if isinstance(v := r.get(k), float) else v for k in FIELDS}
                 for r in ordered]  # fmt: skip
        write_atomic(path, csv_text(shown))
    return read(path)


def read(path: Path) -> list[Row]:
    """Rows of the table, as numbers and texts; missing numbers are None."""
    if not path.is_file():
        return []
    with open(path, newline="") as file:
        return [
            {k: v if k in TEXTS else float(v) if v else None for k, v in row.items()}
            for row in csv.DictReader(file)
        ]


def _measure(evaluate: Row, has_error: bool) -> tuple[str, str]:
    """What an episode is judged by, and its unit.

    Where an episode ends with success, its error then tells nothing, but its length does; or the
    config says that the return does.
    """
    if evaluate.get("compared_by") == "return":
        return "return", ""
    if evaluate["until_success"]:
        return "length", "steps"
    unit = re.search(r"\(([^)]*)\)", evaluate["error_label"]) if has_error else None
    return "final error" if has_error else "return", unit.group(1) if unit else ""


def _value(episode: Row, measure: str, settings: Row) -> float:
    """Of an episode; NaN without one, and the longest length without success."""
    if measure == "length":
        return float(episode["steps"] if episode["success"] else settings["steps"])
    name, scale = ("return", 1.0)
    if measure == "final error":
        name, scale = "final_error", settings["evaluate"]["error_scale"]
    return math.nan if episode.get(name) is None else scale * float(episode[name])


def lower_is_better(row: Row) -> bool:
    """Errors are low where things are good, returns high."""
    return row["measure"] != "return"


def is_dense(row: Row) -> bool:
    """Whether it is a planner with the dense model alone."""
    return row["model"] == "dense" and row["kind"] != "two_models"


def is_mip(row: Row) -> bool:
    """Whether it is based on mixed-integer programming: on a sparse member or on two models."""
    return row["kind"] in ("mip", "two_models")


def best(rows: list[Row]) -> Row | None:
    """The row of best value; None without any."""
    known = [r for r in rows if r["value"] is not None and math.isfinite(r["value"])]
    return min(known, key=lambda r: r["value"] * (1 if lower_is_better(r) else -1), default=None)


def _rows(found: Results, facts: Row, resamples: int) -> list[tuple[Row, list[float]]]:
    """Rows of one folder, each with its values by episode (NaN where there is none)."""
    settings = found.settings
    measure, unit = _measure(settings["evaluate"], facts["has_error"])
    rows = []
    for line in summarise(found, resamples=resamples):
        played = {e["episode"]: e for e in found.of(line["model"], line["controller"])}
        values = [
            _value(played[i], measure, settings) if i in played else math.nan for i in found.numbers
        ]
        known = [v for v in values if not math.isnan(v)]
        whole = statistics.bootstrap([known], iqm, resamples=resamples)
        row = {
            **{k: facts[k] for k in ("task", "budget", "relus")},
            "model": line["model"], "controller": line["controller"],
            "kind": settings["kinds"][line["controller"]], "steps": settings["steps"],
            "measure": measure, "unit": unit,
            "value": whole.value, "low": whole.low, "high": whole.high,
            **{k: line[k] for k in _SAME},
        }  # fmt: skip
        rows.append((row, values))
    return rows


def _compare(pairs: list[tuple[Row, list[float]]], resamples: int) -> None:
    """Fill in how often each is better than the dense model's best planner."""
    rival = best([row for row, _ in pairs if is_dense(row)])
    theirs = next((values for row, values in pairs if row is rival), [])
    for row, ours in pairs:
        sign = 1 if lower_is_better(row) else -1
        both = [
            (sign * a, sign * b)
            for a, b in zip(ours, theirs, strict=False)
            if math.isfinite(a) and math.isfinite(b)
        ]
        if row is rival or not both:
            continue
        a, b = zip(*both, strict=True)
        won = statistics.improvement(a, b, resamples=resamples)
        row |= {"closer": won.value, "closer_low": won.low, "closer_high": won.high}
        less = paired_difference(sign * np.array(a), sign * np.array(b), resamples)
        row |= {"difference": less.value}
        row |= {"difference_low": less.low, "difference_high": less.high}


def paired_difference(ours: np.ndarray, theirs: np.ndarray, resamples: int) -> Interval:
    """Difference of interquartile means over paired episodes, which are drawn as pairs."""
    n = len(ours)
    drawn = seeding.generator(0, "paired").integers(n, size=(resamples, n))
    low, high = np.percentile(iqm(ours[drawn]) - iqm(theirs[drawn]), [2.5, 97.5])
    return Interval(float(iqm(ours) - iqm(theirs)), float(low), float(high), n)


def _key(row: Row) -> tuple:
    return tuple(float(row[k]) if k == "budget" else row[k] for k in KEY)
