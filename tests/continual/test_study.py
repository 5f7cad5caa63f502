"""The study's tables: rows of an earlier table stay as they were."""

from pathlib import Path

from sparsectl.continual import tables

SCRIPTS = Path(__file__).parents[2] / "scripts"
TABLE = SCRIPTS / "results" / "continual_half_cheetah_bodies.csv"


def test_rows_of_an_earlier_table_are_read_as_they_were_written(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(SCRIPTS))
    import continual_study

    lines = continual_study.earlier(TABLE, [])
    assert tables.csv(lines) == TABLE.read_text()
    first = {key: lines[0][key] for key in continual_study.NAMES}
    rest = continual_study.earlier(TABLE, [first])
    assert tables.csv(rest) == tables.csv(lines[1:])
    assert continual_study.earlier(tmp_path / "none.csv", []) == []


def test_the_closed_loop_of_an_earlier_page_is_found(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(SCRIPTS))
    import continual_study

    page = tmp_path / "a.md"
    assert continual_study.loop_of(page) == ""
    page.write_text("| a |\n\nClosed loop (x):\n\n| b |\n\nAgain: `c`\n")
    assert continual_study.loop_of(page) == "\nClosed loop (x):\n\n| b |\n"
    page.write_text("| a |\n\nAgain: `c`\n")
    assert continual_study.loop_of(page) == ""
