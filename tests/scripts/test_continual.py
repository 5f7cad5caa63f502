"""The study's tables: rows of an earlier table stay as they were."""

from scripts.continual import study
from scripts.study import RESULTS
from sparsectl.report.table import csv

TABLE = RESULTS / "continual_half_cheetah_bodies.csv"


def test_rows_of_an_earlier_table_are_read_as_they_were_written(tmp_path):
    lines = study.earlier(TABLE, [])
    assert csv(lines) == TABLE.read_text()
    first = {key: lines[0][key] for key in study.NAMES}
    rest = study.earlier(TABLE, [first])
    assert csv(rest) == csv(lines[1:])
    assert study.earlier(tmp_path / "none.csv", []) == []


def test_the_closed_loop_of_an_earlier_page_is_found(tmp_path):
    page = tmp_path / "a.md"
    assert study.loop_of(page) == ""
    page.write_text("| a |\n\nClosed loop (x):\n\n| b |\n\nAgain: `c`\n")
    assert study.loop_of(page) == "\nClosed loop (x):\n\n| b |\n"
    page.write_text("| a |\n\nAgain: `c`\n")
    assert study.loop_of(page) == ""
