"""Progress where stderr is no terminal, and where it is one."""

from __future__ import annotations

import io
import sys
import threading
import time

from sparsectl import bar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_without_a_terminal_lines_come_by_time_even_within_a_long_step(monkeypatch, capsys):
    monkeypatch.setattr(bar, "EVERY", 0.1)
    with bar.Bar(total=4, desc="episodes", unit="ep") as shown:
        time.sleep(0.25)
        first = capsys.readouterr().err.splitlines()
        shown.update()
        shown.set_postfix({"score": 1})
        time.sleep(0.15)
        shown.update(3)
    rest = capsys.readouterr().err.splitlines()
    assert [line.split(",")[0] for line in first] == ["episodes: 0 of 4 ep"] * len(first)
    assert len(first) >= 2
    assert rest[0].startswith("episodes: 1 of 4 ep, 0 s, about ")
    assert rest[0].endswith(" s left, score=1")
    assert rest[-1].startswith("episodes: 4 of 4 ep")
    assert "\r" not in "".join([*first, *rest])


def test_what_is_done_soon_says_nothing_and_what_is_switched_off_neither(monkeypatch, capsys):
    with bar.Bar(total=2) as shown:
        shown.update(2)
    monkeypatch.setattr(bar, "EVERY", 0.02)
    with bar.Bar(total=2, shown=False):
        time.sleep(0.1)
    assert capsys.readouterr().err == ""


def test_what_goes_on_says_where(capsys):
    with bar.Bar(total=9, initial=4, desc="train", unit="step"):
        assert capsys.readouterr().err == "train: 4 of 9 step done before, 0 s\n"


def test_no_line_comes_after_the_end(monkeypatch, capsys):
    monkeypatch.setattr(bar, "EVERY", 0.01)
    real, own = bar.Bar._line, threading.current_thread()

    def slowly(shown):
        time.sleep(0.0 if threading.current_thread() is own else 0.1)
        real(shown)

    monkeypatch.setattr(bar.Bar, "_line", slowly)
    with bar.Bar(total=2):
        time.sleep(0.05)  # a line is being made
    ended = capsys.readouterr().err
    time.sleep(0.2)
    assert ended
    assert capsys.readouterr().err == ""


def test_a_terminal_has_a_bar(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    with bar.Bar(total=2, desc="episodes") as shown:
        shown.update(2)
    assert "100%" in sys.stderr.getvalue()
    assert "\r" in sys.stderr.getvalue()
