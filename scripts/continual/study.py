"""Continual learners on every stream: runs, tables and figures; resumable.

    python -m scripts.continual.study
    python -m scripts.continual.study --streams half_cheetah_bodies swim_fluids --report-only
    python -m scripts.continual.study --streams permuted_digits --learners field_average --keep

Runs each `configs/continual_<stream>.yaml` as `sparsectl continual run` does, in `--runs`, and
writes `scripts/results/continual_<stream>.{csv,md}` with the figures named below.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from scripts import study
from scripts.study import CONFIGS, RESULTS, RUNS
from sparsectl.config import from_dict, load_yaml
from sparsectl.continual import closed_loop, figures, heat_maps, report, retention, tables
from sparsectl.continual.experiment import ContinualExperiment
from sparsectl.continual.run import run
from sparsectl.files import read_json_lines, write_atomic
from sparsectl.parallel import EngineName
from sparsectl.report.style import looks_of
from sparsectl.report.table import csv

STREAMS = {
    "permuted_digits": ("final_scores",),
    "half_cheetah_bodies": ("matrices",),
    "cheetah_forgetting": ("matrices",),
    "half_cheetah_growth": ("matrices",),
    "swim_fluids": ("matrices",),
    "swim_history": ("matrices",),
    "pusht_bodies": ("matrices",),
    "memory": ("retention",),
    "memory_short": ("retention",),
}
"""Streams in order, and what is drawn of them."""


@dataclass(frozen=True, kw_only=True)
class Options(study.Options):
    out: Path = RESULTS
    """Folder of tables and figures."""
    streams: tuple[Literal[tuple(STREAMS)], ...] = tuple(STREAMS)
    seeds: tuple[int, ...] | None = None
    """Instead of the config's."""
    learners: tuple[str, ...] | None = None
    """Some labels only."""
    runs: Path = RUNS
    engine: EngineName = "process"


def main(argv: list[str] | None = None) -> int:
    """Run what is missing of every stream, then write its page."""
    options = study.parse(Options, __doc__, argv)
    for stream in options.streams:
        file = CONFIGS / f"continual_{stream}.yaml"
        experiment = from_dict(ContinualExperiment, load_yaml(file), str(file))
        folder = options.runs / experiment.name
        failures = [] if options.report_only else run(
            experiment, folder, learners=options.learners, seeds=options.seeds,
            workers=options.workers, engine=options.engine,
        )  # fmt: skip
        for failure in failures:
            print(f"{failure.unit}: {failure.error}", file=sys.stderr)
        if folder.is_dir():
            write(stream, folder, options.out)
    return 0


def write(stream: str, folder: Path, results: Path) -> None:
    """Page, table and figures of a run's finished units."""
    (section,) = report.collect([folder])
    base = results / f"continual_{stream}"
    again = f"Again: `python -m scripts.continual.study --streams {stream}`"
    parts = [tables.markdown(section.lines), *played(folder), again]
    study.page(base.with_suffix(".md"), *(p if isinstance(p, list) else p.strip() for p in parts))
    write_atomic(base.with_suffix(".csv"), csv(section.lines))
    styles = looks_of(unit.label for unit in section.found)
    for name in STREAMS[stream]:
        if name == "matrices":
            figure = heat_maps.matrices(section.found)
        else:
            figure = getattr(figures, name)(section.found, styles)
        if figure is not None:
            study.figure(base.with_name(f"{base.name}_{name}.png"), figure)


def played(folder: Path) -> list[str | list[str]]:
    """Returns of `sparsectl continual control`, where it was run."""
    episodes = read_json_lines(folder / closed_loop.ROWS)
    lines = retention.retained(episodes)
    if not lines:
        return []
    told = {
        "return": "mean return",
        "error_reduction": "mean decrease of the error from start to end of an episode [m]",
    }[episodes[0]["measure"]]
    count = 1 + max(e["episode"] for e in episodes)
    cells = [
        [r["label"], r["body"] or "**earlier bodies**", f"{r['at_training']:.3g}",
         "–" if r["final"] is None else f"{r['final']:.3g}", retention.percent(r),
         r["pairs"] or "–"]
        for r in lines
    ]  # fmt: skip
    heads = ["learner", "body", "at training", "after the stream", "retained", "pairs"]
    head = (
        f"Closed loop (`sparsectl continual control`, {count} paired episodes a body and network; "
        f"95 % intervals by bootstrap of pairs), {told}:"
    )
    return [head, study.table(heads, cells, words=2)]


if __name__ == "__main__":
    sys.exit(main())
