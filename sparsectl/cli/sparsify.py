"""Make a family of models with fewer and fewer ReLUs, resuming if killed.

Trains a new network of three layers on the data of `sparsectl train` and takes ReLUs out of it: a
third layer says more with few ReLUs. `sparsify: {hidden: [...]}` chooses other layers; an empty
list, as for graph networks, takes the trained model itself. Every member is a model like any
other, in `<runs>/<name>/sparse/<count>`; family.csv and family.json there say how well each
predicts and how many modes planning with it meets. Plan with one by `sparsectl plan --model
sparse/24`; to compare members, name them: `evaluate: {models: {relus24: sparse/24}}`.

Example: sparsectl sparsify --config rope --sparsify.counts 48 24
"""

from __future__ import annotations

import dataclasses

from sparsectl import dynamics, seeding
from sparsectl import sparsify as room
from sparsectl.cli import family, options, stages
from sparsectl.cli.locate import MEMBERS as FOLDER
from sparsectl.cli.online import all_data
from sparsectl.cli.options import Parsed
from sparsectl.cli.stages import load_episodes
from sparsectl.experiment import check
from sparsectl.sparsify.config import LAYERS

_PROVENANCE = ("env_id", "env_kwargs", "dataset_id", "transitions", "seed", "states")
"""What a member takes over from the model it was made from."""


def main(argv: list[str]) -> int:
    """Parse and run."""
    parsed = options.parse(argv, "sparsify", __doc__)
    stages.check_model(parsed.experiment, parsed.folder, parsed.force)
    with stages.opened(parsed.experiment, parsed.folder):
        sparsify(parsed)
    return 0


def sparsify(parsed: Parsed) -> None:
    """The stage itself: rounds that are done are not done again."""
    experiment, folder = parsed.experiment, parsed.folder
    task, seed = check(experiment), experiment.seed
    model, meta = dynamics.load(stages.check_model(experiment, folder, parsed.force))
    training, test, repeats = all_data(parsed, load_episodes(parsed), experiment.online.rounds)
    config = experiment.sparsify
    config = dataclasses.replace(config, seed=seeding.integer(seed, "sparsify", config.seed))
    train = experiment.train
    train = dataclasses.replace(train, seed=seeding.integer(seed, "train", train.seed))
    new = config.hidden
    if new is None and isinstance(model, dynamics.MLPDynamics):
        new = LAYERS
    start = f"a new network of {'x'.join(map(str, new))}" if new else "the trained model"
    stages.say(f"sparsify: {start}, to {', '.join(map(str, config.counts))} ReLUs")
    found = room.sparsify(
        model,
        training,
        task.map,
        config,
        train,
        run_dir=folder / FOLDER,
        test=test,
        measure=family.planning_facts(experiment),
        meta={name: meta[name] for name in _PROVENANCE if name in meta},
        repeats=repeats,
        force=parsed.force,
    )
    stages.say(f"sparsify: {folder / FOLDER}")
    family.print_family(found, meta.get("metrics", {}).get("errors"))
