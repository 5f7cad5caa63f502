"""Play every controller on the same episodes and report.

Prints a table with intervals and writes `<runs>/<name>/compare`: one JSON line an episode,
summary.csv and a self-contained report.html. Episodes that were played before are kept.

Example: sparsectl compare --config rope --evaluate.episodes 50 --evaluate.budget 0.1
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sparsectl.cli.options import Parsed


def main(argv: list[str]) -> int:
    """Parse and run."""
    from sparsectl.cli import options, stages

    parsed = options.parse(argv, "compare", __doc__)
    _check_model(parsed)
    with stages.opened(parsed.experiment, parsed.folder):
        compare(parsed)
    return 0


def compare(parsed: Parsed) -> None:
    """The stage itself."""
    raise NotImplementedError


def _check_model(parsed: Parsed) -> None:
    from sparsectl.cli import stages
    from sparsectl.errors import CheckpointError

    stage = stages.train_stage(parsed.experiment, parsed.folder)
    if stage.check(parsed.force) != "done":
        raise CheckpointError(
            f"no model for this config in '{parsed.folder / 'model'}': run `sparsectl train` with "
            "it first (or `sparsectl run`)"
        )
