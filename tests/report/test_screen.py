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
def test_a_terminal_gets_whole_numbers_and_below_what_has_no_room_beside(width):
    out = io.StringIO()
    screen.Screen(file=out, force_terminal=True, width=width, color_system=None).print(table())
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    assert "…" not in out.getvalue()
    shown = [cell.strip() for x in lines if x.startswith("│") for cell in x.split("│")[2:-1]]
    assert [x for x in shown if x] == NUMBERS
    assert any("a control" in x for x in lines)
    parts = [x for x in lines if x.startswith("┃") and "number" in x]
    assert (len(parts) > 1) == (width < 120)


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
