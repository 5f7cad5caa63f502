"""Every page whose rows are kept is what its command writes from them."""

import importlib
import shutil

import pytest

from scripts.study import RESULTS

# module: rows, and pages and tables that are written from them
STUDIES = {
    "mip.bench": ("mip.jsonl", "mip.md", "mip.csv"),
    "mip.solvers": ("solver_study.jsonl", "solver_study.md"),
    "mip.proofs": ("proofs.jsonl", "proofs.csv"),
    "mip.solve_times": ("solve_times.jsonl", "solve_times.md", "solve_times.csv"),
    "mip.bounded": ("bounded.jsonl", "bounded.md"),
    "mip.mode_penalty": ("mode_penalty.jsonl", "mode_penalty.md"),
    "sparsity.study": ("sparsity.jsonl", "sparsity.md", "sparsity.csv"),
    "closed_loop.study": ("closed_loop.csv", "closed_loop.md"),
    "closed_loop.margins": ("margins.jsonl", "margins.md", "margins.csv"),
    "closed_loop.sort_oracle": ("sort_oracle.jsonl", "sort_oracle.csv"),
    "swim.study": ("swim.jsonl", "swim.md"),
    "swim.ablation": ("swim_ablation.jsonl", "swim_ablation.md"),
    "swim.conditions": ("swim_conditions.jsonl", "swim_transfer.md", "swim_robustness.md"),
    "swim.planning": ("swim_planning.jsonl", "swim_planning.md"),
    "swim.starts": ("swim_starts.jsonl", "swim_starts.md"),
    "swim.steering": ("swim_steering.jsonl", "swim_steering.md", "swim_steering.csv"),
}


@pytest.mark.parametrize("name", STUDIES)
def test_the_page_follows_from_its_rows(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows, *pages = STUDIES[name]
    shutil.copy(RESULTS / rows, tmp_path)
    command = ["--report-only", "--out", str(tmp_path / rows)]
    if name == "closed_loop.study":
        command += ["--runs", str(tmp_path)]
    assert importlib.import_module(f"scripts.{name}").main(command) == 0
    for page in pages:
        assert (tmp_path / page).read_text() == (RESULTS / page).read_text(), page
