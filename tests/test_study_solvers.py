"""The solver study: ratios on shared runs only; one real row."""

import pytest

from scripts.mip import solvers, solvers_report, variants


def _row(variant, instance, cpu, solved=1, nodes=90, random=0):
    return {
        "backend": "scip", "variant": variant, "instance": instance, "random": str(random),
        "cpu": str(cpu), "solved": str(solved), "nodes": str(nodes),
    }  # fmt: skip


def test_ratios_compare_shared_runs_and_average_repeats(tmp_path):
    rows = [
        _row("default", "a", 0.98), _row("default", "a", 3.98), _row("default", "b", 10.0, 0),
        _row("new", "a", 0.98, nodes=40), _row("new", "c", 5.0),
    ]  # fmt: skip
    text = solvers_report.write(rows, tmp_path / "study.md")
    assert text == (tmp_path / "study.md").read_text()
    line = next(line for line in text.splitlines() if line.startswith("| new "))
    assert line == "| new | 0.50 | 0.50 to 0.50 | 0.50 | 1 | 1 | 1 |"


def test_variants_change_what_they_say():
    assert variants.SCIP["default"].settings == {}
    assert variants.SCIP["default"].options.cut_rounds == 0
    assert variants.HIGHS["cuts"].options.cut_rounds > 0
    for name, variant in {**variants.SCIP, **variants.HIGHS}.items():
        changed = bool(variant.settings) or variant.shipped or variant.options.cut_rounds > 0
        assert changed or name == "default", name


@pytest.mark.parametrize("backend", ["scip", "highs"])
def test_a_row_of_the_study(backend):
    row = solvers.measure(backend, "shipped", ("random", 4, 2, 0), 1, 20.0, 1e-4)
    assert row["solved"] == 1, row
    assert row["cost"] == row["bound"] or float(row["cost"]) >= float(row["bound"]) - 1e-6
    assert set(row) <= set(solvers.FIELDS)
