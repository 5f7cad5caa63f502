"""Theory of perceptrons with binary weights against reference values, sampling and descent.

Writes scripts/results/theory_{one,two,curve,sampling}.csv, theory.md, theory_one.png and
theory_two.png. Points are kept in --runs, so that the same command goes on where it stopped.

    python -m scripts.continual.theory                 about 12 minutes on one core
    python -m scripts.continual.theory --report-only   tables and figures from what is there
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from scripts import study
from scripts.study import RESULTS, RUNS
from sparsectl.files import csv_text, read_json_lines, write_atomic
from sparsectl.theory import curves, figures
from sparsectl.theory import study as theory
from sparsectl.theory.curves import CurveConfig
from sparsectl.theory.energy import Gibbs
from sparsectl.theory.experiment import ExperimentConfig
from sparsectl.theory.one_task import solve_one
from sparsectl.theory.order import INFORMED, UNINFORMED
from sparsectl.theory.sampling import SamplingConfig

CUTOFF = 7.0


def _reference(name: str) -> list[dict[str, str]]:
    """Published values: of one task, made on a grid of x that ends at 7; errors on task 1 / task 2
    of two, with a star where not fully converged."""
    path = Path(__file__).with_name(f"theory_reference_{name}.csv")
    return study.csv_rows(path)


NO_CURVE = CurveConfig(steps=0)
TABLE = (0.5, 1.0, 2.0, 3.0, 4.0, 5.0)
EXACT = theory.StudyConfig(
    curve=CurveConfig(end=2.1), alphas2=(0.25, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0)
)
STUDIES = {
    "exact": EXACT,
    "cutoff": replace(EXACT, gibbs=Gibbs(cutoff=CUTOFF), alphas2=TABLE),
    "warm": theory.StudyConfig(
        gibbs=Gibbs(beta=10.0), curve=CurveConfig(end=2.1), alphas2=(), sampled=(0.5, 1.0, 1.4),
        experiment=ExperimentConfig(trials=4), sampling=SamplingConfig(draws=200),
    ),
    "descent": theory.StudyConfig(
        curve=NO_CURVE, alphas2=(), experiment=ExperimentConfig(trials=6),
        descent=(0.25, 0.5, 0.75, 1.0, 1.2, 1.4, 1.6),
    ),
    "descent2": theory.StudyConfig(
        curve=NO_CURVE, alphas2=(), experiment=ExperimentConfig(trials=4),
        descent2=((1.0, 1.0, 0.0), (2.0, 1.0, 0.0), (4.0, 1.0, 0.0),
                  (0.5, 0.1, 0.0), (1.0, 0.1, 0.0), (2.0, 0.1, 0.0)),
    ),
}  # fmt: skip


Rows = Mapping[str, Sequence[Mapping[str, Any]]]


@dataclass(frozen=True, kw_only=True)
class Options(study.Options):
    out: Path = RESULTS / "theory"
    """Beginning of the names of tables and figures."""
    runs: Path = RUNS / "continual_theory"
    """Points that are there are kept."""
    only: tuple[Literal[tuple(STUDIES)], ...] = tuple(STUDIES)


def main(argv: list[str] | None = None) -> int:
    """Compute what is missing, then write tables and figures."""
    options = study.parse(Options, __doc__, argv)
    for name in () if options.report_only else options.only:
        theory.run(STUDIES[name], options.runs / name)
    rows = {n: read_json_lines(options.runs / n / theory.POINTS) for n in STUDIES}
    missing = [name for name, found in rows.items() if not found]
    if missing:
        print(f"no points of {missing} in {options.runs}: nothing is written", file=sys.stderr)
        return 1
    write(rows, options.out)
    return 0


def write(rows: Rows, out: Path) -> None:
    """Write `<out>_*.csv`, `<out>.md` and `<out>_*.png`."""
    one, two, sampled = _one(rows), _two(rows), _sampled(rows)
    kept = ("q0", "r1", "qd", "error", "potential", "entropy", "residual")
    curve = [
        {"study": name, "branch": r["folds"], "alpha": f"{r['alpha']:.5f}"}
        | {k: f"{r[k]:.6g}" for k in kept}
        for name in ("exact", "cutoff", "warm")
        for r in _of(rows, name, "curve")
    ]
    for name, lines in (("one", one), ("two", two), ("sampling", sampled), ("curve", curve)):
        write_atomic(out.with_name(f"{out.name}_{name}.csv"), csv_text(lines))
    labels = {"exact": r"$\beta$ = 20, exact", "cutoff": r"$\beta$ = 20, $|x| \leq 7$ only",
              "warm": r"$\beta$ = 10, exact"}  # fmt: skip
    shown = {label: _of(rows, name, "curve") for name, label in labels.items()}
    drawn = {
        "one": figures.one_task(shown, _of(rows, "descent", "descent")),
        "two": figures.two_tasks(_of(rows, "exact", "two"), _of(rows, "descent2", "descent2")),
    }
    for name, figure in drawn.items():
        write_atomic(out.with_name(f"{out.name}_{name}.png"), figures.png(figure))
    study.page(
        out.with_suffix(".md"), "# Mean-field theory of a perceptron with binary weights", _HEAD,
        "## The jump", _jumps(rows), "## One task", _table(one), "## Descent",
        _table(_descent(rows)), "## Samples of the Gibbs measure", _table(sampled),
        "## Two tasks, alpha1 = 2: errors on task 1 / task 2", _table(two),
    )  # fmt: skip


def _table(lines: Sequence[Mapping[str, Any]]) -> list[str]:
    heads = [name.replace("|x|", "\\|x\\|") for name in (lines[0] if lines else ())]
    return study.table(heads, [line.values() for line in lines]) if lines else []


def _of(rows: Rows, study: str, kind: str) -> list[Mapping[str, Any]]:
    return [r for r in rows[study] if r["kind"] == kind]


def _one(rows: Rows) -> list[dict[str, Any]]:
    table = []
    for reference in _reference("one"):
        alpha = float(reference["alpha"])
        exact, cut = solve_one(alpha), solve_one(alpha, Gibbs(cutoff=CUTOFF))
        upper = solve_one(alpha, start=INFORMED)
        row: dict[str, Any] = {"alpha": alpha}
        for name in ("q0", "r1", "qd", "error"):
            row[f"{name} reference"] = reference[name]
            row[f"{name} |x|<7"] = f"{_number(cut, name):.4f}"
            row[f"{name} exact"] = f"{_number(exact, name):.4f}"
        row["error exact, from the teacher"] = f"{upper.error:.4f}"
        row["descent"] = _mean(_of(rows, "descent", "descent"), "error", alpha=alpha)
        table.append(row)
    return table


def _number(task: Any, name: str) -> float:
    return {"q0": task.order.q0, "r1": task.order.r, "qd": task.order.qd}.get(name, task.error)


def _descent(rows: Rows) -> list[dict[str, Any]]:
    """Descent and the branch that an uninformed learner is on, by interpolation of the curves."""
    table, met = [], _of(rows, "descent", "descent")
    for alpha in sorted({r["alpha"] for r in met}):
        row = {"alpha": alpha, "descent": _mean(met, "error", alpha=alpha)}
        for name, label in (("exact", "exact, 20"), ("cutoff", "|x|<7, 20"), ("warm", "exact, 10")):
            low = [r for r in _of(rows, name, "curve") if r["folds"] == 0]
            x, y = [r["alpha"] for r in low], [r["error"] for r in low]
            row[label] = f"{np.interp(alpha, x, y):.4f}" if alpha <= x[-1] else "beyond the jump"
        table.append(row)
    return table


def _two(rows: Rows) -> list[dict[str, Any]]:
    table, both = [], ("error1", "error2")
    known = {tuple(float(r[k]) for k in ("gamma", "r0", "alpha2")): r["errors"]
             for r in _reference("two")}  # fmt: skip
    for r in _of(rows, "exact", "two"):
        cell = {"gamma": r["gamma"], "r0": r["r0"], "alpha2": r["alpha2"]}
        reference = known.get(tuple(map(float, cell.values())), "")
        cut = [c for c in _of(rows, "cutoff", "two") if study.has(cell, c)]
        met = [d for d in _of(rows, "descent2", "descent2") if study.has(cell, d)]
        table.append({
            **cell,
            "reference": reference,
            "|x|<7": "/".join(f"{cut[0][k]:.4f}" for k in both) if cut else "",
            "exact": "/".join(f"{r[k]:.4f}" for k in both),
            "residual": f"{r['residual']:.0e}",
            "descent": " / ".join(_mean(met, k) for k in both) if met else "",
        })  # fmt: skip
    return table


def _sampled(rows: Rows) -> list[dict[str, Any]]:
    table = []
    for alpha in sorted({r["alpha"] for r in _of(rows, "warm", "sampled")}):
        theory, row = solve_one(alpha, Gibbs(beta=10.0), UNINFORMED), {"alpha": alpha}
        for name in ("q0", "r1", "qd", "error", "loss"):
            value = theory.loss if name == "loss" else _number(theory, name)
            row[f"{name} theory"] = f"{value:.4f}"
            row[f"{name} sampled"] = _mean(_of(rows, "warm", "sampled"), name, alpha=alpha)
        table.append(row)
    return table


def _mean(rows: Sequence[Mapping[str, Any]], key: str, **cell: float) -> str:
    values = np.array([r[key] for r in rows if study.has(cell, r)])
    if len(values) < 2:
        return "-"
    return f"{values.mean():.4f}±{values.std(ddof=1) / len(values) ** 0.5:.4f}"


def _jumps(rows: Rows) -> list[str]:
    lines = []
    for name, label in (("exact", "exact integrals"), ("cutoff", "x cut at 7")):
        j = curves.jump(_of(rows, name, "curve"))
        if j:
            lines.append(
                f"- {label}: both branches exist for alpha {j.low:.3f} to {j.high:.3f} and are "
                f"equally likely at **{j.alpha:.3f}**, where the error jumps from "
                f"{j.errors[0]:.3f} to {j.errors[1]:.3f}"
            )
    return lines


_HEAD = f"""Replica-symmetric theory (Li et al., PRE 108, 014309) at inverse temperature 20, against
reference values, Hamiltonian Monte Carlo of the Gibbs measure at inverse temperature 10 (two
chains for each of 4 tasks, N = 600), and descent (Adam, N = 1000; mean ± standard error over 6
trials, 4 for two tasks). `|x|<{CUTOFF:g}`: with the inner integral cut as in the reference. What
the tables say: `sparsectl/theory/README.md`. Again: `python -m scripts.continual.theory`"""


if __name__ == "__main__":
    sys.exit(main())
