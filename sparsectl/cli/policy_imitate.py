"""Train a network to do what a planner does, resuming where a killed run stopped.

Dataset aggregation: the planner acts in the first round, later the network does and the planner
says what it would have done; the network is trained on all answers so far. Microseconds a decision
from a planner of seconds. The network lands in `<runs>/<name>/imitation`, the learning curve in
imitation.csv beside it. To play it: `controllers: {imitation: {kind: policy, path: imitation}}`;
where the file says `imitate: {controller: ...}` too, `sparsectl run` makes it first.

Example: sparsectl policy imitate --config rope --controller mip --imitate.seconds 0.2
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from typing import Any

from sparsectl.bar import Bar
from sparsectl.cli import planner, stages
from sparsectl.cli.locate import IMITATION
from sparsectl.cli.options import Parsed
from sparsectl.experiment import check
from sparsectl.files import csv_text, write_atomic


def main(argv: list[str]) -> int:
    """Parse and run."""
    parsed = planner.parse(argv, "policy imitate", __doc__, "imitate", "who is imitated")
    with stages.opened(parsed.experiment, parsed.folder):
        imitate(parsed)
    return 0


def imitate(parsed: Parsed) -> None:
    """The stage itself: done once, or again when its config changed and `--force` was given."""
    from sparsectl.imitate import Labeller
    from sparsectl.policies import checkpoint, imitation

    experiment, folder = parsed.experiment, parsed.folder
    config, path = experiment.imitate, folder / IMITATION
    player = planner.player(
        parsed, config, experiment.horizon, experiment.task, config.steps, config.seconds
    )
    facts = {**planner.facts(experiment, player), "imitate": imitation.lasting(config)}
    stage = stages.Stage(IMITATION, folder, facts)
    state, labels = stage.check(parsed.force), path.with_name(f"{IMITATION}-labels")
    if state == "done" and checkpoint.load(path)[1]["rounds"] >= config.rounds:
        stages.say(f"imitate: done before ({path})")
        return
    labeller = Labeller(player, experiment.evaluate.engine, experiment.evaluate.workers)
    labeller.check()
    if state == "changed":
        shutil.rmtree(labels, ignore_errors=True)
    stages.begin(experiment, folder)
    stage.mark(done=False)
    stages.say(
        f"imitate: {config.controller} of {config.rounds} rounds of {config.episodes} episodes"
    )
    total = config.rounds * config.episodes
    task = check(experiment)
    with Bar(total=total, desc="imitate", unit="episodes") as bar:

        def seen(count: int) -> None:
            bar.update(count - bar.n)

        found = imitation.imitate(
            config,
            labeller,
            (task.u_low, task.u_high),
            folder=labels,
            fingerprint=stage.config,
            on_episode=seen,
            on_round=lambda row: stages.say(_told(row)),
        )
    env = experiment.env
    meta = {
        "env_id": env.id,
        "env_kwargs": env.kwargs,
        "made_by": f"imitation of {config.controller}",
        "rounds": config.rounds,
        **found.facts,
        "planner": {k: stage.config[k] for k in ("controller", "model")},
    }
    checkpoint.save(found.network, path, meta)
    write_atomic(path.with_suffix(".csv"), csv_text(found.curve))
    stage.mark(done=True)
    stages.say(f"imitate: {path}")


def _told(row: Mapping[str, Any]) -> str:
    """A row of the curve in a line."""
    names = ("return", "final_error", "success", "lost")
    known = {k: row[k] for k in names if row.get(k) is not None}
    score = ", ".join(f"{k.replace('_', ' ')} {v:.4g}" for k, v in known.items())
    return (
        f"imitate: round {row['round']}, {row['labels']} labels: {score}; held-out error "
        f"{row['held_out_error']:.3g}"
    )
