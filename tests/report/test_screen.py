"""Tables on narrow terminals, and where there is none."""

from __future__ import annotations

import io
import os
import subprocess
import sys

import pytest
from rich.table import Table

from sparsectl.report import screen

NUMBERS = [f"{10.0**i / 3:.6g}" for i in range(8)]


def table() -> Table:
    found = Table()
    found.add_column("controller", justify="left")
    for i in range(len(NUMBERS)):
        found.add_column(f"number {i}", justify="right")
    found.add_row("a controller with quite a long name", *NUMBERS)
    return found


@pytest.mark.parametrize("width", [30, 45, 80, 120])
def test_a_terminal_gets_whole_numbers_and_the_names_of_what_is_left_out(width):
    out = io.StringIO()
    screen.Screen(file=out, force_terminal=True, width=width, color_system=None).print(table())
    text = out.getvalue()
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    shown = [i for i, number in enumerate(NUMBERS) if f" {number} │" in text]
    told = " ".join(text.split()).partition("not shown, the terminal is too narrow: ")[2]
    assert shown == list(range(len(shown)))
    assert len(shown) >= 1
    assert [x.strip() for x in told.split(",") if x.strip()] == [
        f"number {i}" for i in range(len(shown), 8)
    ]


def test_a_file_gets_everything_on_one_line(capsys):
    screen.console().print(table())
    row = next(x for x in capsys.readouterr().out.splitlines() if "long name" in x)
    assert all(number in row for number in NUMBERS)


def test_a_script_on_a_narrow_encoding_prints_with_replacements():
    code = (
        "from rich.table import Table\n"
        "from sparsectl.report.screen import console\n"
        "found = Table('bound')\n"
        "found.add_row('≥ 3')\n"
        "console().print(found)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONIOENCODING": "latin-1"},
        capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert b"? 3" in done.stdout
