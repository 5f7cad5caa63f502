"""Collect, train and compare from one file; what is done is not done again.

Example: sparsectl run --config rope --name my_rope --horizon 4
"""

from __future__ import annotations


def main(argv: list[str], *, command: str = "run", text: str | None = None,
         default: str | None = None) -> int:  # fmt: skip
    """Parse and run all stages."""
    from sparsectl.cli import options, stages
    from sparsectl.cli.collect import collect
    from sparsectl.cli.compare import compare, prepared
    from sparsectl.cli.train import train
    from sparsectl.evaluate.comparison import step_limit
    from sparsectl.experiment import TrainedModel

    parsed = options.parse(argv, command, text or __doc__, default)
    experiment, folder = parsed.experiment, parsed.folder
    trained = isinstance(experiment.model, TrainedModel)
    if experiment.dataset is None and not trained:
        stages.collect_stage(experiment, folder).check(parsed.force)
    states = [stage.check(parsed.force) for stage in stages.model_stages(experiment, folder)]
    if set(states) == {"done"}:
        prepared(parsed)
    else:  # what can be said of the comparison before there is a model
        step_limit(experiment.env.id, experiment.env.kwargs, experiment.evaluate.steps)
    with stages.opened(experiment, folder):
        if not trained:
            collect(parsed)
        train(parsed)
        compare(parsed)
    return 0
