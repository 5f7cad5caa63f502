"""Tasks as users state them: every backend and `auto` against all plans there are.

    python tests/mip/task_fuzz.py --count 1000

Pairs of features in turn, with up to three more (`random_tasks`); what plans cost is read from the
config by an evaluator of its own (`task_oracle`).
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))
from random_tasks import drawn
from task_oracle import Case, cost, plans

from sparsectl.mip import Limits, Solution, anytime, solve
from sparsectl.mip.backends import BACKENDS
from sparsectl.mip.names import AUTO
from sparsectl.types import Status


def answers(item: Case) -> dict[str, Solution]:
    """What every backend says, with the planner around it and without, and `auto`."""
    problem, penalty = item.problem(), item.penalty
    limits, found = Limits(seconds=10.0, gap=1e-6), {}
    for name in BACKENDS:
        found[f"solve {name}"] = solve(
            item.program, problem, backend=name, limits=limits, soft_penalty=penalty
        )
    for name in (AUTO, *BACKENDS):
        options = anytime.Options(backend=name, gap=1e-6, soft_penalty=penalty)
        found[name] = anytime.plan(item.program, problem, lambda end: [], options)
    return found


def faults(item: Case, found: dict[str, Solution]) -> list[str]:
    """What is wrong with answers. A plan may use the tolerance of constraints."""
    every = np.array([cost(item, plan) for plan in plans(item)]).reshape(-1, 3)
    total, hard, worst = every.T
    least, strict = (np.where(worst > by, np.inf, total).min(initial=np.inf) for by in (1e-6, 0))
    if item.penalty is not None:
        least = strict = (total + item.penalty * hard).min(initial=np.inf)
    wrong, slack = [], 3e-6 * (1 + abs(strict))
    for name, answer in found.items():
        said = f"{name}: {answer.status} {answer.cost:.9g} {answer.bound}, of all {strict:.9g}"
        if np.isinf(least):
            false = answer.status is not Status.INFEASIBLE
        elif np.isinf(strict):
            false = False
        else:
            false = answer.status is not Status.OPTIMAL or answer.bound > strict + slack
            false = false or not least - slack <= answer.cost <= strict + slack
        if false:
            wrong.append(said)
    return wrong


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--first", type=int, default=0, help="first seed")
    parser.add_argument("--count", type=int, default=1000, help="decisions")
    settings, total = parser.parse_args(), 0
    for seed in range(settings.first, settings.first + settings.count):
        item = drawn(seed)
        wrong = faults(item, answers(item))
        total += bool(wrong)
        for line in wrong:
            print(f"seed {seed}: {line}", flush=True)
    print(f"{total} of {settings.count} decisions with something wrong")
    sys.exit(total > 0)


if __name__ == "__main__":
    main()
