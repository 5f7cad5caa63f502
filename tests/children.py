"""Processes that tests kill, interrupt or deprive of something, without a start of seconds.

A new interpreter loads torch in 1.4 s, and Adam in as long again. These are forked from the server
that the package's own workers come from, where both are loaded; MuJoCo, solvers and the package
are loaded in the child, in its own environment.
"""

from __future__ import annotations

import os
import runpy
import shutil
import sys
import tempfile
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sparsectl.parallel.process import _context
from sparsectl.parallel.sending import hidden_script


class Child:
    """`fn(*args)` in a process and a session of its own, to be handled as a `subprocess.Popen`.

    Args:
        fn: of a module, which the child imports; an int that it returns is the exit status.
        cwd: where it works; None: here.
        env: variables that differ from those here; None as a value: without it.
    """

    returncode: int | None
    stdout = stderr = ""

    def __init__(
        self, fn: Callable[..., Any], *args: Any, cwd: Path | str | None = None,
        env: Mapping[str, str | None] | None = None,
    ) -> None:  # fmt: skip
        import torch._dynamo  # noqa: F401 - the server loads what is loaded here

        variables = {k: v for k, v in {**os.environ, **(env or {})}.items() if v is not None}
        self._said = tempfile.mkdtemp(dir=os.environ.get("PYTEST_DEBUG_TEMPROOT"))
        given = (fn, args, str(cwd or Path.cwd()), variables, self._said)
        with hidden_script():
            self._process = _context().Process(target=_child, args=given)
            self._process.start()
        self.pid = self._process.pid

    def poll(self) -> int | None:
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        self._process.kill()

    def communicate(self, timeout: float = 120.0) -> tuple[str, str]:
        """What it printed, once it has ended."""
        self._process.join(timeout)
        self.returncode = self.poll()
        if self.returncode is None:
            self.kill()
        self.stdout, self.stderr = (
            Path(self._said, n).read_text(errors="replace") for n in ("1", "2")
        )
        shutil.rmtree(self._said)
        assert self.returncode is not None, f"ran for more than {timeout:g} s: {self.stderr}"
        return self.stdout, self.stderr


def run(fn: Callable[..., Any], *args: Any, **options: Any) -> Child:
    """A child that has ended, to be read as what `subprocess.run` returns."""
    child = Child(fn, *args, **options)
    child.communicate()
    return child


def code(text: str, *words: str) -> None:
    """Runs text as `python -c` does."""
    sys.argv = ["-c", *words]
    exec(compile(text, "<code>", "exec"), {"__name__": "__main__"})


def script(path: str, *words: str) -> None:
    """Runs a file as `python` does."""
    sys.argv = [path, *words]
    sys.path.insert(0, str(Path(path).parent))
    runpy.run_path(path, run_name="__main__")


def command(*words: str) -> int:
    """Runs the command line."""
    from sparsectl import cli

    return cli.main(words)


def _child(
    fn: Callable[..., Any], args: tuple, cwd: str, variables: dict[str, str], said: str
) -> None:
    os.setsid()
    os.environ.clear()
    os.environ.update(variables)
    os.chdir(cwd)
    for number in (1, 2):
        os.dup2(os.open(Path(said, str(number)), os.O_WRONLY | os.O_CREAT), number)
    try:
        status = fn(*args)
    except SystemExit as left:
        status = left.code
    except BaseException:
        traceback.print_exc()
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status if isinstance(status, int) else status is not None)
