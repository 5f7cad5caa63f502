"""Settings of every continual learner, chosen on held-out training data; resumable.

    python -m scripts.continual.tune --config continual_permuted_digits
    python -m scripts.continual.tune --config continual_half_cheetah_bodies --learners field bimu

Each learner has a grid of about the same size. A setting is judged by its score over all tasks
after the last one, on the last fifth of every task's training examples, which it does not learn
from; test data play no part. Rows go to `scripts/results/continual_tune_<config>.jsonl`; the best
ones were put into the YAML file by hand. Seed 100 sets weights and orders of pixels: no experiment
uses it.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import sys
import time
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch

from scripts.study import RESULTS, ROOT
from sparsectl.config import from_dict, load_yaml
from sparsectl.continual import metrics
from sparsectl.continual.experiment import ContinualExperiment
from sparsectl.continual.head import Head
from sparsectl.continual.learners.build import LearnerConfig, build
from sparsectl.continual.stream import Stream
from sparsectl.continual.streams import build as build_stream
from sparsectl.files import append_line, read_json_lines

SEED = 100
ADAM = [{"optimiser": {"rate": r}} for r in (0.001, 0.003, 0.01, 0.03)]
GRIDS: dict[str, tuple[str, list[dict[str, Any]]]] = {
    "field": (
        "field",
        [
            {"prior": "task", "learning_rate": r, "gamma": g, "init_std": i}
            for r, g, i in itertools.product(
                (0.03, 0.06, 0.1), (0.1, 0.3, 1.0, 4.0), (0.5, 1.0, 2.0)
            )
        ],
    ),
    "field_average": (
        "field",
        [
            {
                "prior": "task",
                "average": 1.0,
                "modulation": "step",
                "init_std": 2.0,
                "learning_rate": r,
                "gamma": g,
            }
            for r, g in itertools.product((0.15, 0.3), (0.03, 0.3))
        ]
        + [{"prior": "task", "average": 1.0, "init_std": 2.0, "learning_rate": 0.06, "gamma": 0.3}],
    ),
    "field_step": (
        "field",
        [
            {"prior": "step", "learning_rate": r, "init_std": i, **s}
            for r, i, s in itertools.product(
                (0.01, 0.03),
                (0.5, 1.0),
                ({}, {"beta": 3.0, "schedule": "power", "rate": 0.3}),
            )
        ],
    ),
    "field_free": (
        "field",
        [
            {"prior": "none", "learning_rate": r, "init_std": i, "modulation": m}
            for r, i, m in itertools.product((0.01, 0.03), (0.5, 1.0), ("gradient", "step"))
        ],
    ),
    "straight_through": ("straight_through", ADAM),
    "straight_average": ("straight_through", [{"average": 1.0, **a} for a in ADAM[:3]]),
    "reste": (
        "straight_through",
        [{"estimator": "reste", "steps": 5000, **a} for a in ADAM],
    ),
    "metaplastic": (
        "metaplastic",
        [
            {"metaplasticity": m, **a}
            for m, a in itertools.product((1.35, 3.0, 5.0, 10.0, 20.0), ADAM)
        ],
    ),
    "bayesbinn": (
        "bayesbinn",
        [
            {"prior_weight": w, "rate": r}
            for w, r in itertools.product((0.0003, 0.001, 0.003, 0.01), (0.1, 0.3, 1.0, 3.0))
        ],
    ),
    "bimu": (
        "bimu",
        [{}]
        + [
            {"likelihood": a, "max_rate": r, "init": 1.0, "memory": m}
            for a, r, m in itertools.product(
                (100.0, 300.0, 1000.0), (0.003, 0.01, 0.03), (700.0, 7000.0)
            )
        ],
    ),
    "hebbian": (
        "hebbian",
        [
            {"share": s, "optimiser": {"method": "sgd", "rate": r, "momentum": 0.9}}
            for s, r in itertools.product((0.02, 0.05, 0.1, 0.15), (0.01, 0.03, 0.1))
        ],
    ),
    "hebbian_real": (
        "hebbian",
        [
            {"weights": "real", "init": 1.7, "share": s, "optimiser": {"rate": r}}
            for s, r in itertools.product((0.02, 0.05, 0.1, 0.15), (0.01, 0.02))
        ],
    ),
    "finetune": ("finetune", ADAM),
    "finetune_average": ("finetune", [{"average": 1.0, **a} for a in ADAM[1:3]]),
    "ewc": ("ewc", [{"strength": s} for s in (1.0, 10.0, 100.0, 1000.0)]),
    "si": ("si", [{"strength": s} for s in (0.03, 0.1, 0.3, 1.0, 3.0)]),
    "mesu": ("mesu", [{"strength": s} for s in (1.0, 10.0, 30.0, 100.0)]),
    "vcl": ("vcl", [{"hold": h, "strength": 0.01} for h in (1.0, 10.0, 100.0, 1000.0)]),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", default="continual_permuted_digits")
    parser.add_argument("--learners", nargs="+", choices=sorted(GRIDS), default=list(GRIDS))
    parser.add_argument("--epochs", type=int, help="instead of the config's")
    parser.add_argument("--data", type=Path, default=Path("runs/streams"))
    parser.add_argument("--out", type=Path)
    parser.add_argument("--report-only", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    out = options.out or RESULTS / f"continual_tune_{options.config}.jsonl"
    done = {(r["learner"], r["settings"]) for r in read_json_lines(out)}
    if not options.report_only:
        file = ROOT / "configs" / f"{options.config}.yaml"
        experiment = from_dict(ContinualExperiment, load_yaml(file), str(file))
        experiment = dataclasses.replace(experiment, epochs=options.epochs or experiment.epochs)
        stream = held_out(build_stream(experiment.stream, SEED, options.data))
        for label in options.learners:
            kind, grid = GRIDS[label]
            for settings in grid:
                if (label, json.dumps(settings)) not in done:
                    row = trial(experiment, stream, label, kind, settings)
                    append_line(out, json.dumps(row))
                    print(json.dumps(row), file=sys.stderr)
    report(read_json_lines(out))


def held_out(stream: Stream) -> Stream:
    """The stream with the last fifth of every task's training examples in place of its test."""
    tasks = []
    for task in stream.tasks:
        n = len(task.inputs) * 4 // 5
        tasks.append(
            dataclasses.replace(
                task,
                inputs=task.inputs[:n],
                targets=task.targets[:n],
                test_inputs=task.inputs[n:],
                test_targets=task.targets[n:],
            )
        )
    return dataclasses.replace(stream, tasks=tuple(tasks))


def trial(
    experiment: ContinualExperiment,
    stream: Stream,
    label: str,
    kind: str,
    settings: dict[str, Any],
) -> dict[str, Any]:
    """One pass over the stream, and the score on what was held out."""
    started = time.process_time()
    config: Any = from_dict(type_of(kind), settings, label)
    head = Head(stream.kind, stream.n_out, experiment.noise)
    learner = build(config, experiment.network, stream.n_in, head, SEED)
    order = torch.Generator().manual_seed(SEED)
    for task in stream.tasks:
        n = len(task.inputs)
        for _ in range(experiment.epochs):
            shuffled = torch.randperm(n, generator=order)
            for rows in shuffled.split(experiment.batch_size):
                learner.observe(task.inputs[rows], task.targets[rows], examples=n)
        if learner.uses_boundaries:
            learner.end_task()
    mode = "sign" if "sign" in learner.modes else learner.modes[0]
    scores = [
        metrics.score(stream.kind, learner.predict(t.test_inputs, mode), t.test_targets)
        for t in stream.tasks
    ]
    return {
        "learner": label,
        "settings": json.dumps(settings),
        "score": round(float(np.mean(scores)), 5),
        "higher_is_better": stream.kind == "classification",
        "epochs": experiment.epochs,
        "cpu_seconds": round(time.process_time() - started, 1),
        "counters": dict(learner.counters),
    }


def type_of(kind: str) -> type:
    """Config class of a kind of learner."""
    return next(c for c in get_args(LearnerConfig) if c.kind == kind)


def report(rows: list[dict[str, Any]]) -> None:
    """The best setting of each learner."""
    for label in GRIDS:
        own = [r for r in rows if r["learner"] == label]
        if own:
            sign = -1 if own[0]["higher_is_better"] else 1
            best = min(own, key=lambda r: sign * r["score"])
            print(f"{label:18s} {best['score']:.4f} of {len(own)}: {best['settings']}")


if __name__ == "__main__":
    main()
