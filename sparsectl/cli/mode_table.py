"""How many activation patterns a run's model can meet: the table of `sparsectl inspect`."""

from __future__ import annotations

import time
from pathlib import Path

from sparsectl import environment, experiment, seeding
from sparsectl.cli.tables import show
from sparsectl.mip import bound_neurons
from sparsectl.mip.modes import count as modes
from sparsectl.mip.modes.count import ModeCount
from sparsectl.program import Programs

SAMPLES = 10_000


def print_modes(source: Programs, config: Path, *, cap: int, seconds: float) -> None:
    """Print the modes of every planned step, from the start of evaluation episode 0.

    Args:
        config: config of the run: start, action box and horizon.
        seconds: time for all counts [s].

    Raises:
        SparsectlError: the config or its environment cannot be loaded any more.
    """
    from sparsectl.mip.modes import paths as mode_paths

    run = experiment.load(config)
    task = experiment.check(run, str(config))
    with environment.make(run.env.id, run.env.kwargs) as env:
        observation, _ = env.reset(seed=seeding.EVALUATION_SEED)
    problem = task.problem(observation, run.horizon)
    program = source.at(problem)
    start = (problem.x0, problem.u_low, problem.u_high, run.horizon)
    sampled = mode_paths.sampled_trajectory_modes(program, *start, samples=SAMPLES)
    began = time.perf_counter()
    bounds = bound_neurons(program, problem, "crown", soft=True)
    boxes = modes.step_modes(program, bounds, cap=cap, deadline=began + seconds / 2)
    reached = mode_paths.trajectory_modes(program, *start, cap=cap, deadline=began + seconds)
    counts = (bounds.unstable.sum(1), boxes, reached, sampled)
    show(
        ("step", "unstable ReLUs", "in the box", "reached", f"in {SAMPLES} rollouts"),
        (
            (str(t), str(int(unstable)), _short(box, seen), _short(along, seen), str(seen))
            for t, (unstable, box, along, seen) in enumerate(zip(*counts, strict=False))
        ),
        "modes (activation patterns) from the start of episode 0",
    )
    print(
        "in the box: with any state and action inside proved bounds; reached: by some action "
        f"sequence; ≥: counting stopped at {cap} or out of time (--cap, --seconds)"
    )


def _short(count: ModeCount, seen: int) -> str:
    """The count, or what is known to be reached at least."""
    return str(count.count) if count.complete else f"≥ {max(count.count, seen)}"
