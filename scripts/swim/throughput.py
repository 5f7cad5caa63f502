"""Environment steps per second of a population, policy included, against bare `mujoco.rollout`.

Bare: the same model, threads, starts and torques, simulated open loop in calls of many steps
into memory that is there already; no observations, no rewards, no policy. Both are timed in turn,
`--repeats` times; the table has the medians, and the median of the ratios of neighbours, which on
a machine that does other work too differ least. `cpu_ratio` is the same of processor time.

    python -m scripts.swim.throughput --population 64 --threads 1 2
"""

from __future__ import annotations

import itertools
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import mujoco
import mujoco.rollout
import numpy as np

from scripts import study
from scripts.study import RESULTS
from sparsectl.circuits import Circuit, CircuitConfig, MLPPolicy, MLPPolicyConfig, body_of
from sparsectl.circuits.policy.vector import flatten
from sparsectl.circuits.rollout.env_spec import EnvSpec, open_env
from sparsectl.circuits.rollout.returns import Rollouts
from sparsectl.files import csv_text, write_atomic

CHUNK = 50
"""Control steps per call of the bare simulation."""
POLICIES = {
    "circuit of 4": lambda body: Circuit(CircuitConfig(), body),
    "circuit of 6": lambda body: Circuit(
        CircuitConfig(reflex=1, crossed=True, learn_period=True, onset="posture"), body
    ),
    "circuit by module": lambda body: Circuit(CircuitConfig(sharing="module"), body),
    "MLP 64x64": lambda body: MLPPolicy(MLPPolicyConfig(), body),
}


class Bare:
    """Open-loop simulation of recorded torques."""

    def __init__(self, model: mujoco.MjModel, starts: np.ndarray, threads: int) -> None:
        self.substeps = round(0.03 / model.opt.timestep)
        self.models, self.starts = [model] * len(starts), starts
        self.data = [mujoco.MjData(model) for _ in range(threads)]
        self.pool = mujoco.rollout.Rollout(nthread=threads if threads > 1 else 0)

    def run(self, torques: np.ndarray) -> np.ndarray:
        """Wall-clock and processor seconds for torques (N, T, nu)."""
        repeated = np.repeat(torques, self.substeps, axis=1)
        length = CHUNK * self.substeps
        states = np.zeros((len(torques), length, self.starts.shape[1]))
        sensors = np.zeros((len(torques), length, 0))
        state, seconds = self.starts, np.zeros(2)
        for begin in range(0, repeated.shape[1], length):
            control = np.ascontiguousarray(repeated[:, begin : begin + length])
            count = control.shape[1]
            if count < length:
                states, sensors = states[:, :count].copy(), sensors[:, :count].copy()
            started = now()
            self.pool.rollout(
                self.models, self.data, state, control, skip_checks=True, nstep=count,
                state=states, sensordata=sensors,
            )  # fmt: skip
            seconds += now() - started
            state = states[:, -1].copy()
        return seconds


def measure(
    name: str, population: int, threads: int, links: int, steps: int, repeats: int
) -> dict[str, object]:
    """One row of the table."""
    spec = EnvSpec("sparsectl/Swim-v0", {"links": links})
    with open_env(spec) as env:
        policy = POLICIES[name](body_of(env))
    rng = np.random.default_rng(0)
    start = flatten(policy).detach().numpy()
    vectors = start + 0.02 * rng.standard_normal((population, len(start)))
    with Rollouts(spec, steps) as recorder, Rollouts(spec, steps, threads) as rollouts:
        batch = recorder._batch(0, population, 1)
        torques, starts, step = [], [], batch.step

        def recorded(actions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            if not torques:
                starts.append(batch._batch._state.copy())
            torques.append(actions.copy())
            return step(actions)

        batch.step = recorded
        recorder.returns(policy, vectors, [0])
        batch.step = step
        rollouts.returns(policy, vectors, [0])  # opens its copies
        bare = Bare(batch._batch.task.model, starts[0], threads)
        whole, ours, plain = np.stack(torques, axis=1), [], []
        for _ in range(repeats):
            plain.append(bare.run(whole))
            started = now()
            rollouts.returns(policy, vectors, [0])
            ours.append(now() - started)
    own, other = np.array(ours), np.array(plain)
    ratios = np.median(other / own, axis=0)
    rates = population * steps / np.median(own[:, 0]), population * steps / np.median(other[:, 0])
    return {
        "policy": name, "parameters": len(start), "links": links, "population": population,
        "threads": threads, "steps_per_second": round(rates[0]),
        "bare_steps_per_second": round(rates[1]), "ratio": round(float(ratios[0]), 3),
        "cpu_ratio": round(float(ratios[1]), 3),
    }  # fmt: skip


def now() -> np.ndarray:
    """Wall-clock and processor time [s]."""
    return np.array([time.perf_counter(), time.process_time()])


@dataclass(frozen=True, kw_only=True)
class Options(study.Options):
    out: Path = RESULTS / "swim_throughput.csv"
    population: tuple[int, ...] = (64,)
    threads: tuple[int, ...] = (1, 2)
    links: tuple[int, ...] = (6,)
    policies: tuple[Literal[tuple(POLICIES)], ...] = tuple(POLICIES)
    steps: int = 100
    """Control steps of an episode."""
    repeats: int = 11


def main(argv: list[str] | None = None) -> int:
    """Measure, print and write the table."""
    options, rows = study.parse(Options, __doc__, argv), []
    for links, population, threads, name in itertools.product(
        options.links, options.population, options.threads, options.policies
    ):
        rows.append(measure(name, population, threads, links, options.steps, options.repeats))
        print(study.short(rows[-1]), flush=True)
    write_atomic(options.out, csv_text(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
