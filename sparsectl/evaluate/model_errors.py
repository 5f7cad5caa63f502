"""How far the models of a comparison err: on held-out collected data, and where plans drove.

Optimisers look for a model's errors, so that what it errs by on data says little of plans. On the
states that a controller visited the model is rolled out under the actions that were executed; after
one step that is what the plan predicted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sparsectl.data import Episodes
from sparsectl.evaluate import trajectories
from sparsectl.evaluate.log import plain
from sparsectl.evaluate.player import Player, make_task
from sparsectl.evaluate.trajectories import Arrays, Name
from sparsectl.report import text
from sparsectl.report.table import Column, Line, measure, word

KEY = "model_errors"
"""Of settings.json."""
WHERE = ("driven", "collected")
"""Of `headline`: where the controller drove, and on held-out data."""
COLLECTED = "held-out data"
_STEPS = (1, 5, 10)


def measured(
    folder: Path, players: Sequence[Player], steps: Mapping[Name, int | None]
) -> list[dict]:
    """Errors of every model on held-out data and on what each of its controllers drove.

    Args:
        folder: of the comparison, with its trajectories.
        steps: of every episode, by (model, controller, episode). One that is not kept whole does
            not count.

    Returns:
        Rows as those of `ErrorRow`, with `model` and `where`: `held-out data` or a controller. Of
        held-out data the checkpoint tells; one that does not has no such rows.
    """
    from sparsectl import dynamics

    task, kept, found = make_task(players[0].setting), trajectories.read(folder), []
    for name in dict.fromkeys(p.model for p in players):
        team = [p for p in players if p.model == name]
        model, meta = dynamics.load(team[0].checkpoint)
        held = meta.get("metrics", {}).get("errors") or meta.get("sparsify", {}).get("errors") or []
        rows = [{"where": COLLECTED, **row} for row in held]
        ks = sorted({row["k"] for row in held}) or _STEPS
        for player in team:
            driven = [
                arrays
                for (m, c, episode), arrays in kept.items()
                if (m, c) == (name, player.controller)
                and len(arrays["actions"]) == steps.get((m, c, episode))
            ]
            episodes = _episodes(player, driven, task.map.used)
            longest = 0 if episodes is None else max(map(len, episodes.actions))
            if episodes is not None and longest - task.map.delay >= min(ks):
                errors = dynamics.evaluate_model(model, episodes, task.map, ks)
                rows += [{"where": player.controller, **row} for row in errors.to_dict()]
        found += [{**row, "error": row["model"], "model": name} for row in rows]
    return [plain(row) for row in found]


def headline(settings: Mapping[str, Any], model: str, controller: str) -> dict[str, Any]:
    """After one step and after about as many as a plan has, of points or the state's first part.

    Entries `error_1_collected`, `error_1_driven`, `error_k_collected`, `error_k_driven`, and
    `error_k`, the number of steps; None where it is not known.
    """
    found: dict[str, Any] = {}
    rows = {(r["where"], r["k"]): r["error"] for r in _first_part(settings, model)}
    later = [k for where, k in rows if where == controller and k > 1]
    far = min(later, key=lambda k: (abs(k - settings["horizon"]), k), default=None)
    for name, k in (("1", 1), ("k", far)):
        for kind, where in zip(WHERE, (controller, COLLECTED), strict=True):
            found[f"error_{name}_{kind}"] = rows.get((where, k))
    return {**found, "error_k": far}


def columns(settings: Mapping[str, Any], lines: Sequence[Line]) -> list[Column]:
    """Of the headline table's page: where plans drove, and below it on held-out data."""
    first = {line["model"]: _first_part(settings, line["model"]) for line in lines}
    named = {_measure(rows[0]) for rows in first.values() if rows}
    far = {line["error_k"] for line in lines if line["error_k"] is not None}

    steps = "–".join(str(k) for k in sorted({min(far), max(far)})) if far else ""

    def both(name: str) -> Column:
        return Column(
            "model's error, " + ("1 step" if name == "1" else f"{steps} steps"),
            lambda line: "\n".join(text.number(line[f"error_{name}_{w}"]) for w in WHERE),
            f"{' or '.join(sorted(named))}, where this controller drove, and below it on "
            "held-out collected data",
            wide=True,
            order=lambda line: line[f"error_{name}_driven"],
        )

    return [both("1"), *([both("k")] if far else [])] if named else []


def notes(settings: Mapping[str, Any]) -> list[str]:
    """One a model: its errors on held-out data and where each controller drove."""
    found = []
    for model in settings["models"]:
        rows = _first_part(settings, model)
        parts = []
        for k in sorted({row["k"] for row in rows}):
            told = [f"{text.number(r['error'])} {_told(r['where'])}" for r in rows if r["k"] == k]
            parts.append(f"after {k} step{'s' if k > 1 else ''} {', '.join(told)}")
        if rows:
            found.append(f"{model}: the model errs ({_measure(rows[0])}) {'; '.join(parts)}.")
    return found


def table(settings: Mapping[str, Any]) -> tuple[list[Column], list[Line]]:
    """Columns and lines of all parts of the state: one line a model, part and place."""
    lines: dict[tuple, dict[str, Any]] = {}
    ks = sorted({row["k"] for row in settings.get(KEY, [])})
    for row in settings.get(KEY, []):
        names = {name: row[name] for name in ("model", "where", "part")}
        line = lines.setdefault(tuple(names.values()), {**names, "what": _METRIC[row["metric"]]})
        line |= {
            f"k{row['k']}": row["error"],
            "windows": max(row["windows"], line.get("windows", 0)),
        }
    several = len(settings["models"]) > 1
    return [
        *([word("model", "model")] if several else []),
        word("where", "where"),
        word("part of the state", "part"),
        word("error [unit of the observation]", "what"),
        *(measure(f"{k} step{'s' if k > 1 else ''}", f"k{k}") for k in ks),
        measure("windows", "windows", show=lambda v: f"{v}"),
    ], list(lines.values())


_METRIC = {"distance": "mean distance", "rms": "root mean square"}


def _measure(row: Mapping[str, Any]) -> str:
    return f"{_METRIC[row['metric']]} of {row['part']}, in the observation's unit"


def _told(where: str) -> str:
    return f"on {where}" if where == COLLECTED else f"where {where} drove"


def _first_part(settings: Mapping[str, Any], model: str) -> list[dict[str, Any]]:
    """Rows of a model for all points together, or of the state's first part."""
    rows = [row for row in settings.get(KEY, []) if row["model"] == model]
    parts = [row["part"] for row in rows]
    chosen = "points" if "points" in parts else next(iter(parts), None)
    return [row for row in rows if row["part"] == chosen]


def _episodes(player: Player, driven: Sequence[Arrays], used: Sequence[int]) -> Episodes | None:
    """What was driven as recorded episodes, up to where an observation is not finite."""

    rows = []
    for arrays in driven:
        finite = np.isfinite(arrays["observations"][:, used])
        count = int(finite.all(axis=1).cumprod().sum()) - 1
        if count > 0:
            flags = np.zeros(count, bool)
            rows.append(
                {
                    "observations": arrays["observations"][: count + 1],
                    "actions": arrays["actions"][:count],
                    "rewards": np.nan_to_num(arrays["rewards"][:count]),
                    "terminations": flags,
                    "truncations": flags,
                    "seed": -1,
                }
            )
    setting = player.setting
    return Episodes.of(rows, setting.env_id, setting.env_kwargs, used) if rows else None
