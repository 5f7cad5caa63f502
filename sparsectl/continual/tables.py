"""The table of continual learners: its columns."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from sparsectl.continual.results import Line
from sparsectl.report import table, text
from sparsectl.report.table import Column, word

_measure = partial(table.measure, show=table.rounded, to=" to ")


def columns(lines: Sequence[Line]) -> list[Column]:
    """All columns that these lines fill."""
    return [*scores(lines), *belief(lines), *cost(lines)]


def named(lines: Sequence[Line]) -> list[Column]:
    """What a line is about."""
    chosen = [word("learner", "label"), word("protocol", "protocol")]
    if len({(r["label"], r["protocol"]) for r in lines}) < len(lines):
        chosen.append(word("mode", "mode", "way of predicting"))
    return [*chosen, Column("seeds", lambda r: str(r["seeds"]))]


def scores(lines: Sequence[Line]) -> list[Column]:
    """What is learnt and forgotten, after the names."""
    classes = lines[0]["kind"] == "classification"
    score = "accuracy" if classes else "normalised error (1: predicting the mean)"
    chosen = [
        *named(lines),
        _measure("final", "final", f"{score} after the whole stream, mean over tasks"),
        _measure("worst", "worst", "the same on the task where it is worst"),
        _measure("at training", "at_training", f"{score} on a task just after it was learnt"),
        _measure(
            "forgetting", "forgetting", "best score before the end minus final; above 0: loss"
        ),
        _measure("BWT", "bwt", "final minus at training; below 0: loss"),
        _measure("FWT", "fwt", "before learning a task, against the untrained network"),
    ]
    for count in (5, 20):
        if any(f"last_{count}" in r for r in lines):
            chosen.append(
                _measure(f"last {count}", f"last_{count}", f"final, of the last {count} tasks")
            )
    if any("of_joint" in r for r in lines):
        told = "final over that of the same learner with all tasks at once"
        chosen.append(_measure("of joint", "of_joint", told))
    return chosen


def belief(lines: Sequence[Line]) -> list[Column]:
    """Calibration, without names."""
    chosen = []
    for title, key, meaning in (
        ("NLL", "nll", "negative log likelihood of a test example"),
        ("ECE", "ece", "confidence against accuracy"),
        ("AUROC", "auroc", "of the weights' uncertainty, wrong against right predictions"),
        ("within 80 %", "cover_80", "share of targets within the central 80 % intervals"),
        ("rank", "rank", "correlation of the weights' uncertainty with the error"),
    ):
        if any(key in r and r[key].count for r in lines):
            chosen.append(_measure(title, key, meaning))
    return chosen


def cost(lines: Sequence[Line]) -> list[Column]:
    """Of the deployed network and of learning, without names."""
    chosen = [
        Column("bits", lambda r: f"{r['bits']:g}", "of one deployed weight"),
        Column("bytes", lambda r: f"{r['bytes']:,.0f}", "of the deployed network"),
        Column(
            "ACE", lambda r: text.number(r["ace"]), "bit operations of one prediction (PokeBNN)"
        ),
        Column(
            "products", lambda r: f"{r['multiplications']:,.0f}", "multiplications that are left"
        ),
        _measure("CPU [s]", "train_seconds", "of learning"),
    ]
    if any(r["not_finite"].value > 0 for r in lines):
        chosen.append(_measure("skipped", "not_finite", "batches and steps that were not finite"))
    return chosen


def terminal(lines: Sequence[Line]) -> table.Table:
    """For `rich`: scores and cost without intervals, so that a terminal is wide enough."""
    return table.terminal([*scores(lines), *cost(lines)], lines, intervals=False)


def markdown(lines: Sequence[Line]) -> str:
    """All columns, with intervals in brackets."""
    return table.markdown(columns(lines), lines)
