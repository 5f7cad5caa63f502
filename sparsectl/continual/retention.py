"""What is left of the control of earlier bodies at the end of a stream."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

AT_TRAINING, FINAL = "at_training", "final"
"""When a network played: just after the body, or after the whole stream."""
RESAMPLES = 10_000


def retained(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Mean scores of every label and body, and what is retained of them.

    Args:
        rows: episodes with label, seed, body, when, episode and score.

    Returns:
        Rows with label, body, at_training, final, retention = final / at_training (None where
        that is not above 0, or the body is the last one), `low` and `high` (its 95 % bootstrap
        interval, which draws pairs of episodes from the same start within every body; None with
        fewer than two pairs) and `pairs`; `body` None: the mean over earlier bodies.
    """
    out: list[dict[str, Any]] = []
    for label in dict.fromkeys(r["label"] for r in rows):
        own = [r for r in rows if r["label"] == label]
        bodies = {b: _scores(own, b) for b in dict.fromkeys(r["body"] for r in own)}
        lines = [{"label": label, "body": b, **_share([v])} for b, v in bodies.items()]
        earlier = [v for v in bodies.values() if v[FINAL]]
        out += lines
        if earlier:
            out.append({"label": label, "body": None, **_share(earlier)})
    return out


Scores = dict[str, dict[tuple[Any, Any], float]]
"""By when it was played, and by the network's seed and the episode."""


def _scores(rows: Sequence[dict[str, Any]], body: str) -> Scores:
    return {
        when: {
            (r["seed"], r["episode"]): float(r["score"])
            for r in rows
            if r["body"] == body and r["when"] == when
        }
        for when in (AT_TRAINING, FINAL)
    }


def _share(bodies: Sequence[Scores]) -> dict[str, Any]:
    """The mean over bodies of their mean scores, and the ratio of what is left."""
    means = {
        when: float(np.mean([np.mean(list(b[when].values())) for b in bodies]))
        if all(b[when] for b in bodies)
        else None
        for when in (AT_TRAINING, FINAL)
    }
    paired = [
        np.array([[b[AT_TRAINING][k], b[FINAL][k]] for k in b[FINAL] if k in b[AT_TRAINING]])
        for b in bodies
    ]
    pairs = sum(map(len, paired))
    before, after = means[AT_TRAINING], means[FINAL]
    known = before is not None and after is not None and before > 0
    line = {**means, "retention": after / before if known else None}  # type: ignore[operator]
    low, high = _interval(paired) if known and pairs > 1 else (None, None)
    return {**line, "low": low, "high": high, "pairs": pairs}


def _interval(paired: Sequence[np.ndarray]) -> tuple[float | None, float | None]:
    """95 % of the ratio of means; None where a body has no pairs, or where the denominator may
    well be nothing: its own interval is not above 0."""
    if not all(map(len, paired)):
        return None, None
    rng = np.random.default_rng(0)
    totals = np.zeros((RESAMPLES, 2))
    for pairs in paired:
        chosen = rng.integers(len(pairs), size=(RESAMPLES, len(pairs)))
        totals += pairs[chosen].mean(1)
    low, high = np.quantile(totals[:, 0], (0.025, 0.975))
    if low <= 0:  # a ratio to something that may well be nothing
        return None, None
    kept = totals[totals[:, 0] > 0]
    low, high = np.quantile(kept[:, 1] / kept[:, 0], (0.025, 0.975))
    return float(low), float(high)


def percent(line: dict[str, Any]) -> str:
    """Retention as text: `79 % (61 to 100)`."""
    share, low, high = (line[k] for k in ("retention", "low", "high"))
    if share is None:
        return "–"
    return f"{100 * share:.0f} %" + (
        "" if low is None else f" ({100 * low:.0f} to {100 * high:.0f})"
    )
