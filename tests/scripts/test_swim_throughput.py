"""The throughput benchmark on episodes of a few steps."""

import csv

import pytest

from scripts.swim import throughput


def test_table_has_a_row_per_policy_and_number_of_threads(tmp_path):
    out = tmp_path / "throughput.csv"
    options = ["--population", "3", "--steps", "4", "--repeats", "1", "--out", str(out)]
    assert throughput.main([*options, "--policies", "circuit of 4", "MLP 64x64"]) == 0
    with open(out, newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(r["policy"], r["threads"]) for r in rows] == [
        ("circuit of 4", "1"),
        ("MLP 64x64", "1"),
        ("circuit of 4", "2"),
        ("MLP 64x64", "2"),
    ]
    assert [int(r["parameters"]) for r in rows] == [4, 6021, 4, 6021]
    for r in rows:
        rates = float(r["steps_per_second"]) / float(r["bare_steps_per_second"])
        assert rates == pytest.approx(float(r["ratio"]), abs=0.01)
