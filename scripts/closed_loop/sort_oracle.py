"""Can the sorting tasks be solved? Greedy one-step shooting with the true simulator.

Every stroke is the best of many simulated ones under the committed config's cost, one step ahead:
no model, no solver. What a planner with a learned model and horizon 1 can hope for.

Example: python -m scripts.closed_loop.sort_oracle --samples 512
"""

from __future__ import annotations

import argparse
import csv
import io
import time
from pathlib import Path

import numpy as np

from scripts.study import RESULTS, ROOT
from sparsectl import environment, experiment, seeding
from sparsectl.envs.lockstep import Lockstep
from sparsectl.envs.sort.env import SortEnv
from sparsectl.envs.sort.exploration import UNIT, propose
from sparsectl.files import write_atomic
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


def play(discs: int, seed: int, samples: int) -> dict[str, object]:
    """One episode, up to its first success, as a row of the table."""
    settings = experiment.load(ROOT / "configs" / f"sort{discs}.yaml")
    task = experiment.check(settings)
    env = environment.make(settings.env.id, settings.env.kwargs)
    simulated = SortEnv(discs)
    steps = settings.evaluate.steps or env.spec.max_episode_steps  # type: ignore[union-attr]
    rng = seeding.generator(seed, "oracle")
    started, strokes = time.perf_counter(), 0
    observation, info = env.reset(seed=seed)
    with Lockstep(simulated.simulator) as lockstep:
        while not info["is_success"] and strokes < steps:
            problem = task.problem(observation, 1)
            action = best_stroke(simulated, lockstep, problem, samples, rng)
            observation, *_, info = env.unwrapped.step(action)
            strokes += 1
    env.close()
    return {
        "discs": discs,
        "seed": seed,
        "samples": samples,
        "success": int(info["is_success"]),
        "strokes": strokes,
        "sorted": info["sorted"],
        "error_mm": round(1000 * info["error"], 2),
        "retractions": info["retractions"],
        "rejections": info["rejections"],
        "seconds": round(time.perf_counter() - started, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("--discs", type=int, nargs="+", default=[4, 6, 8])
    parser.add_argument("--episodes", type=int, default=20)
    parser.add_argument("--samples", type=int, default=512)
    parser.add_argument("--out", type=Path, default=RESULTS / "sort_oracle.csv")
    options = parser.parse_args()
    rows = []
    for discs in options.discs:
        some = [play(discs, FIRST_SEED + i, options.samples) for i in range(options.episodes)]
        solved = [r for r in some if r["success"]]
        strokes = np.mean([r["strokes"] for r in solved]) if solved else np.nan
        print(
            f"{discs} discs: {len(solved)} of {len(some)} sorted, {strokes:.1f} strokes", flush=True
        )
        rows += some
    text = io.StringIO()
    table = csv.DictWriter(text, rows[0].keys(), lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    write_atomic(options.out, text.getvalue())


if __name__ == "__main__":
    main()
