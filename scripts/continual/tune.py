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

import dataclasses
import functools
import itertools
import json
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch

from scripts import study
from scripts.study import CONFIGS, RESULTS, RUNS, Row
from sparsectl.config import from_dict, load_yaml
from sparsectl.continual import metrics
from sparsectl.continual.experiment import ContinualExperiment
from sparsectl.continual.head import Head
from sparsectl.continual.learners.build import LearnerConfig, build
from sparsectl.continual.stream import Stream
from sparsectl.continual.streams import build as build_stream

SEED = 100
Grid = list[dict[str, Any]]


def _grid(**values: Iterable[Any]) -> Grid:
    """Every combination; `optimiser` and other nested settings as whole values."""
    return [dict(zip(values, some, strict=True)) for some in itertools.product(*values.values())]


def _each(base: dict[str, Any], *grids: Grid) -> Grid:
    """Settings that all share `base`."""
    return [{**base, **settings} for grid in grids for settings in grid]


_RATES = [{"rate": r} for r in (0.001, 0.003, 0.01, 0.03)]
ADAM = _grid(optimiser=_RATES)
_SGD = [{"method": "sgd", "rate": r, "momentum": 0.9} for r in (0.01, 0.03, 0.1)]
_TASK = {"prior": "task"}
_AVERAGE = {"prior": "task", "average": 1.0}
_POWER = {"beta": 3.0, "schedule": "power", "rate": 0.3}
_SHARES = (0.02, 0.05, 0.1, 0.15)
GRIDS: dict[str, tuple[str, Grid]] = {
    "field": ("field", _each(_TASK, _grid(
        learning_rate=(0.03, 0.06, 0.1), gamma=(0.1, 0.3, 1.0, 4.0), init_std=(0.5, 1.0, 2.0)))),
    "field_average": ("field", [
        *_each({**_AVERAGE, "modulation": "step", "init_std": 2.0},
               _grid(learning_rate=(0.15, 0.3), gamma=(0.03, 0.3))),
        {**_AVERAGE, "init_std": 2.0, "learning_rate": 0.06, "gamma": 0.3}]),
    "field_step": ("field", [
        {"prior": "step", **s, **beta}
        for s in _grid(learning_rate=(0.01, 0.03), init_std=(0.5, 1.0)) for beta in ({}, _POWER)]),
    "field_free": ("field", _each({"prior": "none"}, _grid(
        learning_rate=(0.01, 0.03), init_std=(0.5, 1.0), modulation=("gradient", "step")))),
    "straight_through": ("straight_through", ADAM),
    "straight_average": ("straight_through", _each({"average": 1.0}, ADAM[:3])),
    "reste": ("straight_through", _each({"estimator": "reste", "steps": 5000}, ADAM)),
    "metaplastic": ("metaplastic", _grid(
        metaplasticity=(1.35, 3.0, 5.0, 10.0, 20.0), optimiser=_RATES)),
    "bayesbinn": ("bayesbinn", _grid(
        prior_weight=(0.0003, 0.001, 0.003, 0.01), rate=(0.1, 0.3, 1.0, 3.0))),
    "bimu": ("bimu", [{}, *(
        {"likelihood": a, "max_rate": r, "init": 1.0, "memory": m}
        for a, r, m in itertools.product(
            (100.0, 300.0, 1000.0), (0.003, 0.01, 0.03), (700.0, 7000.0)))]),
    "hebbian": ("hebbian", _grid(share=_SHARES, optimiser=_SGD)),
    "hebbian_real": ("hebbian", _each({"weights": "real", "init": 1.7}, _grid(
        share=_SHARES, optimiser=[{"rate": 0.01}, {"rate": 0.02}]))),
    "finetune": ("finetune", ADAM),
    "finetune_average": ("finetune", _each({"average": 1.0}, ADAM[1:3])),
    "ewc": ("ewc", _grid(strength=(1.0, 10.0, 100.0, 1000.0))),
    "si": ("si", _grid(strength=(0.03, 0.1, 0.3, 1.0, 3.0))),
    "mesu": ("mesu", _grid(strength=(1.0, 10.0, 30.0, 100.0))),
    "vcl": ("vcl", [{"hold": h, "strength": 0.01} for h in (1.0, 10.0, 100.0, 1000.0)]),
}  # fmt: skip
"""Kind of learner and its settings, by label."""


@dataclass(frozen=True, kw_only=True)
class Options(study.Options):
    out: Path | None = None  # type: ignore[assignment]
    """Rows; default: by the config's name, in the results."""
    config: str = "continual_permuted_digits"
    learners: tuple[Literal[tuple(GRIDS)], ...] = tuple(GRIDS)
    epochs: int | None = None
    """Instead of the config's."""
    data: Path = RUNS / "streams"


def main(argv: list[str] | None = None) -> int:
    """Try what is missing, then print the best setting of each learner."""
    options = study.parse(Options, __doc__, argv)
    out = options.out or RESULTS / f"continual_tune_{options.config}.jsonl"
    options = dataclasses.replace(options, out=out)
    units = (
        {"learner": label, "settings": json.dumps(settings)}
        for label in options.learners for settings in GRIDS[label][1]
    )  # fmt: skip
    rows = study.groups(study.run(options, units, _row), "learner")
    for label in GRIDS:
        if own := rows.get((label,)):
            sign = -1 if own[0]["higher_is_better"] else 1
            best = min(own, key=lambda r: sign * r["score"])
            print(f"{label:18s} {best['score']:.4f} of {len(own)}: {best['settings']}")
    return 0


@functools.cache
def _stream(options: Options) -> tuple[ContinualExperiment, Stream]:
    file = CONFIGS / f"{options.config}.yaml"
    experiment = from_dict(ContinualExperiment, load_yaml(file), str(file))
    experiment = dataclasses.replace(experiment, epochs=options.epochs or experiment.epochs)
    return experiment, held_out(build_stream(experiment.stream, SEED, options.data))


def _row(unit: Row, options: Options) -> Row:
    settings = json.loads(unit["settings"])
    return trial(*_stream(options), GRIDS[unit["learner"]][0], settings)


def held_out(stream: Stream) -> Stream:
    """The stream with the last fifth of every task's training examples in place of its test."""

    def split(task: Any) -> Any:
        n = len(task.inputs) * 4 // 5
        return dataclasses.replace(
            task, inputs=task.inputs[:n], targets=task.targets[:n],
            test_inputs=task.inputs[n:], test_targets=task.targets[n:],
        )  # fmt: skip

    return dataclasses.replace(stream, tasks=tuple(map(split, stream.tasks)))


def trial(
    experiment: ContinualExperiment, stream: Stream, kind: str, settings: dict[str, Any]
) -> Row:
    """One pass over the stream, and the score on what was held out."""
    started = time.process_time()
    config: Any = from_dict(
        next(c for c in get_args(LearnerConfig) if c.kind == kind), settings, kind
    )
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
        "score": round(float(np.mean(scores)), 5),
        "higher_is_better": stream.kind == "classification",
        "epochs": experiment.epochs,
        "cpu_seconds": round(time.process_time() - started, 1),
        "counters": dict(learner.counters),
    }


if __name__ == "__main__":
    sys.exit(main())
