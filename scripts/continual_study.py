"""Continual learners on every stream: runs, tables and figures; resumable.

    python scripts/continual_study.py
    python scripts/continual_study.py --streams half_cheetah_bodies swim_fluids --report-only

Runs each `configs/continual_<stream>.yaml` as `sparsectl continual run` does, in `--runs`, and
writes `scripts/results/continual_<stream>.{csv,md}` with the figures named below.
"""

from __future__ import annotations

import argparse
import io
import sys
from pathlib import Path

import torch

from sparsectl.config import from_dict, load_yaml
from sparsectl.continual import closed_loop, figures, heat_maps, report, tables
from sparsectl.continual.experiment import ContinualExperiment
from sparsectl.continual.run import run
from sparsectl.files import read_json_lines, write_atomic

HERE = Path(__file__).parent
STREAMS = {
    "permuted_digits": ("final_scores",),
    "half_cheetah_bodies": ("matrices",),
    "cheetah_forgetting": ("matrices",),
    "swim_fluids": ("matrices",),
    "pusht_bodies": ("matrices",),
    "memory": ("retention",),
}
"""Streams in order, and what is drawn of them."""


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
    options = parser.parse_args()
    torch.set_num_threads(1)
    for stream in options.streams:
        file = HERE.parent / "configs" / f"continual_{stream}.yaml"
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
            write(stream, folder)


def write(stream: str, folder: Path) -> None:
    """Tables and figures of a run's finished units."""
    (section,) = report.collect([folder])
    base = HERE / "results" / f"continual_{stream}"
    again = f"\nAgain: `python scripts/continual_study.py --streams {stream}`\n"
    text = tables.markdown(section.lines) + played(folder) + again
    write_atomic(base.with_suffix(".md"), text)
    write_atomic(base.with_suffix(".csv"), tables.csv(section.lines))
    styles = figures.looks(list(dict.fromkeys(unit.label for unit in section.found)))
    for name in STREAMS[stream]:
        if name == "matrices":
            figure = heat_maps.matrices(section.found)
        else:
            figure = getattr(figures, name)(section.found, styles)
        if figure is not None:
            picture = io.BytesIO()
            figure.savefig(picture, format="png", dpi=110)
            write_atomic(base.with_name(f"{base.name}_{name}.png"), picture.getvalue())
    print(base.with_suffix(".md"))


def played(folder: Path) -> str:
    """Returns of `sparsectl continual control`, where it was run."""
    lines = closed_loop.retained(read_json_lines(folder / closed_loop.ROWS))
    if not lines:
        return ""
    rows = ["", "Closed loop (`sparsectl continual control`), mean return:", ""]
    rows += [
        "| learner | body | at training | after the stream | retained |",
        "|---|---|---|---|---|",
    ]
    for line in lines:
        before, after, share = (line[k] for k in ("at_training", "final", "retention"))
        rows.append(
            f"| {line['label']} | {line['body'] or '**earlier bodies**'} | {before:.1f} | "
            + ("– | " if after is None else f"{after:.1f} | ")
            + ("– |" if share is None else f"{100 * share:.0f} % |")
        )
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    main()
