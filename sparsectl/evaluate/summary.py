"""One line per model and controller: the numbers of the headline table."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sparsectl.evaluate import model_errors
from sparsectl.evaluate.log import FAILURES, decision_times, mean, plain
from sparsectl.evaluate.regret import Regret
from sparsectl.evaluate.results import Results
from sparsectl.report import statistics
from sparsectl.types import Status

Row = Mapping[str, Any]


def summarise(results: Results, *, resamples: int = 10_000) -> list[dict[str, Any]]:
    """Summary of every model and controller that has episodes; finite numbers or None.

    Errors are in the unit of `error_label`, times in seconds, regret bounds in the unit that
    `Regret` tells them in. `improved` is the probability
    that the reference controller ends closer than this one on the same episode, None where
    episodes of equal seeds are not the same.
    """
    scale = float(results.settings["evaluate"]["error_scale"])
    reference, regret = results.settings["reference"], Regret.of(results.settings)
    lines = []
    for model in results.models:
        rival = {r["episode"]: r for r in results.of(model, reference)}
        for controller in results.controllers:
            rows = results.of(model, controller)
            if rows:
                names = {"model": model, "controller": controller}
                alone = controller == reference or results.settings.get("unpaired")
                paired = {} if alone else rival
                found = _summary(rows, paired, scale, regret, resamples)
                told = results.settings.get("learnt", {}).get(f"{model}/{controller}", {})
                spent = {k: told.get(k) for k in ("env_steps", "cpu_seconds")}
                errors = model_errors.headline(results.settings, model, controller)
                lines.append(plain({**names, **found, **spent, **errors}))
    return lines


def _summary(
    rows: Sequence[Row], rival: Mapping[int, Row], scale: float, regret: Regret, resamples: int
) -> dict[str, Any]:
    error = statistics.bootstrap([_numbers(rows, "final_error", scale)], resamples=resamples)
    success = statistics.proportion(_numbers(rows, "success"))
    returns = statistics.bootstrap([_numbers(rows, "return")], resamples=resamples)
    cost = statistics.bootstrap([_numbers(rows, "task_cost")], resamples=resamples)
    better = _improvement(rows, rival, resamples)
    seconds = np.array([s for r in rows for s in r.get("seconds") or []])
    gaps = [g for r in rows for g in r.get("gaps") or [] if g is not None]
    regrets = [told for r in rows for told in _regrets(r, regret) if told is not None]
    fallbacks = _counts(rows, "fallbacks")
    return {
        "episodes": len(rows),
        "failed": sum(r["outcome"] in FAILURES for r in rows),
        "successes": int(sum(_numbers(rows, "success"))) if success.count else None,
        **_interval("success", success),
        "ever_success": mean(_numbers(rows, "ever_success")),
        **_interval("final_error", error),
        **_interval("return", returns),
        "steps": mean(_numbers(rows, "steps")),
        **_interval("task_cost", cost),
        "mean_cost": mean(_numbers(rows, "mean_cost")),
        **_interval("improved", better),
        "decisions": len(seconds),
        **decision_times(seconds),
        "cold_seconds": max(_numbers(rows, "cold_seconds"), default=math.nan),
        "deadline_misses": int(sum(_numbers(rows, "deadline_misses"))),
        "overruns": int(sum(_numbers(rows, "overruns"))),
        "worst_overrun": max(_numbers(rows, "worst_overrun"), default=0.0),
        "fallbacks": sum(fallbacks.values()),
        "fallback_reasons": fallbacks,
        "median_gap": float(np.median(gaps)) if gaps else math.nan,
        "mean_gap": mean(gaps),
        "mean_regret": mean(regrets),
        "median_regret": float(np.median(regrets)) if regrets else math.nan,
        "regret_p95": float(np.percentile(regrets, 95)) if regrets else math.nan,
        "proved": _proved(rows, regret),
        "clipped_actions": int(sum(_numbers(rows, "clipped_actions"))),
        "worst_violation": max(_numbers(rows, "worst_violation"), default=0.0),
        **_violations(rows, "real_violations", "violated"),
        **_violations(rows, "priced_violations", "priced_violated"),
        "softened": _counts(rows, "statuses")[Status.SOFTENED],
        "softened_reasons": _counts(rows, "softened"),
        **_shield(rows, len(seconds)),
        "load": max(_numbers(rows, "load"), default=math.nan),
    }


def _interval(name: str, found: statistics.Interval) -> dict[str, float]:
    return {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}


def _counts(rows: Sequence[Row], name: str) -> Counter[str]:
    """Counts by reason, over all episodes."""
    total: Counter[str] = Counter()
    for r in rows:
        total.update(r.get(name) or {})
    return total


def _shield(rows: Sequence[Row], decisions: int) -> dict[str, int]:
    """Decisions without a certificate and interventions, where a shield played."""
    counts = _counts(rows, "shield")
    if not counts:
        return {}
    return {
        "uncertified": decisions - counts["certified"],
        "interventions": counts["intervened"],
        "needless": counts["needless"],
    }


def _violations(rows: Sequence[Row], sizes: str, counts: str) -> dict[str, Any]:
    """Of hard or of priced constraints in the states visited, from two columns of the rows."""
    found, violated = [v for r in rows for v in r.get(sizes) or []], _counts(rows, counts)
    return {
        f"worst_{sizes.removesuffix('s')}": max(found, default=math.nan),
        f"steps_{counts}": violated.total() / len(found) if found else math.nan,
        counts: violated,
    }


def _improvement(
    rows: Sequence[Row], rival: Mapping[int, Row], resamples: int
) -> statistics.Interval:
    pairs = [
        (rival[r["episode"]]["final_error"], r["final_error"])
        for r in rows
        if r["episode"] in rival
        and r.get("final_error") is not None
        and rival[r["episode"]].get("final_error") is not None
    ]
    ours, theirs = [p[0] for p in pairs], [p[1] for p in pairs]
    return statistics.improvement(ours, theirs, resamples=resamples)


def _regrets(row: Row, regret: Regret) -> list[float | None]:
    """Regret bound of every decision of an episode; None where it has none of its own."""
    return [
        regret.told(cost, bound)
        for cost, bound in zip(row.get("costs") or [], row.get("bounds") or [], strict=True)
    ]


def _proved(rows: Sequence[Row], regret: Regret) -> float:
    """Share of the decisions that were proved, over all episodes; NaN where none has a bound."""
    proved: list[float] = []
    for r in (r for r in rows if r.get("proved") is not None):
        own = r.get("optimal")
        if own is None:  # Of an earlier version, which kept only the share.
            proved.append(r["proved"] * sum(g is not None for g in r["gaps"]))
            continue
        each = zip(r["gaps"], own, _regrets(r, regret), strict=True)
        proved.append(sum(g is not None and regret.proved(g, o, told) for g, o, told in each))
    return sum(proved) / sum(len(r.get("gaps") or ()) for r in rows) if proved else math.nan


def _numbers(rows: Sequence[Row], name: str, scale: float = 1.0) -> list[float]:
    return [scale * float(r[name]) for r in rows if r.get(name) is not None]
