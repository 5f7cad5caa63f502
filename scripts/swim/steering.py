"""Steering to targets: none, by the paper's thresholds, and learned; resumable.

    python -m scripts.swim.steering

Learned are all parameters of the circuit together with a linear layer from the target, as the
head sees it, to the speed and turn inputs, by a short CMA-ES.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from scripts.study import RESULTS, RUNS
from sparsectl.circuits import experiment
from sparsectl.circuits.curve import evaluation_seeds
from sparsectl.circuits.evolve.config import TrainConfig
from sparsectl.circuits.experiment import SwimExperiment
from sparsectl.circuits.policy.base import MotorPolicy
from sparsectl.circuits.policy.config import CircuitConfig
from sparsectl.circuits.rollout.env_spec import EnvSpec, open_env
from sparsectl.files import append_line, csv_text, read_json_lines, write_atomic
from sparsectl.report import statistics

TARGET = EnvSpec("sparsectl/SwimTarget-v0")
STEPS = 1000
TRAIN = TrainConfig(
    method="cma", population=12, sigma=0.3, episodes=4, episode_steps=400, steps=160_000,
    eval_every=80_000, eval_episodes=4,
)  # fmt: skip
PAPER = CircuitConfig()
HARD = replace(PAPER, turn=True, speed=True, steering="hardcoded")
STRETCH = replace(
    HARD, reflex=1, crossed=True, period=43.58,
    start={"proprioception": 2.11, "reflex": -0.837, "oscillator": 1.18, "ipsilateral": 1.331,
           "contralateral": -0.305},
)  # fmt: skip
"""The six parameters that `swim_study.py` trained to swim forward, steered untrained."""


def _study(name: str, policy: CircuitConfig) -> SwimExperiment:
    return SwimExperiment(name, env=TARGET, policy=policy, train=TRAIN)


UNTRAINED = {
    "no steering": PAPER,
    "thresholds, no brake": replace(HARD, speed=False),
    "thresholds and brake (paper)": HARD,
    "six parameters trained to swim, thresholds and brake": STRETCH,
}
LEARNED = {
    "learned, from the paper's circuit": _study("learned", replace(HARD, steering="learned")),
    "learned, from the six parameters": _study("learned6", replace(STRETCH, steering="learned")),
}


def main(argv: list[str] | None = None) -> int:
    """Train and play what is missing, then write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    add = parser.add_argument
    add("--seeds", nargs="+", type=int, default=[0, 1], help="training seeds")
    add("--episodes", type=int, default=48)
    add("--runs", type=Path, default=RUNS / "swim_steering")
    add("--out", type=Path, default=RESULTS / "swim_steering.jsonl")
    add("--report-only", action="store_true")
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    if not options.report_only:
        for name, config in UNTRAINED.items():
            if not _known(name, 0, options.out):
                _play(name, 0, experiment.policy(_study("any", config), 0), options)
        for name, study in LEARNED.items():
            for seed in options.seeds:
                if not _known(name, seed, options.out):
                    folder = options.runs / study.name / str(seed)
                    _play(name, seed, experiment.train(study, seed, folder)[0], options)
    _report(read_json_lines(options.out), options)
    return 0


def _known(name: str, seed: int, out: Path) -> bool:
    return (name, seed) in {(r["policy"], r["seed"]) for r in read_json_lines(out)}


@torch.no_grad()
def _play(name: str, seed: int, policy: MotorPolicy, options: argparse.Namespace) -> None:
    """Return, and whether the nose ever was and at the end is on the target, of each episode."""
    env = open_env(TARGET)
    seeds = evaluation_seeds(options.episodes)
    returns, reached = np.zeros(len(seeds)), np.zeros(len(seeds), bool)
    with env.unwrapped.batch(len(seeds)) as batch:  # type: ignore[attr-defined]
        observation, state = batch.reset(seeds), policy.initial_state(len(seeds))
        for _ in range(STEPS):
            action, state = policy(torch.from_numpy(observation), state)
            observation, rewards = batch.step(action.numpy())
            returns += rewards
            reached |= batch.successes
        last = batch.successes
    env.close()
    row = {"policy": name, "seed": seed, "parameters": policy.count,
           "returns": np.round(returns, 2).tolist(), "reached": reached.astype(int).tolist(),
           "at_end": last.astype(int).tolist()}  # fmt: skip
    append_line(options.out, json.dumps(row))
    print(name, seed, f"{returns.mean():.0f}, reached {reached.mean():.2f}", file=sys.stderr)


def _report(rows: list[dict], options: argparse.Namespace) -> None:
    table, lines = [], [
        "# Swimming to a target",
        "",
        f"`sparsectl/SwimTarget-v0`, 6 links, {options.episodes} episodes of {STEPS} steps, the "
        "same for all (return 1000: on the target throughout); targets up to 2 m to every side, "
        "every fifth up to 0.3 m. Mean with 95 % bootstrap interval over episodes, those of all "
        f"training seeds together; learning: {TRAIN.steps:,} environment steps of CMA-ES in "
        f"episodes of {TRAIN.episode_steps}. Again: `python -m scripts.swim.steering`",
        "",
        "| circuit | parameters | training seeds | return | reached it | there at the end |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]  # fmt: skip
    for name in (*UNTRAINED, *LEARNED):
        mine = [r for r in rows if r["policy"] == name]
        if not mine:
            continue
        told = _summary(name, mine)
        table.append(told)
        seeds = len(mine) if name in LEARNED else "–"
        lines.append(
            f"| {name} | {told['parameters']} | {seeds} | {told['return']:.0f} "
            f"({told['return_low']:.0f}–{told['return_high']:.0f}) | {told['reached']:.0%} "
            f"({told['reached_low']:.0%}–{told['reached_high']:.0%}) | {told['at_end']:.0%} |"
        )
    path = options.out
    print(write_atomic(path.with_suffix(".csv"), csv_text(table)), file=sys.stderr)
    print(write_atomic(path.with_suffix(".md"), "\n".join(lines) + "\n"), file=sys.stderr)


def _summary(name: str, rows: list[dict]) -> dict[str, Any]:
    returns = np.mean([r["returns"] for r in rows], axis=0)  # episodes are the same in all seeds
    told = statistics.bootstrap([returns], statistics.mean)
    reached = statistics.bootstrap([np.mean([r["reached"] for r in rows], axis=0)], statistics.mean)
    return {
        "policy": name,
        "parameters": rows[0]["parameters"],
        "seeds": len(rows),
        "episodes": len(returns),
        "return": told.value,
        "return_low": told.low,
        "return_high": told.high,
        "reached": reached.value,
        "reached_low": reached.low,
        "reached_high": reached.high,
        "at_end": float(np.mean([r["at_end"] for r in rows])),
    }


if __name__ == "__main__":
    sys.exit(main())
