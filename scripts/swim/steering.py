"""Steering to targets: none, by the paper's thresholds, and learned; resumable.

    python -m scripts.swim.steering

Learned are all parameters of the circuit together with a linear layer from the target, as the
head sees it, to the speed and turn inputs, by a short CMA-ES.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from scripts import study
from scripts.study import RESULTS, RUNS, Row
from sparsectl.circuits import experiment
from sparsectl.circuits.evolve.config import TrainConfig
from sparsectl.circuits.experiment import SwimExperiment
from sparsectl.circuits.policy.config import CircuitConfig
from sparsectl.circuits.rollout.env_spec import EnvSpec, open_env
from sparsectl.files import csv_text, write_atomic
from sparsectl.policies.rl.curve import evaluation_seeds
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


@dataclass(frozen=True, kw_only=True)
class Options(study.Options):
    out: Path = RESULTS / "swim_steering.jsonl"
    seeds: tuple[int, ...] = (0, 1)
    """Of training."""
    episodes: int = 48
    runs: Path = RUNS / "swim_steering"


def main(argv: list[str] | None = None) -> int:
    """Train and play what is missing, then write the tables."""
    options = study.parse(Options, __doc__, argv)
    units = [{"policy": name, "seed": 0} for name in UNTRAINED]
    units += [{"policy": name, "seed": seed} for name in LEARNED for seed in options.seeds]
    _write(study.run(options, units, _play), options)
    return 0


@torch.no_grad()
def _play(unit: Row, options: Options) -> Row:
    """Return, and whether the nose ever was and at the end is on the target, of each episode."""
    name, seed = unit["policy"], unit["seed"]
    if name in UNTRAINED:
        policy = experiment.policy(_study("any", UNTRAINED[name]), 0)
    else:
        folder = options.runs / LEARNED[name].name / str(seed)
        with torch.enable_grad():
            policy = experiment.train(LEARNED[name], seed, folder)[0]
    env, seeds = open_env(TARGET), evaluation_seeds(options.episodes)
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
    return {
        "parameters": policy.count, "returns": np.round(returns, 2).tolist(),
        "reached": reached.astype(int).tolist(), "at_end": last.astype(int).tolist(),
    }  # fmt: skip


def _write(rows: list[Row], options: Options) -> None:
    runs, path = study.groups(rows, "policy"), options.out
    table = [_summary(name, runs[name,]) for name in (*UNTRAINED, *LEARNED) if (name,) in runs]
    lines = [
        [r["policy"], r["parameters"], r["seeds"] if r["policy"] in LEARNED else "–",
         f"{r['return']:.0f} ({r['return_low']:.0f}–{r['return_high']:.0f})",
         f"{r['reached']:.0%} ({r['reached_low']:.0%}–{r['reached_high']:.0%})",
         f"{r['at_end']:.0%}"]
        for r in table
    ]  # fmt: skip
    write_atomic(path.with_suffix(".csv"), csv_text(table))
    heads = ["circuit", "parameters", "training seeds", "return", "reached it", "there at the end"]
    study.page(
        path.with_suffix(".md"),
        "# Swimming to a target",
        f"`sparsectl/SwimTarget-v0`, 6 links, {options.episodes} episodes of {STEPS} steps, the "
        "same for all (return 1000: on the target throughout); targets up to 2 m to every side, "
        "every fifth up to 0.3 m. Mean with 95 % bootstrap interval over episodes, those of all "
        f"training seeds together; learning: {TRAIN.steps:,} environment steps of CMA-ES in "
        f"episodes of {TRAIN.episode_steps}. Again: `python -m scripts.swim.steering`",
        study.table(heads, lines),
    )


def _summary(name: str, rows: list[Row]) -> Row:
    # Episodes are the same in all seeds.
    returns, reached = (np.mean([r[k] for r in rows], axis=0) for k in ("returns", "reached"))
    told = {"return": statistics.bootstrap([returns], statistics.mean),
            "reached": statistics.bootstrap([reached], statistics.mean)}  # fmt: skip
    row: Row = {"policy": name, "parameters": rows[0]["parameters"], "seeds": len(rows),
                "episodes": len(returns)}  # fmt: skip
    for key, value in told.items():
        row |= {key: value.value, f"{key}_low": value.low, f"{key}_high": value.high}
    return row | {"at_end": float(np.mean([r["at_end"] for r in rows]))}


if __name__ == "__main__":
    sys.exit(main())
