"""Environment steps per second of a population, policy included, against bare `mujoco.rollout`.

Bare: the same model, threads, starts and torques, simulated open loop in calls of many steps
into memory that is there already; no observations, no rewards, no policy. Both are timed in turn,
`--repeats` times; the table has the medians, and the median of the ratios of neighbours, which on
a machine that does other work too differ least. `cpu_ratio` is the same of processor time.

    python -m scripts.swim.throughput --population 64 --threads 1 2
"""

from __future__ import annotations

import argparse
import csv
import sys
import time
from pathlib import Path

import mujoco
import mujoco.rollout
import numpy as np

from scripts.study import RESULTS
from sparsectl import files
from sparsectl.circuits import Circuit, CircuitConfig, MLPPolicy, MLPPolicyConfig, body_of
from sparsectl.circuits.policy.vector import flatten
from sparsectl.circuits.rollout.env_spec import EnvSpec, open_env
from sparsectl.circuits.rollout.returns import Rollouts

OUT = RESULTS / "swim_throughput.csv"
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
                states = np.zeros((len(torques), count, self.starts.shape[1]))
                sensors = np.zeros((len(torques), count, 0))
            started = now()
            self.pool.rollout(
                self.models,
                self.data,
                state,
                control,
                skip_checks=True,
                nstep=count,
                state=states,
                sensordata=sensors,
            )
            seconds += now() - started
            state = states[:, -1].copy()
        return seconds


def measure(
    name: str, population: int, threads: int, links: int, steps: int, repeats: int
) -> dict[str, object]:
    """One row of the table."""
    spec = EnvSpec("sparsectl/Swim-v0", {"links": links})
    env = open_env(spec)
    policy = POLICIES[name](body_of(env))
    env.close()
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
        "policy": name,
        "parameters": len(start),
        "links": links,
        "population": population,
        "threads": threads,
        "steps_per_second": round(rates[0]),
        "bare_steps_per_second": round(rates[1]),
        "ratio": round(float(ratios[0]), 3),
        "cpu_ratio": round(float(ratios[1]), 3),
    }


def now() -> np.ndarray:
    """Wall-clock and processor time [s]."""
    return np.array([time.perf_counter(), time.process_time()])


def main(arguments: list[str] | None = None) -> int:
    """Measure, print and write the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--population", type=int, nargs="+", default=[64])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--links", type=int, nargs="+", default=[6])
    parser.add_argument("--policies", nargs="+", choices=POLICIES, default=list(POLICIES))
    parser.add_argument("--steps", type=int, default=100, help="control steps of an episode")
    parser.add_argument("--repeats", type=int, default=11)
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args(arguments)
    rows = []
    for links in options.links:
        for population in options.population:
            for threads in options.threads:
                for name in options.policies:
                    row = measure(name, population, threads, links, options.steps, options.repeats)
                    print("  ".join(f"{k} {v}" for k, v in row.items()), flush=True)
                    rows.append(row)
    write(options.out, rows)
    return 0


def write(path: Path, rows: list[dict[str, object]]) -> None:
    """A CSV file as a whole."""
    import io

    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    files.write_atomic(path, text.getvalue())


if __name__ == "__main__":
    sys.exit(main())
