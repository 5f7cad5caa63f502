"""Collect, train and compare from one file; what is done is not done again.

Example: sparsectl run --config rope --name my_rope --horizon 4
"""

from __future__ import annotations


def main(argv: list[str], *, command: str = "run", text: str | None = None,
         default: str | None = None) -> int:  # fmt: skip
    """Parse and run all stages."""
    from sparsectl.cli import options, stages
    from sparsectl.cli.collect import collect
    from sparsectl.cli.compare import compare
    from sparsectl.cli.train import train

    parsed = options.parse(argv, command, text or __doc__, default)
    experiment, folder = parsed.experiment, parsed.folder
    if experiment.dataset is None:
        stages.collect_stage(experiment, folder).check(parsed.force)
    for stage in stages.model_stages(experiment, folder):
        stage.check(parsed.force)
    with stages.opened(experiment, folder):
        collect(parsed)
        train(parsed)
        compare(parsed)
    return 0
