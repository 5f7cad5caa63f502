"""Play every controller on the same episodes and report.

Prints a table with intervals and writes `<runs>/<name>/compare`: one JSON line an episode,
summary.csv and a self-contained report.html. Episodes that were played before are kept, those of
controllers that --only leaves out too; a later call without it shows all.

Example: sparsectl compare --config rope --evaluate.episodes 50 --evaluate.budget 0.1
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from sparsectl.cli import locate, options, stages
from sparsectl.cli.options import Parsed
from sparsectl.errors import SparsectlError
from sparsectl.preflight import unread
from sparsectl.report.screen import console

if TYPE_CHECKING:
    from sparsectl.evaluate.comparison import Prepared


def main(argv: list[str]) -> int:
    """Parse and run."""
    parsed = options.parse(argv, "compare", __doc__, own=options.Chosen)
    stages.check_model(parsed.experiment, parsed.folder, parsed.force)
    prepared(parsed)  # nothing is written before this has passed
    tell_unread(parsed)
    with stages.opened(parsed.experiment, parsed.folder):
        compare(parsed)
    return 0


def compare(parsed: Parsed) -> None:
    """The stage itself: plays what is missing, prints the table and writes the report.

    Raises:
        SparsectlError: every episode failed, so that there is nothing to compare.
    """
    from sparsectl.evaluate import report, table
    from sparsectl.evaluate.log import FAILURES

    experiment, folder = parsed.experiment, parsed.folder
    ready = prepared(parsed)
    stages.begin(experiment, folder)
    names = options.chosen(parsed)
    stages.say(f"compare: {experiment.evaluate.episodes} episodes each of {', '.join(names)}")
    results = ready.run()
    path = report.write(folder / "compare")
    table.show(results, console())
    stages.say(f"compare: report in {path}")
    played = [
        row
        for row in results.rows
        if row["controller"] in names and row["episode"] in experiment.evaluate.numbers
    ]
    if all(row["outcome"] in FAILURES for row in played):
        raise SparsectlError(
            f"compare: all {len(played)} episodes failed, the first one by "
            f"'{played[0]['outcome']}': {played[0]['message']}. Nothing is compared; when the "
            "cause is mended, the same command plays again"
        )


def tell_unread(parsed: Parsed) -> None:
    """Say what the environment reports and no table shows, and whose policy is of another one."""
    told = unread(parsed.experiment)
    playing = locate.controllers(options.chosen(parsed), parsed.folder)
    strange = locate.elsewhere(playing, parsed.experiment.env.id)
    for line in [*strange, *([] if told is None else [told])]:
        stages.say(f"compare: {line}")


def prepared(parsed: Parsed) -> Prepared:
    """The comparison, all of it checked.

    Raises:
        ConfigError, CheckpointError, FileError: see `evaluate.compare`.
    """
    from sparsectl.evaluate.comparison import prepare

    experiment, folder = parsed.experiment, parsed.folder
    models = {n: locate.located(p, folder) for n, p in experiment.evaluate.models.items()}
    model = stages.model_folder(experiment, folder)
    return prepare(
        folder / "compare",
        env_id=experiment.env.id,
        env_kwargs=experiment.env.kwargs,
        task=experiment.task,
        models={stages.model_name(experiment): model},
        controllers=locate.controllers(options.chosen(parsed), folder),
        horizon=experiment.horizon,
        config=dataclasses.replace(experiment.evaluate, models=models),
        seed=experiment.seed,
        force=parsed.force,
        title=f"{experiment.name}: {experiment.env.id}",
        command=f"sparsectl compare --config {folder / 'config.yaml'}",
        data=experiment.data,
    )
