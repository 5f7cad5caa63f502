"""A results folder of plausible numbers, to draw tables, plots and reports from."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from sparsectl import seeding
from sparsectl.config import to_dict
from sparsectl.evaluate import EvaluateConfig, results
from sparsectl.evaluate.log import EpisodeLog
from sparsectl.evaluate.planned import GIVEN
from sparsectl.report.clip import encode_clip, encode_filmstrip
from sparsectl.types import Plan, Status

ABILITY = {"mip": 0.012, "mppi": 0.016, "cem": 0.02, "gradient": 0.028, "zero": 0.11}
SPEED = {"mip": 0.15, "mppi": 0.18, "cem": 0.185, "gradient": 0.17, "zero": 2e-4}


def write(
    folder: Path,
    *,
    models: tuple[str, ...] = ("model",),
    controllers: tuple[str, ...] = tuple(ABILITY),
    episodes: int = 10,
    steps: int = 20,
    clips: int = 1,
    states: int = 8,
    pictures: bool = True,
) -> Path:
    keys = {f"{m}/{c}": "k" for m in models for c in controllers}
    config = EvaluateConfig(
        episodes=episodes, clips=clips, error_label="final error [mm]", error_scale=1000
    )
    settings = {
        "learnt": {
            f"{m}/{c}": {"env_steps": 50_000, "cpu_seconds": 60.0, "policy": False}
            for m in models
            for c in controllers
        },
        "title": "Rope <demo>",
        "command": "sparsectl compare --config configs/rope.yaml",
        "env": {"id": "sparsectl/Rope-v0", "kwargs": {"pole": False}},
        "task": {"cost": {"terms": [{"of": "links", "target": "link_goal", "norm": "l1"}]}},
        "models": {m: f"runs/rope/{m}" for m in models},
        "controllers": {c: {} for c in controllers},
        "kinds": {c: c for c in controllers},
        "reference": controllers[0],
        "horizon": 5,
        "seed": 0,
        "episodes": episodes,
        "steps": steps,
        "evaluate": to_dict(config),
        "keys": keys,
        "planned_key": "p",
        "versions": {"python": "3.11.7", "sparsectl": "0.1.0", "torch": "2.13.0"},
    }
    results.open_folder(folder, settings)
    for model in models:
        for episode in range(episodes):
            for controller in controllers:
                files = {}
                if pictures and episode < clips:
                    frames = _frames(steps + 1)
                    files["clip.webp"] = encode_clip(frames)
                    files["filmstrip.webp"] = encode_filmstrip(frames)
                results.add_row(folder, _row(model, controller, episode, steps), files)
        for i in range(states):
            results.add_planned(folder, _planned(model, controllers, i))
    return folder


def _row(model: str, controller: str, episode: int, steps: int) -> dict[str, Any]:
    rng = seeding.generator(0, model, controller, episode)
    start = seeding.generator(0, episode).uniform(0.08, 0.16)
    final = ABILITY.get(controller, 0.03) * rng.lognormal(0, 0.35)
    log = EpisodeLog(budget=0.2)
    decay = np.exp(-np.arange(steps + 1) / (steps / 4))
    for error in final + (start - final) * decay * rng.lognormal(0, 0.06, steps + 1):
        log.outcome(error < 0.02, error)
    for t in range(steps):
        seconds = SPEED.get(controller, 0.1) * rng.lognormal(-0.1, 0.15)
        cost = 3 * log.errors[t] + 0.05
        gap = rng.choice([0.0, rng.uniform(0, 0.6) * decay[t]])
        bound = cost * (1 - gap) if controller == "mip" else None
        fallback = "deadline" if controller == "mip" and rng.uniform() < 0.02 else None
        plan = Plan(
            np.zeros((5, 2)),
            np.zeros((6, 26)),
            Status.FEASIBLE if bound else Status.HEURISTIC,
            cost,
            bound=bound,
            source=controller,
            fallback=fallback,
            info={"overrun": max(0.0, seconds - 0.2)},
        )
        log.decision(plan, seconds)
        log.rewards.append(-log.errors[t + 1])
    names = {"model": model, "controller": controller, "episode": episode, "key": "k"}
    facts = {"message": None, "cold_seconds": 0.4 if episode < 2 else None, "load": 0.8}
    return {**names, "seed": 10_000 + episode, **log.row("finished"), **facts}


def _planned(model: str, controllers: tuple[str, ...], i: int) -> dict[str, Any]:
    rng = seeding.generator(1, model, i)
    best = rng.uniform(0.2, 0.9)
    names = {"model": model, "episode": i, "step": 2 * i}
    rows = []
    for controller in (*controllers, f"{controllers[0]} ({GIVEN})"):
        reference = controller.startswith(controllers[0])
        worse = 0.0 if GIVEN in controller else 8 * ABILITY.get(controller, 0.03) * rng.uniform()
        rows.append(
            {
                **names,
                "controller": controller,
                "reference": reference,
                "cost": best * (1 + worse),
                "feasible": True,
                "bound": best * 0.97 if reference else None,
                "gap": 0.03 if reference else None,
                "seconds": 0.19,
                "status": "feasible" if reference else "heuristic",
                "fallback": None,
            }
        )
    return {**names, "key": "p", "rows": rows}


def _frames(count: int) -> list[np.ndarray]:
    frames = []
    for i in range(count):
        image = Image.new("RGB", (160, 120), (240, 238, 232))
        image.paste((40, 90, 200), (10 + 5 * i, 50, 30 + 5 * i, 70))
        frames.append(np.asarray(image))
    return frames


def image_size(data: bytes) -> tuple[int, int]:
    with Image.open(io.BytesIO(data)) as image:
        return image.size
