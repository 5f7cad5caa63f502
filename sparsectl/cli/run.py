"""Collect, train and compare from one file; what is done is not done again.

Example: sparsectl run --config rope --name my_rope --horizon 4
"""

from __future__ import annotations

from sparsectl.cli import locate, options, policy_imitate, policy_train, stages
from sparsectl.cli.collect import collect
from sparsectl.cli.compare import compare, prepared, tell_unread
from sparsectl.cli.sparsify import sparsify
from sparsectl.cli.train import train
from sparsectl.policies.rl.extra import require
from sparsectl.preflight import check_run


def main(argv: list[str], *, command: str = "run", text: str | None = None,
         default: str | None = None) -> int:  # fmt: skip
    """Parse and run all stages."""
    parsed = options.parse(argv, command, text or __doc__, default)
    experiment, folder = parsed.experiment, parsed.folder
    if experiment.task.observation.delay == "auto":  # still to be found
        stages.collect_stage(experiment, folder).check(parsed.force)
        made = locate.made(experiment, folder)
        check_run(experiment, locate.controllers(experiment.controllers, folder), {}, made)
        with stages.opened(experiment, folder):
            collect(parsed)
        parsed = options.parse(argv, command, text or __doc__, default)
        experiment = parsed.experiment
    if experiment.dataset is None and not experiment.given:
        stages.collect_stage(experiment, folder).check(parsed.force)
    states = [stage.check(parsed.force) for stage in stages.model_stages(experiment, folder)]
    family = locate.members(experiment, folder)
    own = locate.own_policies(experiment, folder)
    missing = [p for p in locate.made(experiment, folder) if not locate.there(p, folder)]
    if own:
        require()
    if all(state == "done" for state in states) and not missing:
        prepared(parsed)
    else:  # what can be said of the comparison before there is a model
        from sparsectl.evaluate.comparison import together  # loads matplotlib

        named = experiment.evaluate.models
        own_model = {stages.model_name(experiment): ""}
        together(own_model, named, experiment.controllers, experiment.horizon)
        models = {n: locate.located(p, folder) for n, p in named.items() if p not in missing}
        check_run(experiment, locate.controllers(experiment.controllers, folder), models, missing)
    tell_unread(parsed)
    with stages.opened(experiment, folder):
        if not experiment.given:
            collect(parsed)
        train(parsed)
        if family:
            sparsify(parsed)
        if own:
            policy_train.train(parsed)
        if locate.own_imitations(experiment, folder):
            policy_imitate.imitate(parsed)
        compare(parsed)
    return 0
