"""What the studies share: places, options, units that run once, pages and figures.

A study has units of settings, each of which gives rows. Rows go to a file as soon as they are
there, and what the file has is not run again: the same command goes on after Ctrl-C or a crash.
Units run one after another, in processes or on Ray (`--engine ray --workers 16`); a unit depends
on its settings alone, so that the rows are the same.
"""

from __future__ import annotations

import csv
import io
import json
import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import torch

from sparsectl import parallel
from sparsectl.files import append_line, read_json_lines, write_atomic
from sparsectl.parallel import EngineName, Outcome
from sparsectl.parallel.base import environment_variables

ROOT = Path(__file__).resolve().parents[1]
RESULTS, RUNS, CONFIGS = ROOT / "scripts" / "results", ROOT / "runs", ROOT / "configs"
Row = dict[str, Any]
"""Plain values; the settings of a unit are one too."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """Of every study."""

    out: Path
    """Rows; tables and figures go beside them."""
    report_only: bool = False
    """Run nothing, report the rows that are there."""
    budget_seconds: float | None = None
    """Start nothing new after this long; start again to go on."""
    engine: EngineName = "serial"
    """Where units run. Where times are measured they are those of a machine without other work."""
    workers: int = 1
    """Units at once."""
    address: str | None = None
    """Of a Ray cluster; default: RAY_ADDRESS, else a cluster of this machine."""


Parsed = TypeVar("Parsed", bound=Options)


def parse(options: type[Parsed], doc: str | None, argv: Sequence[str] | None) -> Parsed:
    """Options of a command line; torch gets one thread."""
    import tyro

    torch.set_num_threads(1)
    return tyro.cli(options, args=argv, description=(doc or "").split("\n\n")[0])


def has(unit: Row, row: Row) -> bool:
    """Whether a row is one of a unit."""
    return all(name in row and row[name] == value for name, value in unit.items())


def run(
    options: Options,
    units: Iterable[Row],
    make: Callable[..., Row | Sequence[Row]],
    *,
    done: Callable[[Row, Row], bool] = has,
) -> list[Row]:
    """All rows of the file, after those of units that it lacked were added.

    Args:
        units: settings, in the order in which they run; a run cut short is then a fair sample.
        make: row or rows of `(unit, options)`; the unit's settings are added to them. A unit that
            raises or whose worker dies has none, and is tried again by the next run.
        done: whether a row of the file makes a unit unnecessary.
    """
    stored = read_json_lines(options.out)
    if options.report_only:
        return stored
    missing = [u for u in units if not any(done(u, row) for row in stored)]
    started, errors = time.monotonic(), 0

    def keep(outcome: Outcome, batch: Sequence[Row]) -> None:
        nonlocal errors
        unit, value = batch[outcome.index], outcome.value
        if outcome.error is not None:
            errors += 1
            print(f"{short(unit)}: {outcome.error}", file=sys.stderr, flush=True)
            value = []
        for row in [value] if isinstance(value, dict) else value:
            append_line(options.out, json.dumps({**unit, **row}))
            print(short({**unit, **row}), file=sys.stderr, flush=True)

    address = {} if options.address is None else {"RAY_ADDRESS": options.address}
    size = len(missing) if options.budget_seconds is None else options.workers
    with (
        environment_variables(address),
        parallel.pool(options.engine, workers=options.workers) as pool,
    ):
        for first in range(0, len(missing), max(size, 1)):
            if time.monotonic() - started > (options.budget_seconds or float("inf")):
                print("budget spent; start again to go on", file=sys.stderr)
                break
            batch = missing[first : first + size]
            call = partial(_call, make, options)
            pool.map(call, batch, on_result=partial(keep, batch=batch))
    if errors:
        print(f"{errors} of {len(missing)} units failed", file=sys.stderr)
    return read_json_lines(options.out)


def _call(make: Callable[..., Any], options: Options, unit: Row) -> Any:
    return make(unit, options)


def csv_rows(path: Path) -> list[Row]:
    """Rows of a table as text; none where there is no file."""
    return list(csv.DictReader(path.read_text().splitlines())) if path.exists() else []


def latest(rows: Iterable[Row], *names: str) -> list[Row]:
    """The last row of every combination of values."""
    return list({tuple(str(r[n]) for n in names): r for r in rows}.values())


def groups(rows: Iterable[Row], *names: str) -> dict[tuple, list[Row]]:
    """Rows by values, in order of appearance."""
    found: dict[tuple, list[Row]] = {}
    for row in rows:
        found.setdefault(tuple(row[n] for n in names), []).append(row)
    return found


def short(row: Row) -> str:
    """What of a row fits into a line."""
    plain = {k: v for k, v in row.items() if isinstance(v, str | int | float) and v != ""}
    told = (f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in plain.items())
    return ", ".join(told)[:150]


def isolated(function: Callable[..., Row], *args: Any, seconds: float) -> Row:
    """What a function returns in a forked process of its own, or a row with a `message`.

    The process shares what was prepared here, and nothing that it changes comes back. Its
    standard output is thrown away: solvers print banners.
    """
    context = multiprocessing.get_context("fork")
    receive, send = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(send, function, args), daemon=True)
    process.start()
    send.close()
    try:
        if receive.poll(seconds):
            return receive.recv()
        process.kill()
        return {"message": "killed: no answer long after its limit"}
    except EOFError:
        return {"message": "the process died"}
    finally:
        process.join()


def _child(send: Any, function: Callable[..., Row], args: tuple) -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    send.send(function(*args))
    send.close()


def version() -> str:
    """Commit of the code."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    return subprocess.run(command, capture_output=True, text=True).stdout.strip()


def table(heads: Sequence[str], lines: Iterable[Sequence[Any]], words: int = 1) -> list[str]:
    """Lines of a Markdown table, the first columns of words, the others of numbers."""
    rule = ["---"] * words + ["---:"] * (len(heads) - words)
    return [f"| {' | '.join(map(str, line))} |" for line in (heads, rule, *lines)]


def mean(values: Iterable[float]) -> str:
    """The mean, and single values in brackets where there are several."""
    found = list(values)
    single = ", ".join(f"{v:.3g}" for v in found)
    return f"{sum(found) / len(found):.3g} ({single})" if len(found) > 1 else single


def page(path: Path, *parts: str | Sequence[str]) -> Path:
    """Write a Markdown page: titles and paragraphs, and the lines of tables."""
    text = "\n\n".join(part if isinstance(part, str) else "\n".join(part) for part in parts)
    print(write_atomic(path, text.strip() + "\n"), file=sys.stderr)
    return path


def figure(path: Path, canvas: Any) -> None:
    """Write a figure as PNG."""
    content = io.BytesIO()
    canvas.savefig(content, format="png", dpi=130)
    write_atomic(path, content.getvalue())
