"""Can the sorting tasks be solved? Greedy one-step shooting with the true simulator.

Every stroke is the best of many simulated ones under the committed config's cost, one step ahead:
no model, no solver. What a planner with a learned model and horizon 1 can hope for.

python -m scripts.closed_loop.sort_oracle --samples 512
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from scripts import study
from scripts.study import CONFIGS, RESULTS, Row
from sparsectl import environment, experiment, seeding
from sparsectl.envs.lockstep import Lockstep
from sparsectl.envs.sort.env import SortEnv
from sparsectl.envs.sort.exploration import UNIT, propose
from sparsectl.files import csv_text, write_atomic
from sparsectl.task import Problem

FIRST_SEED = 10_000


def best_stroke(
    env: SortEnv, lockstep: Lockstep, problem: Problem, samples: int, rng: np.random.Generator
) -> np.ndarray:
    """Action of the lowest simulated cost, shape (4,); waiting is one of the candidates."""
    discs = np.tile(problem.x0, (samples + 1, 1))
    actions = propose(
        discs.reshape(samples + 1, -1, 2), env.targets, rng.random((samples + 1, UNIT))
    )
    actions[0] = 0.0
    after = lockstep.step(np.hstack([np.zeros((samples + 1, 3)), discs]), actions)[:, 3:]
    costs = problem.cost(np.stack([discs, after], axis=1), actions[:, None])
    return actions[np.argmin(costs)]


@dataclass(frozen=True, kw_only=True)
class Options(study.Options):
    out: Path = RESULTS / "sort_oracle.jsonl"
    discs: tuple[int, ...] = (4, 6, 8)
    episodes: int = 20
    samples: int = 512


def main(argv: list[str] | None = None) -> int:
    """Play what is missing, then write the table."""
    options = study.parse(Options, __doc__, argv)
    units = (
        {"discs": discs, "seed": FIRST_SEED + i, "samples": options.samples}
        for discs in options.discs for i in range(options.episodes)
    )  # fmt: skip
    rows = study.run(options, units, play)
    write_atomic(options.out.with_suffix(".csv"), csv_text(rows))
    for (discs,), some in study.groups(rows, "discs").items():
        solved = [r["strokes"] for r in some if r["success"]]
        mean = np.mean(solved) if solved else np.nan
        print(f"{discs} discs: {len(solved)} of {len(some)} sorted, {mean:.1f} strokes")
    return 0


def play(unit: Row, _: Options) -> Row:
    """One episode, up to its first success."""
    settings = experiment.load(CONFIGS / f"sort{unit['discs']}.yaml")
    task = experiment.check(settings)
    env = environment.make(settings.env.id, settings.env.kwargs)
    simulated = SortEnv(unit["discs"])
    steps = settings.evaluate.steps or env.spec.max_episode_steps  # type: ignore[union-attr]
    rng = seeding.generator(unit["seed"], "oracle")
    started, strokes = time.perf_counter(), 0
    observation, info = env.reset(seed=unit["seed"])
    with Lockstep(simulated.simulator) as lockstep:
        while not info["is_success"] and strokes < steps:
            problem = task.problem(observation, 1)
            action = best_stroke(simulated, lockstep, problem, unit["samples"], rng)
            observation, *_, info = env.unwrapped.step(action)
            strokes += 1
    env.close()
    return {
        "success": int(info["is_success"]), "strokes": strokes, "sorted": int(info["sorted"]),
        "error_mm": round(1000 * info["error"], 2), "retractions": int(info["retractions"]),
        "rejections": int(info["rejections"]), "seconds": round(time.perf_counter() - started, 1),
    }  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
