"""Plan with what was learnt: each body with the network just after it, and after the last one.

The experiment's `control` says what to do and with which planner; its run must be finished, with
keep_tasks. Episodes go to `<runs>/<name>/control.jsonl`, those that are there are not played again.

Example: sparsectl continual control --config continual_swim_fluids --learners field finetune
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sparsectl.bar import Bar
from sparsectl.cli import text
from sparsectl.cli.continual import Part
from sparsectl.cli.tables import show
from sparsectl.config import from_dict, load_yaml
from sparsectl.continual import retention
from sparsectl.errors import ConfigError, one_of


@dataclass(frozen=True, kw_only=True)
class Options(Part):
    """Experiment, and which part of it."""

    force: bool = False
    """Drop episodes of other control settings."""


def main(argv: list[str]) -> int:
    """Parse and play."""
    options = text.options(Options, argv, "continual control", __doc__)

    from sparsectl.cli.options import find
    from sparsectl.continual import closed_loop
    from sparsectl.continual.experiment import ContinualExperiment
    from sparsectl.continual.streams import build

    path = find(str(options.config))
    experiment = from_dict(ContinualExperiment, load_yaml(path), str(path))
    config = experiment.control
    if config is None or experiment.stream.kind != "dynamics":
        raise ConfigError(f"{path}: no `control`, or no dynamics stream: there is nothing to play")
    for label in options.learners:
        one_of(label, experiment.learners, "no learner")
    folder = options.runs / (options.name or experiment.name)
    labels = options.learners or tuple(experiment.learners)
    seeds = options.seeds or experiment.seeds
    stream = build(experiment.stream, seeds[0], options.runs / "streams")
    wanted = closed_loop.jobs(folder, stream, labels, seeds, experiment.stream)
    total = len(wanted) * config.episodes
    with Bar(total=total, desc="control", unit="episode") as bar:

        def tell(row: dict[str, Any]) -> None:
            bar.update()

        rows = closed_loop.run(folder, config, stream, wanted, force=options.force, on_row=tell)
    told = {"return": "return", "error_reduction": "error less by"}[config.measure]
    columns = ("<learner", "<body", f"<{told} at training", "<after the stream", "<retained")
    shown = []
    for line in retention.retained(rows):
        numbers = [line[k] for k in (retention.AT_TRAINING, retention.FINAL)]
        scores = ["–" if v is None else f"{v:.3g}" for v in numbers]
        body = line["body"] or "earlier bodies"
        shown.append((line["label"], body, *scores, retention.percent(line)))
    show(columns, shown)
    print(folder / closed_loop.ROWS)
    return 0
