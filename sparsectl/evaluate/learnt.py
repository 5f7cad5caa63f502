"""What the players of a comparison were learnt from: environment steps, processor time, curves."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sparsectl import checkpoint, control
from sparsectl.evaluate.panels import error_label, looks_of, panels
from sparsectl.evaluate.player import Player
from sparsectl.evaluate.results import Results
from sparsectl.evaluate.summary import summarise
from sparsectl.evaluate.verdict import compared_by
from sparsectl.report import statistics
from sparsectl.report.figure import band, logarithmic, mark


def learnt(players: Iterable[Player]) -> dict[str, dict[str, Any]]:
    """By "model/controller": `env_steps` and `cpu_seconds` of all that it learnt from (None where
    a checkpoint does not say), and of a policy that plays alone the `curve` of its training.

    A model counts with the transitions of its data, unless the controller is a policy, which does
    not plan with it.

    Raises:
        CheckpointError: a checkpoint is missing or damaged.
    """
    found = {}
    for player in players:
        entry = {**player.config}
        own = control.policies(player.controller, entry)
        alone = control.config_class(entry.get("kind", player.controller)).policies
        paths = [*own.values(), *([] if alone else [player.checkpoint])]
        metas = [checkpoint.load_tensors(path).meta for path in paths]
        facts: dict[str, Any] = {
            "env_steps": _total(m.get("env_steps", m.get("transitions")) for m in metas),
            "cpu_seconds": _total(m.get("cpu_seconds") for m in metas),
            "policy": bool(alone),
        }
        if alone and metas and metas[0].get("curve"):
            kept = ("steps", "return_mean", "errors")
            facts["curve"] = [{k: row.get(k) for k in kept} for row in metas[0]["curve"]]
        found[f"{player.model}/{player.controller}"] = facts
    return found


def error_against_steps(results: Results) -> Figure | None:
    """What was reached against environment steps used: curves of policies, points of all."""
    told = results.settings.get("learnt", {})
    if not any(facts["policy"] for facts in told.values()):
        return None
    by_return = compared_by(results) == "return"
    scale = 1.0 if by_return else float(results.settings["evaluate"]["error_scale"])
    name = "return" if by_return else "final_error"
    lines = [line for line in summarise(results) if line[name] is not None]

    def draw(axes: Axes, model: str) -> bool:
        steps: list[float] = []
        for line in (x for x in lines if x["model"] == model):
            facts = told.get(f"{model}/{line['controller']}", {})
            if not facts.get("env_steps"):
                continue
            look, value = looks_of(results)[line["controller"]], line[name]
            x, middle, low, high = _course(facts.get("curve", ()), by_return, scale)
            if len(x) > 1:
                band(axes, x, low, middle, high, look, None, linewidth=1.6)  # type: ignore[arg-type]
            spread = [[max(value - line[f"{name}_low"], 0)], [max(line[f"{name}_high"] - value, 0)]]
            mark(axes, facts["env_steps"], value, look, line["controller"], yerr=spread)
            steps += [facts["env_steps"], *x]
        logarithmic(axes, steps)
        axes.set_xlabel("environment steps learnt from")
        axes.set_ylabel("return" if by_return else error_label(results))
        return bool(steps)

    return panels(results, draw, legend=True)


def _course(rows: Any, by_return: bool, scale: float) -> tuple[np.ndarray, ...]:
    """Steps, and interquartile mean and middle half of a policy's evaluations (the mean return)."""
    points = []
    for row in rows:
        values = [row["return_mean"]] if by_return else row.get("errors") or []
        known = np.array([v for v in values if v is not None], np.float64)
        if len(known) and row["steps"]:
            low, high = np.percentile(known, [25, 75])
            points.append((row["steps"], float(statistics.iqm(known)), low, high))
    x, middle, low, high = np.array(points, np.float64).reshape(-1, 4).T
    return x, middle * scale, low * scale, high * scale


def _total(values: Iterable[float | None]) -> float | None:
    found = list(values)
    return None if not found or None in found else float(sum(v for v in found if v is not None))
