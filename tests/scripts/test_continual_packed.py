"""The benchmark of packed bits on small networks; it compares results before it measures."""

import csv

from scripts.continual import packed


def test_table_has_a_row_for_each_size_and_batch(monkeypatch, tmp_path):
    out = tmp_path / "packed.csv"
    for name, value in {
        "SIZES": (70,), "BATCHES": (1, 3), "NETWORKS": ((5, (64,), 2),), "REPEATS": 1, "LEAST": 0.0
    }.items():  # fmt: skip
        monkeypatch.setattr(packed, name, value)
    assert packed.main(["--out", str(out)]) == 0
    with open(out, newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(r["what"], int(r["batch"])) for r in rows] == [
        (what, batch)
        for what in ("layer 70", "network 5-64-2, real inputs", "network 5-64-2, signs")
        for batch in (1, 3)
    ]
    assert [int(r["packed_bytes"]) for r in rows[:2]] == [70 * 16] * 2
    assert all(float(r["float32_us"]) > 0 and float(r["packed_us"]) > 0 for r in rows)
