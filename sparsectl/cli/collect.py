"""Record transitions of the environment as a Minari dataset.

The dataset lands in `<runs>/<name>/data` and is readable by plain `minari`
(MINARI_DATASETS_PATH=<that folder>).

Example: sparsectl collect --config rope --data.transitions 20000
"""

from __future__ import annotations

import time

from sparsectl import data, seeding
from sparsectl.cli import options, stages
from sparsectl.cli.options import Parsed
from sparsectl.data import Episodes
from sparsectl.experiment import check
from sparsectl.files import check_space, writable_folder
from sparsectl.task import Task


def main(argv: list[str]) -> int:
    """Parse and run."""
    parsed = options.parse(argv, "collect", __doc__)
    stages.collect_stage(parsed.experiment, parsed.folder).check(parsed.force)
    with stages.opened(parsed.experiment, parsed.folder):
        collect(parsed)
    return 0


def collect(parsed: Parsed) -> None:
    """The stage itself: done once, or again when its config changed and `--force` was given."""
    experiment, folder = parsed.experiment, parsed.folder
    if experiment.dataset is not None:
        stages.say(f"collect: nothing to do, training takes dataset '{experiment.dataset}'")
        return
    stage = stages.collect_stage(experiment, folder)
    if stage.check(parsed.force) == "done":
        stages.say(f"collect: done before ({folder / 'data'})")
        return
    started = time.perf_counter()
    env, config = experiment.env, experiment.data
    task = check(experiment)
    numbers = task.map.observation_size + task.nu + 1
    check_space(writable_folder(folder / "data"), 8 * numbers * config.transitions)
    stages.begin(experiment, folder)
    stage.mark(done=False)
    stages.say(f"collect: {config.transitions} transitions of {env.id}")
    if task.map.entries:
        told = ", ".join(f"{n} {r.start}:{r.stop}" for n, r in task.map.entries.items())
        stages.say(f"collect: the entries of its observation are {told}")
    episodes = data.collect(
        config,
        env.id,
        env.kwargs,
        seed=seeding.integer(experiment.seed, "collect"),
        workers=experiment.evaluate.workers,
        progress=lambda n: stages.say(f"collect: {n} of {config.transitions}"),
        actions=(task.u_low, task.u_high),
        used=task.map.used,
    )
    data.save_minari(
        episodes,
        stages.dataset_id(experiment),
        root=folder / "data",
        overwrite=True,
        policy=config.policy,
    )
    late = tell_latency(task, episodes)
    stage.mark(done=True, delay=late)
    seconds = time.perf_counter() - started
    stages.say(
        f"collect: {episodes.transitions} transitions in {len(episodes)} episodes, "
        f"{seconds:.1f} s ({folder / 'data'})"
    )


def tell_latency(task: Task, episodes: Episodes) -> int:
    """Say by how many steps actions are late, where the task does not say so; and that number."""
    found = data.latency([task.map.state(o) for o in episodes.observations], episodes.actions)
    late, given = found.steps if found else 0, task.config.observation.delay
    if found and late != given and (late, given) != (0, "auto"):
        then = "" if given == "auto" else f"; give `task.observation.delay: {late}`, or `auto`"
        stages.say(f"collect: {found.told}{then}")
    return late
