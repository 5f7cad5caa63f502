"""`sparsectl COMMAND ...`: one file per command, loaded when it is called.

Exit status: 0 done, 1 the machine failed (disk full, out of memory), 2 a wrong option, file or
state, 130 interrupted (Ctrl-C), 143 terminated (SIGTERM).
"""

from __future__ import annotations

import ast
import importlib
import os
import sys
import warnings
from collections.abc import Sequence
from importlib import resources

from sparsectl import __version__, rendering
from sparsectl.errors import SparsectlError, Terminated
from sparsectl.parallel import sigterm_as_exit, tell_crashes, tolerant_streams

COMMANDS = (
    "demo",
    "run",
    "collect",
    "train",
    "sparsify",
    "compare",
    "plan",
    "verify",
    "envs",
    "inspect",
    "export",
    "policy",
    "swim",
    "continual",
)

_DESCRIPTION = """Plan globally with a learned ReLU model: collect, train, sparsify, plan, compare.

Start with `sparsectl demo`, then `sparsectl run --config rope`, then copy configs/template.yaml
for an environment of your own."""
_RESUME = "the same command resumes with what it keeps of finished work"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    argv = list(sys.argv[1:] if argv is None else argv)
    tolerant_streams()
    tell_crashes()
    warnings.formatwarning = _line
    try:
        with sigterm_as_exit():
            status = _dispatch(argv)
            if sys.stdout is not None:
                sys.stdout.flush()  # here, where a reader that has gone is no error
            return status
    except SparsectlError as error:
        return _complain(f"error: {error}", 2)
    except KeyboardInterrupt:
        return _complain(f"interrupted: {_RESUME}", 130)
    except BrokenPipeError:
        # The reader of our output (`| head`) has gone; nothing more can be said on stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except (OSError, MemoryError) as error:
        return _complain(f"error: {type(error).__name__}: {error}", 1)
    except Terminated:
        return _complain(f"terminated: {_RESUME}", 143)


def _dispatch(argv: list[str]) -> int:
    if argv == ["--version"]:
        print(f"sparsectl {__version__}")
        return 0
    if not argv or argv[0] not in COMMANDS:
        _overview(argv or ["--help"])
        return 2
    told = rendering.settle()
    if told:
        _complain(told, 0)
    command = importlib.import_module(f"sparsectl.cli.{argv[0]}")
    return command.main(argv[1:])


def _overview(argv: list[str]) -> None:
    """Help, or what is wrong with the first word; leaves by SystemExit."""
    import tyro

    from sparsectl.cli.text import summary

    def entry(name: str):  # type: ignore[no-untyped-def]
        def stub() -> None: ...

        source = resources.files("sparsectl.cli").joinpath(f"{name}.py").read_text("utf-8")
        stub.__doc__ = summary(ast.get_docstring(ast.parse(source)))
        return stub

    if not argv[0].startswith("-"):
        from sparsectl.errors import ConfigError, nearest

        raise ConfigError(f"unknown command '{argv[0]}'" + nearest(argv[0], COMMANDS))
    tyro.extras.subcommand_cli_from_dict(
        {name: entry(name) for name in COMMANDS},
        prog="sparsectl",
        description=_DESCRIPTION,
        args=argv,
    )


def _line(message: Warning | str, *_: object, **__: object) -> str:
    """A warning, without the place in the code."""
    return f"warning: {' '.join(str(message).split())}\n"


def _complain(message: str, status: int) -> int:
    print(" ".join(message.split()), file=sys.stderr)
    return status
