"""Theory of perceptrons with binary weights against reference values, sampling and descent.

Writes scripts/results/theory_{one,two,curve,sampling}.csv, theory.md, theory_one.png and
theory_two.png. Points are kept in --runs, so that the same command goes on where it stopped.

    python -m scripts.continual.theory                 about 12 minutes on one core
    python -m scripts.continual.theory --report-only   tables and figures from what is there
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import torch

from scripts.continual import theory_report
from scripts.study import RESULTS
from sparsectl.files import read_json_lines
from sparsectl.theory import study
from sparsectl.theory.curves import CurveConfig
from sparsectl.theory.energy import Gibbs
from sparsectl.theory.experiment import ExperimentConfig
from sparsectl.theory.sampling import SamplingConfig

NO_CURVE = CurveConfig(steps=0)
TABLE = (0.5, 1.0, 2.0, 3.0, 4.0, 5.0)
EXACT = study.StudyConfig(
    curve=CurveConfig(end=2.1), alphas2=(0.25, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0)
)
STUDIES = {
    "exact": EXACT,
    "cutoff": replace(EXACT, gibbs=Gibbs(cutoff=theory_report.CUTOFF), alphas2=TABLE),
    "warm": study.StudyConfig(
        gibbs=Gibbs(beta=10.0), curve=CurveConfig(end=2.1), alphas2=(), sampled=(0.5, 1.0, 1.4),
        experiment=ExperimentConfig(trials=4), sampling=SamplingConfig(draws=200),
    ),
    "descent": study.StudyConfig(
        curve=NO_CURVE, alphas2=(), experiment=ExperimentConfig(trials=6),
        descent=(0.25, 0.5, 0.75, 1.0, 1.2, 1.4, 1.6),
    ),
    "descent2": study.StudyConfig(
        curve=NO_CURVE, alphas2=(), experiment=ExperimentConfig(trials=4),
        descent2=((1.0, 1.0, 0.0), (2.0, 1.0, 0.0), (4.0, 1.0, 0.0),
                  (0.5, 0.1, 0.0), (1.0, 0.1, 0.0), (2.0, 0.1, 0.0)),
    ),
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=Path, default=Path("runs/continual_theory"))
    parser.add_argument("--out", type=Path, default=RESULTS / "theory")
    parser.add_argument("--only", nargs="*", choices=STUDIES, default=list(STUDIES))
    parser.add_argument("--report-only", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    for name in () if options.report_only else options.only:
        study.run(STUDIES[name], options.runs / name)
    rows = {name: read_json_lines(options.runs / name / study.POINTS) for name in STUDIES}
    theory_report.write(rows, options.out)


if __name__ == "__main__":
    main()
