"""Continual learners on every stream: runs, tables and figures; resumable.

    python -m scripts.continual.study
    python -m scripts.continual.study --streams half_cheetah_bodies swim_fluids --report-only
    python -m scripts.continual.study --streams permuted_digits --learners field_average --keep

Runs each `configs/continual_<stream>.yaml` as `sparsectl continual run` does, in `--runs`, and
writes `scripts/results/continual_<stream>.{csv,md}` with the figures named below.
"""

from __future__ import annotations

import csv
import io
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from scripts import study
from scripts.study import CONFIGS, RESULTS, RUNS
from sparsectl.config import from_dict, load_yaml
from sparsectl.continual import closed_loop, figures, heat_maps, report, retention, tables
from sparsectl.continual.experiment import ContinualExperiment
from sparsectl.continual.results import Line
from sparsectl.continual.run import run
from sparsectl.files import read_json_lines, write_atomic
from sparsectl.parallel import EngineName
from sparsectl.report.statistics import Interval
from sparsectl.report.style import looks_of
from sparsectl.report.table import csv as csv_table

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
NAMES = ("label", "protocol", "mode")
"""What tells lines of a table apart."""


@dataclass(frozen=True, kw_only=True)
class Options(study.Options):
    """Which streams and learners; `--workers` and `--engine` are of a stream's units."""

    out: Path = RESULTS
    """Folder of tables and figures."""
    streams: tuple[Literal[tuple(STREAMS)], ...] = tuple(STREAMS)
    seeds: tuple[int, ...] | None = None
    """Instead of the config's."""
    learners: tuple[str, ...] | None = None
    """Some labels only."""
    runs: Path = RUNS
    engine: EngineName = "process"
    keep: bool = False
    """Rows of learners that the folder has not stay in the table; no figures."""


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
            write(stream, folder, options.out, keep=options.keep)
    return 0


def write(stream: str, folder: Path, results: Path, keep: bool = False) -> None:
    """Tables and figures of a run's finished units.

    Args:
        stream: which one.
        folder: of the run.
        results: where tables and figures go.
        keep: rows of the table that is there stay, of learners that the run has not, and episodes
            if it has none; figures stay as they are, as they need every learner's run.
    """
    (section,) = report.collect([folder])
    base = results / f"continual_{stream}"
    lines = section.lines + (earlier(base.with_suffix(".csv"), section.lines) if keep else [])
    again = f"\nAgain: `python -m scripts.continual.study --streams {stream}`\n"
    page = base.with_suffix(".md")
    loop = played(folder) or (loop_of(page) if keep else "")
    write_atomic(page, tables.markdown(lines) + loop + again)
    write_atomic(base.with_suffix(".csv"), csv_table(lines))
    styles = looks_of(unit.label for unit in section.found)
    for name in () if keep else STREAMS[stream]:
        if name == "matrices":
            figure = heat_maps.matrices(section.found)
        else:
            figure = getattr(figures, name)(section.found, styles)
        if figure is not None:
            study.figure(base.with_name(f"{base.name}_{name}.png"), figure)
    print(base.with_suffix(".md"))


def loop_of(page: Path) -> str:
    """The part of a page that was written before which is about the closed loop."""
    text = page.read_text() if page.is_file() else ""
    begin, end = text.find("\nClosed loop"), text.rfind("\nAgain: ")
    return text[begin:end] if 0 <= begin < end else ""


def earlier(path: Path, lines: list[Line]) -> list[Line]:
    """Rows of a table that was written before, of learners and protocols not among `lines`."""
    if not path.is_file():
        return []
    known = {tuple(line[k] for k in NAMES) for line in lines}
    out: list[Line] = []
    for row in csv.DictReader(io.StringIO(path.read_text())):
        if tuple(row[k] for k in NAMES) in known:
            continue
        seeds = int(row["seeds"])
        line: Line = {}
        for key, text in row.items():
            if key.endswith(("_low", "_high")):
                continue
            if f"{key}_low" in row:
                value, low, high = (float(row[key + end] or "nan") for end in ("", "_low", "_high"))
                line[key] = Interval(value, low, high, seeds if text else 0)
            elif text:
                line[key] = text if key in (*NAMES, "kind") else _number(text)
        out.append(line)
    return out


def _number(text: str) -> float:
    return int(text) if text.isdigit() else float(text)


def played(folder: Path) -> str:
    """Returns of `sparsectl continual control`, where it was run."""
    episodes = read_json_lines(folder / closed_loop.ROWS)
    lines = retention.retained(episodes)
    if not lines:
        return ""
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
    return "\n".join(["", head, "", *study.table(heads, cells, words=2)]) + "\n"


if __name__ == "__main__":
    sys.exit(main())
