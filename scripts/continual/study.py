"""Continual learners on every stream: runs, tables and figures; resumable.

    python -m scripts.continual.study
    python -m scripts.continual.study --streams half_cheetah_bodies swim_fluids --report-only
    python -m scripts.continual.study --streams permuted_digits --learners field_average --keep

Runs each `configs/continual_<stream>.yaml` as `sparsectl continual run` does, in `--runs`, and
writes `scripts/results/continual_<stream>.{csv,md}` with the figures named below.
"""

from __future__ import annotations

import argparse
import csv
import io
import sys
from pathlib import Path

import torch

from scripts.study import RESULTS, ROOT
from sparsectl.config import from_dict, load_yaml
from sparsectl.continual import closed_loop, figures, heat_maps, report, retention, tables
from sparsectl.continual.experiment import ContinualExperiment
from sparsectl.continual.results import Line
from sparsectl.continual.run import run
from sparsectl.files import read_json_lines, write_atomic
from sparsectl.report.statistics import Interval

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


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--streams", nargs="+", choices=list(STREAMS), default=list(STREAMS))
    parser.add_argument("--seeds", nargs="+", type=int, help="instead of the config's")
    parser.add_argument("--learners", nargs="+", help="some labels only")
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--report-only", action="store_true")
    parser.add_argument(
        "--keep",
        action="store_true",
        help="rows of learners that the folder has not stay in the table; no figures",
    )
    options = parser.parse_args()
    torch.set_num_threads(1)
    for stream in options.streams:
        file = ROOT / "configs" / f"continual_{stream}.yaml"
        experiment = from_dict(ContinualExperiment, load_yaml(file), str(file))
        folder = options.runs / experiment.name
        if not options.report_only:
            failures = run(
                experiment,
                folder,
                learners=options.learners,
                seeds=options.seeds,
                workers=options.workers,
            )
            for failure in failures:
                print(f"{failure.unit}: {failure.error}", file=sys.stderr)
        if folder.is_dir():
            write(stream, folder, keep=options.keep)


def write(stream: str, folder: Path, keep: bool = False) -> None:
    """Tables and figures of a run's finished units.

    Args:
        stream: which one.
        folder: of the run.
        keep: rows of the table that is there stay, of learners that the run has not, and episodes
            if it has none; figures stay as they are, as they need every learner's run.
    """
    (section,) = report.collect([folder])
    base = RESULTS / f"continual_{stream}"
    lines = section.lines + (earlier(base.with_suffix(".csv"), section.lines) if keep else [])
    again = f"\nAgain: `python -m scripts.continual.study --streams {stream}`\n"
    page = base.with_suffix(".md")
    loop = played(folder) or (loop_of(page) if keep else "")
    write_atomic(page, tables.markdown(lines) + loop + again)
    write_atomic(base.with_suffix(".csv"), tables.csv(lines))
    styles = figures.looks(list(dict.fromkeys(unit.label for unit in section.found)))
    for name in () if keep else STREAMS[stream]:
        if name == "matrices":
            figure = heat_maps.matrices(section.found)
        else:
            figure = getattr(figures, name)(section.found, styles)
        if figure is not None:
            picture = io.BytesIO()
            figure.savefig(picture, format="png", dpi=110)
            write_atomic(base.with_name(f"{base.name}_{name}.png"), picture.getvalue())
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
    rows = [
        "",
        f"Closed loop (`sparsectl continual control`, {count} paired episodes a body and network; "
        f"95 % intervals by bootstrap of pairs), {told}:",
        "",
    ]
    rows += [
        "| learner | body | at training | after the stream | retained | pairs |",
        "|---|---|---|---|---|---|",
    ]
    for line in lines:
        before, after = line["at_training"], line["final"]
        rows.append(
            f"| {line['label']} | {line['body'] or '**earlier bodies**'} | {before:.3g} | "
            + ("–" if after is None else f"{after:.3g}")
            + f" | {retention.percent(line)} | {line['pairs'] or '–'} |"
        )
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    main()
