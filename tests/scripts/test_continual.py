"""The study of continual learners runs a stream and writes its page from the run."""

import json

import continual_runs
import pytest

from scripts.continual import study
from sparsectl.config import dump_yaml
from sparsectl.continual import closed_loop
from sparsectl.files import append_line


def test_a_stream_is_run_once_and_its_page_is_of_the_run(tmp_path, monkeypatch):
    pytest.importorskip("sklearn")
    text = dump_yaml({**continual_runs.SMALL, "name": "continual_permuted_digits", "epochs": 1})
    (tmp_path / "continual_permuted_digits.yaml").write_text(text)
    monkeypatch.setattr(study, "CONFIGS", tmp_path)
    command = ["--streams", "permuted_digits", "--engine", "serial", "--seeds", "0"]
    command += ["--runs", str(tmp_path / "runs"), "--out", str(tmp_path / "out")]
    assert study.main(command) == 0
    page = (tmp_path / "out" / "continual_permuted_digits.md").read_text()
    assert "| real | sequential |" in page
    assert "python -m scripts.continual.study --streams permuted_digits" in page
    table = (tmp_path / "out" / "continual_permuted_digits.csv").read_text()
    assert table.count("\n") >= 3
    # With the rows of a closed loop the page has that too.
    folder = tmp_path / "runs" / "continual_permuted_digits"
    for when, score in (("at_training", 2.0), ("final", 1.0)):
        for body in ("a", "b"):
            row = {"label": "real", "seed": 0, "body": body, "episode": 0, "measure": "return"}
            if (when, body) != ("final", "b"):
                append_line(
                    folder / closed_loop.ROWS, json.dumps({**row, "when": when, "score": score})
                )
    assert study.main([*command, "--report-only"]) == 0
    page = (tmp_path / "out" / "continual_permuted_digits.md").read_text()
    assert "| real | a | 2 | 1 | 50 %" in page
    assert "| real | b | 2 | – |" in page
